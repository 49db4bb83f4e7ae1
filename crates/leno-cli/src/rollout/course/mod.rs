//! The course of a rollout.
//!
//! ```text
//! for each step: write the weights ─► look now and then until the interval is over ─► judge ─► pause, if that is wanted
//!                     │                     │                                           │
//!                     └── changed by somebody else: stop, leave everything ──────────────┘ bad, interrupted: write back
//! ```
//!
//! Nothing that somebody else wrote is overwritten: an object is replaced only as the version that was read, and only
//! while its spec is the one that this rollout knows.

mod difference;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use leno_manifest::syntax::duration;
use serde_json::Value;
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use super::{
    Limits, Plan,
    event::Event,
    judge::{Measure, Verdict},
    place::{NotReplaced, Place},
};

/// How often a write is tried while others write what is not the spec.
const TRIES: usize = 10;

/// When what is done.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// The steps, in hundredths, going up.
    pub(crate) steps: Vec<u8>,
    /// How long callers are watched at each step.
    pub(crate) interval: Duration,
    /// How long a step may wait for enough requests.
    pub(crate) deadline: Duration,
    /// Where it pauses.
    pub(crate) pauses: BTreeMap<u8, Pause>,
    /// What the canary must keep to.
    pub(crate) limits: Limits,
    /// Whether the weights stay when it goes wrong.
    pub(crate) keep: bool,
}

/// How long a pause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// So long.
    For(Duration),
    /// Until somebody says that it may go on.
    UntilTold,
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The last step was good.
    Promoted,
    /// The weights are what they were.
    RolledBack,
    /// The weights are left as they are.
    Stopped,
}

/// The wish to end: the signal that said so.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(pub(crate) watch::Receiver<Option<&'static str>>);

impl Interrupt {
    /// Waits for it.
    async fn wait(&mut self) -> &'static str {
        match self.0.wait_for(Option::is_some).await.map(|heard| *heard) {
            Ok(Some(signal)) => signal,
            // Nobody is left who could interrupt.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

/// Why a rollout does not go on.
#[derive(Debug)]
enum Failure {
    /// Somebody else changed the object.
    Edited(String),
    /// Anything else.
    Wrong(String),
}

/// A rollout under way.
pub(crate) struct Course<'a, P> {
    place: P,
    /// The object, for people.
    name: String,
    plan: Plan,
    schedule: Schedule,
    /// The object's spec as this rollout read or wrote it last.
    known: Value,
    /// The spec that was written last without an answer: the write may have been done.
    attempted: Option<Value>,
    /// Whether it was told that the object stands in the watched files.
    warned: bool,
    interrupt: Interrupt,
    /// Asks a person whether it may go on.
    ask: fn() -> oneshot::Receiver<()>,
    tell: &'a dyn Fn(&Event),
}

impl<'a, P: Place> Course<'a, P> {
    /// A rollout of an object, as it was read, by its plan.
    pub(crate) fn new(place: P, name: String, object: &Value, plan: Plan, schedule: Schedule) -> Self {
        let (_, quiet) = watch::channel(None);
        Self {
            place,
            name,
            plan,
            schedule,
            known: object["spec"].clone(),
            attempted: None,
            warned: false,
            interrupt: Interrupt(quiet),
            ask: || oneshot::channel().1,
            tell: &|_| {},
        }
    }

    /// Who may interrupt it, who is asked whether a pause is over, and who is told.
    pub(crate) fn among(
        self,
        interrupt: Interrupt,
        ask: fn() -> oneshot::Receiver<()>,
        tell: &'a dyn Fn(&Event),
    ) -> Self {
        Self { interrupt, ask, tell, ..self }
    }

    /// Says what would be done, and does not do it.
    pub(crate) fn show(&self) {
        for step in self.begin() {
            (self.tell)(&Event::Step { step, weights: self.plan.weights(Some(step)) });
        }
    }

    /// Says what is there and what is ahead.
    fn begin(&self) -> Vec<u8> {
        let steps = self.plan.ahead(&self.schedule.steps);
        (self.tell)(&Event::Begun {
            object: self.name.clone(),
            to: self.plan.to.clone(),
            from: self.plan.from.clone(),
            steps: steps.clone(),
            weights: self.plan.weights(None),
        });
        steps
    }

    /// Goes through all steps, or back.
    pub(crate) async fn run(mut self) -> End {
        let steps = self.begin();
        match self.advance(&steps).await {
            Ok(()) => {
                let (to, step) = (self.plan.to.clone(), steps.last().copied().unwrap_or_default());
                (self.tell)(&Event::Promoted { to, step });
                End::Promoted
            }
            Err(Failure::Edited(reason)) => self.stopped(reason),
            Err(Failure::Wrong(reason)) if self.schedule.keep => {
                self.stopped(format!("{reason}; the weights stay as they are"))
            }
            Err(Failure::Wrong(reason)) => self.roll_back(reason).await,
        }
    }

    async fn advance(&mut self, steps: &[u8]) -> Result<(), Failure> {
        for step in steps.iter().copied() {
            self.write(Some(step)).await?;
            (self.tell)(&Event::Step { step, weights: self.plan.weights(Some(step)) });
            self.watch(step, Some(self.schedule.deadline)).await?;
            if let Some(pause) = self.schedule.pauses.get(&step).copied() {
                self.pause(step, pause).await?;
            }
        }
        Ok(())
    }

    async fn roll_back(mut self, reason: String) -> End {
        // Signals are not heeded here: Ctrl-C often comes twice, from the terminal and from whoever started this.
        match self.write(None).await {
            Ok(()) => {
                (self.tell)(&Event::RolledBack { reason, weights: self.plan.weights(None) });
                End::RolledBack
            }
            Err(Failure::Edited(why) | Failure::Wrong(why)) => {
                self.stopped(format!("{reason}; the weights were not rolled back: {why}"))
            }
        }
    }

