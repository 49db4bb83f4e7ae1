//! Ending in order: tell everybody, let what is in flight finish, but not for ever.

use std::time::Duration;

use tokio::sync::watch;

/// The side that says when to end. Dropping it says so too.
#[derive(Debug)]
pub struct Drain {
    draining: watch::Sender<bool>,
}

/// The side that is told. Held by whatever has work in flight; [`Drain::finish`] waits until all are dropped.
#[derive(Clone, Debug)]
pub struct Drained {
    draining: watch::Receiver<bool>,
}

/// A pair of the two sides.
#[must_use]
pub fn channel() -> (Drain, Drained) {
    let (sender, receiver) = watch::channel(false);
    (Drain { draining: sender }, Drained { draining: receiver })
}

impl Drain {
    /// Tells every holder to end. Telling twice is telling once.
    pub fn start(&self) {
        self.draining.send_replace(true);
    }

    /// Another holder.
    #[must_use]
    pub fn holder(&self) -> Drained {
        Drained { draining: self.draining.subscribe() }
    }

    /// Waits until every [`Drained`] is dropped; `false` when `deadline` came first.
    pub async fn finish(&self, deadline: Duration) -> bool {
        tokio::time::timeout(deadline, self.draining.closed()).await.is_ok()
    }
}

impl Drained {
    /// Whether it is time to end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow() || self.draining.has_changed().is_err()
    }

    /// Waits until it is time to end.
    pub async fn wait(&mut self) {
        // An error means that the `Drain` is gone, which says the same.
        drop(self.draining.wait_for(|draining| *draining).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn finish_waits_for_the_last_holder() {
        let (drain, mut held) = channel();
        assert!(!held.is_draining());
        drain.start();
        held.wait().await;
        assert!(held.is_draining());
        assert!(!drain.finish(Duration::from_secs(1)).await);
        drop(held);
        assert!(drain.finish(Duration::from_secs(1)).await);
    }

    #[tokio::test]
    async fn a_dropped_drain_ends_everything() {
        let (drain, mut held) = channel();
        drop(drain);
        held.wait().await;
        assert!(held.is_draining());
    }
}
