//! What a rollout tells, as lines for people and as JSON.

use serde::Serialize;

/// The weights of one list of backends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Weights {
    /// The field of the object that has it: `spec`, `spec.rules[0]`.
    pub(crate) place: String,
    /// The backends in their order.
    pub(crate) backends: Vec<Share>,
}

/// A backend and its weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Share {
    /// Its name.
    pub(crate) backend: String,
    /// Its weight.
    pub(crate) weight: u64,
}

/// What the canary's callers saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Seen {
    /// Requests.
    pub(crate) requests: u64,
    /// Those that failed.
    pub(crate) failed: u64,
    /// Their share, 0 to 1; `None` without requests.
    pub(crate) error_rate: Option<f64>,
    /// 99th percentile of the duration in milliseconds; `None` without requests.
    pub(crate) p99_ms: Option<f64>,
}

/// Something that happens in a rollout.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// It begins.
    Begun {
        /// The object, e.g. `TrafficSplit shop/shop`.
        object: String,
        /// The backend that gets more.
        to: String,
        /// The backend that gets less.
        from: String,
        /// The steps, in hundredths.
        steps: Vec<u8>,
        /// What the weights are.
        weights: Vec<Weights>,
    },
    /// Weights were written (with `--dry-run`: would be).
    Step {
        /// The step.
        step: u8,
        /// What the weights are now.
        weights: Vec<Weights>,
    },
    /// The object stands in the watched files, which say something else now.
    InFiles {
        /// The object.
        object: String,
    },
    /// There were too few requests to judge: the step goes on.
    Held {
        /// The step.
        step: u8,
        /// How many there must be.
        wanted: u64,
        /// What was seen.
        #[serde(flatten)]
        seen: Seen,
    },
    /// An interval is over.
    Checked {
        /// The step.
        step: u8,
        /// How long it was, in seconds.
        seconds: f64,
        /// What was seen.
        #[serde(flatten)]
        seen: Seen,
        /// Why that will not do; `None` if it will.
        wrong: Option<String>,
    },
    /// It waits until somebody says that it may go on, or for a time.
    Paused {
        /// The step.
        step: u8,
        /// The time in seconds; `None` until somebody says so.
        seconds: Option<f64>,
    },
    /// The pause is over.
    Resumed {
        /// The step.
        step: u8,
    },
    /// The last step was good.
    Promoted {
        /// The backend that got more.
        to: String,
        /// Its share of what both have, in hundredths.
        step: u8,
    },
    /// The weights are again what they were.
    RolledBack {
        /// Why.
        reason: String,
        /// What they are.
        weights: Vec<Weights>,
    },
    /// It ended and left the weights as they are.
    Stopped {
        /// Why.
        reason: String,
    },
}

impl Event {
    /// The line for people.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Begun { object, to, from, steps, weights } => {
                let steps: Vec<_> = steps.iter().map(|step| format!("{step}%")).collect();
                format!("{object}: from {from} to {to} by {}; now {}", steps.join(", "), shown(weights))
            }
            Self::Step { step, weights } => format!("{step}%: {}", shown(weights)),
            Self::InFiles { object } => format!(
                "warning: {object} stands in the watched files, which are left as they are: their next change puts back \
                 the weights written there"
            ),
            Self::Held { step, wanted, seen } => {
                format!("{step}%: holding: {} requests, at least {wanted} are needed to judge", seen.requests)
            }
            Self::Checked { step, seconds, seen, wrong } => {
                let word = if wrong.is_some() { "bad" } else { "good" };
                format!("{step}%: {word}: {} in {seconds:.0} s", seen.shown())
            }
            Self::Paused { step, seconds: Some(seconds) } => format!("{step}%: pausing for {seconds:.0} s"),
            Self::Paused { step, seconds: None } => {
                format!("{step}%: pausing; Enter goes on, Ctrl-C rolls back")
            }
            Self::Resumed { step } => format!("{step}%: going on"),
            Self::Promoted { to, step } => format!("promoted: {to} gets {step}%"),
            Self::RolledBack { reason, weights } => format!("rolled back to {}: {reason}", shown(weights)),
            Self::Stopped { reason } => format!("stopped: {reason}"),
        }
    }
}

impl Seen {
    fn shown(&self) -> String {
        let rate = self.error_rate.map_or_else(String::new, |rate| format!(" ({:.1}%)", rate * 100.0));
        let p99 = self.p99_ms.map_or_else(String::new, |ms| format!(", p99 {ms:.1} ms"));
        format!("{} requests, {} failed{rate}{p99}", self.requests, self.failed)
    }
}

/// `shop-v1 95, shop-v2 5`, with the rule before where there are several.
fn shown(weights: &[Weights]) -> String {
    let list = |it: &Weights| {
        let shares: Vec<_> = it.backends.iter().map(|share| format!("{} {}", share.backend, share.weight)).collect();
        let place = if weights.len() > 1 { format!("{}: ", it.place) } else { String::new() };
        format!("{place}{}", shares.join(", "))
    };
    weights.iter().map(list).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_short_lines_and_flat_json() {
        let share = |backend: &str, weight| Share { backend: backend.into(), weight };
        let weights = vec![Weights { place: "spec".into(), backends: vec![share("v1", 95), share("v2", 5)] }];
        let step = Event::Step { step: 5, weights };
        assert_eq!(step.line(), "5%: v1 95, v2 5");
        let seen = Seen { requests: 40, failed: 2, error_rate: Some(0.05), p99_ms: Some(12.34) };
        let checked = Event::Checked { step: 5, seconds: 30.2, seen, wrong: None };
        assert_eq!(checked.line(), "5%: good: 40 requests, 2 failed (5.0%), p99 12.3 ms in 30 s");
        let json = serde_json::to_value(&checked).unwrap();
        assert_eq!((&json["event"], &json["requests"]), (&"checked".into(), &40.into()));
    }
}
