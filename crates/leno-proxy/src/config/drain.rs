//! Connections of a filter chain that is there no more: they are asked to end, and end after a while in any case.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::clock;

/// How connections are let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainRules {
    /// After how long they are closed, whatever is under way.
    pub time: Duration,
    /// Whether ever more of them are asked to end while that time goes by, or all at once.
    pub strategy: DrainStrategy,
}

/// How fast connections are asked to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DrainStrategy {
    /// Ever more, so that their callers do not all come back at once
    #[default]
    Gradual,
    /// Each with its next answer
    Immediate,
}

/// Whether a chain's connections are let go of. Read by every worker for each request: until it begins that is one load.
#[derive(Debug, Default)]
pub struct Drain {
    /// When it began, in nanoseconds of [`clock::now`] and never 0; 0: it has not.
    began: AtomicU64,
    /// How long it takes, in nanoseconds; 0: at once.
    takes: AtomicU64,
    over: AtomicBool,
    /// The tasks to wake at its end.
    waiting: Mutex<Waiting>,
}

/// Tasks to wake.
#[derive(Debug, Default)]
struct Waiting {
    wakers: Vec<Option<Waker>>,
    /// Places of those that have ended: they are used again.
    free: Vec<usize>,
}

impl Waiting {
    /// Keeps a waker, at the place of an earlier one where there is one.
    fn put(&mut self, earlier: Option<usize>, waker: Waker) -> usize {
        let place = earlier.or_else(|| self.free.pop()).unwrap_or(self.wakers.len());
        match self.wakers.get_mut(place) {
            Some(free) => *free = Some(waker),
            None => self.wakers.push(Some(waker)),
        }
        place
    }

    fn give_back(&mut self, place: usize) {
        if let Some(taken) = self.wakers.get_mut(place) {
            *taken = None;
            self.free.push(place);
        }
    }
}

impl Drain {
    /// Asks connections to end from now on.
    pub fn begin(&self, rules: DrainRules) {
        let takes = match rules.strategy {
            DrainStrategy::Gradual => nanoseconds(rules.time),
            DrainStrategy::Immediate => 0,
        };
        self.takes.store(takes, Ordering::Relaxed);
        let now = nanoseconds(clock::now()).max(1);
        // What has begun goes on.
        self.began.compare_exchange(0, now, Ordering::Release, Ordering::Relaxed).ok();
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.began.load(Ordering::Relaxed) != 0
    }

    /// Whether a connection that has something to say now says that it ends.
    #[must_use]
    pub fn asks(&self) -> bool {
        match self.began.load(Ordering::Acquire) {
            0 => false,
            began => self.is_due(nanoseconds(clock::now()).saturating_sub(began), rand::random()),
        }
    }

    /// The same so long after its beginning. `random` is from 0 to 1.
    fn is_due(&self, since: u64, random: f64) -> bool {
        let takes = self.takes.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a share of the time")]
        let share = if takes == 0 { 1.0 } else { since as f64 / takes as f64 };
        share > random || takes == 0
    }

    /// Closes what is open still.
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Waits for the end.
    #[must_use]
    pub fn over(&self) -> Over<'_> {
        Over { drain: self, place: None }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The end of a [`Drain`]. A connection is one task from its beginning to its end, so that it takes the lock once.
#[derive(Debug)]
pub struct Over<'a> {
    drain: &'a Drain,
    /// Where its waker is, and a copy to compare.
    place: Option<(usize, Waker)>,
}

impl Future for Over<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.drain.over.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        if self.place.as_ref().is_some_and(|(_, waker)| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        let drain = self.drain;
        let mut waiting = drain.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: whoever ends it either is still to come by or has been seen.
        if drain.over.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        let earlier = self.place.as_ref().map(|(place, _)| *place);
        let place = waiting.put(earlier, cx.waker().clone());
        drop(waiting);
        self.place = Some((place, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if let Some((place, _)) = self.place.take() {
            self.drain.waiting.lock().unwrap_or_else(PoisonError::into_inner).give_back(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: DrainRules = DrainRules { time: Duration::from_secs(600), strategy: DrainStrategy::Gradual };

    #[test]
    fn ever_more_connections_are_asked_to_end() {
        let drain = Drain::default();
        assert!(!drain.asks() && !drain.has_begun());
        drain.begin(RULES);
        let second = 1_000_000_000;
        assert!(!drain.is_due(0, 0.01) && drain.is_due(300 * second, 0.49) && !drain.is_due(300 * second, 0.51));
        assert!(drain.is_due(601 * second, 0.999));
        let at_once = Drain::default();
        at_once.begin(DrainRules { strategy: DrainStrategy::Immediate, ..RULES });
        assert!(at_once.asks());
    }

    #[tokio::test]
    async fn all_that_wait_for_the_end_are_woken() {
        let drain = std::sync::Arc::new(Drain::default());
        drop(drain.over());
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let drain = std::sync::Arc::clone(&drain);
                leno_runtime::task::spawn(async move { drain.over().await })
            })
            .collect();
        tokio::task::yield_now().await;
        waiting[1].abort();
        tokio::task::yield_now().await;
        drain.end();
        for (index, task) in waiting.into_iter().enumerate() {
            assert_eq!(task.await.is_ok(), index != 1);
        }
        assert!(drain.waiting.lock().unwrap().wakers.is_empty());
        drain.over().await;
    }
}