    fn stopped(&self, reason: String) -> End {
        (self.tell)(&Event::Stopped { reason });
        End::Stopped
    }

    /// The object, if its spec is still the one that is known.
    async fn ours(&self) -> Result<Value, Failure> {
        let read = self.place.read().await.map_err(|error| Failure::Wrong(format!("{error:#}")))?;
        let name = &self.name;
        let object = read.ok_or_else(|| Failure::Edited(format!("{name} was deleted by somebody else")))?;
        let spec = &object["spec"];
        if *spec == self.known || self.attempted.as_ref() == Some(spec) {
            return Ok(object);
        }
        let what = difference::first("spec", &self.known, spec).unwrap_or_default();
        Err(Failure::Edited(format!("{name} was changed by somebody else and is left as it is: {what}")))
    }

    /// Writes the weights of a step; those before the rollout without one.
    async fn write(&mut self, step: Option<u8>) -> Result<(), Failure> {
        for _ in 0..TRIES {
            let mut object = self.ours().await?;
            let before = object["spec"].clone();
            self.plan.write(step, &mut object);
            if object["spec"] == before {
                self.known = before;
                return Ok(());
            }
            // What became of the object is its keeper's to say.
            object.as_object_mut().map(|object| object.remove("status"));
            self.attempted = Some(object["spec"].clone());
            match self.place.replace(&object).await {
                Ok(replaced) => {
                    self.known = replaced.object["spec"].clone();
                    self.attempted = None;
                    if replaced.in_files && !self.warned {
                        self.warned = true;
                        (self.tell)(&Event::InFiles { object: self.name.clone() });
                    }
                    return Ok(());
                }
                // What has changed is seen when it is read again.
                Err(NotReplaced::Changed) => {}
                Err(NotReplaced::Failed(error)) => return Err(Failure::Wrong(format!("{error:#}"))),
            }
        }
        Err(Failure::Wrong(format!("{} changes all the time", self.name)))
    }

    /// The work, unless a signal comes first.
    async fn unless_interrupted<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let mut interrupt = self.interrupt.clone();
        tokio::select! {
            done = work => Ok(done),
            signal = interrupt.wait() => Err(Failure::Wrong(signal.into())),
        }
    }

    async fn calls(&self) -> Result<leno_api::runner::Calls, Failure> {
        let calls = self.unless_interrupted(self.place.calls(&self.plan.canary)).await?;
        calls.map_err(|error| Failure::Wrong(format!("what callers see is not known: {error:#}")))
    }

    /// Watches callers for an interval, and longer while there are too few requests to judge; without a deadline that is
    /// good enough.
    async fn watch(&self, step: u8, deadline: Option<Duration>) -> Result<(), Failure> {
        let Schedule { interval, limits, .. } = &self.schedule;
        let started = Instant::now();
        let mut measure = Measure::new(&self.calls().await?);
        let mut held = false;
        loop {
            let left = interval.saturating_sub(started.elapsed());
            let look = if left.is_zero() { P::LOOK } else { left.min(P::LOOK) };
            self.unless_interrupted(tokio::time::sleep(look)).await?;
            self.unless_interrupted(self.ours()).await??;
            measure.add(&self.calls().await?);
            let (seen, elapsed) = (measure.seen(), started.elapsed());
            let wrong = limits.hopeless(&seen, elapsed.as_secs_f64() / interval.as_secs_f64());
            let verdict = match wrong {
                Some(reason) => Verdict::Bad(reason),
                None if elapsed < *interval => continue,
                None => limits.judge(&seen),
            };
            let checked = |wrong| Event::Checked { step, seconds: elapsed.as_secs_f64(), seen: seen.clone(), wrong };
            match (verdict, deadline) {
                (Verdict::Good, _) => {
                    (self.tell)(&checked(None));
                    return Ok(());
                }
                (Verdict::Bad(reason), _) => {
                    (self.tell)(&checked(Some(reason.clone())));
                    return Err(Failure::Wrong(reason));
                }
                (Verdict::TooFew, None) => return Ok(()),
                (Verdict::TooFew, Some(deadline)) if elapsed >= deadline.max(*interval) => {
                    return Err(Failure::Wrong(format!(
                        "only {} requests within {}, and {} are needed to judge",
                        seen.requests,
                        duration::shown(deadline.max(*interval)),
                        limits.requests
                    )));
                }
                (Verdict::TooFew, Some(_)) if held => {}
                (Verdict::TooFew, Some(_)) => {
                    held = true;
                    (self.tell)(&Event::Held { step, wanted: limits.requests, seen });
                }
            }
        }
    }

    /// Waits as long as it is to, and watches callers meanwhile.
    async fn pause(&self, step: u8, pause: Pause) -> Result<(), Failure> {
        let seconds = match pause {
            Pause::For(time) => Some(time.as_secs_f64()),
            Pause::UntilTold => None,
        };
        (self.tell)(&Event::Paused { step, seconds });
        let over = async {
            match pause {
                Pause::For(time) => {
                    tokio::time::sleep(time).await;
                    Ok(())
                }
                Pause::UntilTold => (self.ask)().await.map_err(|_| {
                    Failure::Wrong("standard input has ended, so nobody can say that it may go on".into())
                }),
            }
        };
        let watched = async {
            loop {
                if let Err(failure) = self.watch(step, None).await {
                    return failure;
                }
            }
        };
        tokio::select! {
            over = over => over?,
            failure = watched => return Err(failure),
        }
        (self.tell)(&Event::Resumed { step });
        Ok(())
    }
}
