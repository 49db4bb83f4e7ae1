//! When what is due.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// Times of an exchange.
pub(super) struct Times {
    /// One timer for all, set to what is due first; it may fire early and is then set again.
    timer: Pin<Box<Sleep>>,
    /// When something last moved.
    pub(super) moved: Instant,
}

impl Times {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { timer: Box::pin(tokio::time::sleep_until(now + Duration::from_secs(3600))), moved: now }
    }

    /// Begins an attempt.
    pub(super) fn start(&mut self) {
        self.moved = Instant::now();
    }

    /// Ready when `due` has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        if self.timer.deadline() > due {
            self.timer.as_mut().reset(due);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
    }
}
