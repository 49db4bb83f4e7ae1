//! Pings that find out whether the other side of a connection is there.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use rand::RngExt as _;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::Http2Keepalive;

/// The time to the next ping.
fn wait(settings: &Http2Keepalive) -> Duration {
    let random: f64 = rand::rng().random();
    settings.interval.map_or(FAR, |interval| {
        interval.saturating_add(interval.mul_f64(settings.jitter.clamp(0.0, 100.0) / 100.0 * random))
    })
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The other side is asked.
    Ping,
    /// It did not answer.
    GiveUp,
}

/// The pings of a connection.
#[derive(Debug)]
pub(super) struct Pings {
    settings: Http2Keepalive,
    timer: Pin<Box<Sleep>>,
    /// Whether an answer is awaited, and `timer` is its time.
    asked: bool,
    /// When something last came.
    heard: Instant,
}

/// A time that does not come.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl Pings {
    pub(super) fn new(settings: Http2Keepalive) -> Self {
        let now = Instant::now();
        let timer = Box::pin(sleep_until(now + wait(&settings)));
        Self { settings, timer, asked: false, heard: now }
    }

    /// Something came: whatever it is, the other side is there.
    pub(super) fn hear(&mut self) {
        self.heard = Instant::now();
        if std::mem::take(&mut self.asked) {
            self.timer.as_mut().reset(self.heard + wait(&self.settings));
        }
    }

    /// Whether a ping goes before a new stream.
    pub(super) fn opens(&mut self) -> bool {
        let asks = !self.asked && self.settings.idle.is_some_and(|idle| self.heard.elapsed() >= idle);
        if asks {
            self.ask();
        }
        asks
    }

    fn ask(&mut self) {
        self.asked = true;
        self.timer.as_mut().reset(Instant::now() + self.settings.timeout);
    }

    /// Ready when something is to be done.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Act> {
        ready!(self.timer.as_mut().poll(cx));
        if self.asked {
            return Poll::Ready(Act::GiveUp);
        }
        self.ask();
        Poll::Ready(Act::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_after_a_ping_is_the_end() {
        let second = Duration::from_secs(1);
        let settings =
            Http2Keepalive { interval: Some(second * 10), timeout: second, jitter: 50.0, idle: Some(second * 3) };
        let mut pings = Pings::new(settings);
        let began = Instant::now();
        let next = |pings: &mut Pings| {
            let polled = pings.poll(&mut Context::from_waker(std::task::Waker::noop()));
            assert!(polled.is_pending());
        };
        next(&mut pings);
        assert_eq!(std::future::poll_fn(|cx| pings.poll(cx)).await, Act::Ping);
        assert!((second * 10..=second * 15).contains(&began.elapsed()));
        pings.hear();
        next(&mut pings);
        assert!(!pings.opens());
        tokio::time::advance(second * 3).await;
        assert!(pings.opens() && !pings.opens());
        assert_eq!(std::future::poll_fn(|cx| pings.poll(cx)).await, Act::GiveUp);
    }
}
