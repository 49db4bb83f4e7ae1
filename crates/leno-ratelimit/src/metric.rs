//! What the service counts about itself.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// A metric, for the reference.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Its name as it is scraped.
    pub name: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// Its labels and what they say.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it counts.
    pub help: &'static str,
}

const DECISIONS: Description = Description {
    name: "leno_ratelimit_decisions_total",
    kind: "counter",
    labels: &[
        ("domain", "The domain that was asked about"),
        (
            "rule",
            "Where the limit stands: keys and values, e.g. `path=/buy.user`; `override`: it came with the request",
        ),
        ("outcome", "`ok`, `over_limit`, or `shadow_over_limit`: over a limit that is only tried out"),
    ],
    help: "Descriptors that a limit was found for, by what came of them",
};
const ERRORS: Description = Description {
    name: "leno_ratelimit_errors_total",
    kind: "counter",
    labels: &[],
    help: "Requests that could not be decided as nothing could be counted",
};
const RELOADS: Description = Description {
    name: "leno_ratelimit_reloads_total",
    kind: "counter",
    labels: &[("result", "`ok`, or `invalid`: the rules from before go on")],
    help: "Times that the rules were read again",
};

/// Every metric.
pub const TABLE: [Description; 3] = [DECISIONS, ERRORS, RELOADS];

type Decided = [(&'static str, String); 3];
type Reloaded = [(&'static str, &'static str); 1];

/// The metrics of a service.
#[derive(Debug)]
pub struct Metrics {
    decisions: Family<Decided, Counter>,
    errors: Counter,
    reloads: Family<Reloaded, Counter>,
}

impl Metrics {
    /// All at zero, told by `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let decisions = register(registry, DECISIONS, Family::default());
        let errors = register(registry, ERRORS, Counter::default());
        let reloads = register(registry, RELOADS, Family::default());
        Self { decisions, errors, reloads }
    }

    /// A descriptor was decided. Rules are few: the label is bounded by the configuration, but the domain of an override
    /// is the caller's word, so all of those are one series.
    pub(crate) fn decided(&self, domain: &str, rule: &str, over: bool, shadow: bool) {
        let outcome = match (over, shadow) {
            (false, _) => "ok",
            (true, false) => "over_limit",
            (true, true) => "shadow_over_limit",
        };
        let domain = if rule == crate::decide::OVERRIDE { "" } else { domain };
        let labels = [("domain", domain.to_owned()), ("rule", rule.to_owned()), ("outcome", outcome.to_owned())];
        self.decisions.get_or_create(&labels).inc();
    }

    /// Nothing could be counted.
    pub(crate) fn failed(&self) {
        self.errors.inc();
    }

    /// The rules were read again.
    pub(crate) fn reloaded(&self, ok: bool) {
        self.reloads.get_or_create(&[("result", if ok { "ok" } else { "invalid" })]).inc();
    }
}

fn register<M: prometheus_client::registry::Metric + Clone>(registry: &mut Registry, of: Description, metric: M) -> M {
    // The registry adds the suffix of counters itself.
    registry.register(of.name.trim_end_matches("_total"), of.help, metric.clone());
    metric
}
