//! What happens in the mesh, kept for a while and followed by everyone who looks.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use leno_api::runner::{Event, Happening};
use tokio::sync::watch;

/// How many events are kept.
const KEEP: usize = 4096;

/// The events of the mesh.
#[derive(Debug)]
pub(crate) struct Events {
    kept: Mutex<VecDeque<Event>>,
    /// The sequence number of the newest event.
    newest: watch::Sender<u64>,
    /// Held by every follower.
    readers: Arc<()>,
}

impl Default for Events {
    fn default() -> Self {
        Self { kept: Mutex::default(), newest: watch::Sender::new(0), readers: Arc::default() }
    }
}

impl Events {
    /// Tells everyone.
    pub(crate) fn tell(&self, what: Happening) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = *self.newest.borrow() + 1;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        if kept.len() == KEEP {
            kept.pop_front();
        }
        kept.push_back(Event { sequence, time_ms, what });
        self.newest.send_replace(sequence);
    }

    /// A warning to everyone.
    pub(crate) fn warn(&self, message: impl Into<String>) {
        self.tell(Happening::Warning { message: message.into() });
    }

    /// The newest event's sequence number.
    pub(crate) fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// The kept events after this sequence number.
    pub(crate) fn since(&self, sequence: u64) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|event| event.sequence > sequence).cloned().collect()
    }

    /// To be held by whoever follows, so that the last event is waited for.
    pub(crate) fn reader(&self) -> Arc<()> {
        Arc::clone(&self.readers)
    }

    /// Whether anyone follows.
    pub(crate) fn has_readers(&self) -> bool {
        Arc::strong_count(&self.readers) > 1
    }

    /// Waits for an event after this sequence number.
    pub(crate) async fn wait(&self, sequence: u64) {
        let mut newest = self.newest.subscribe();
        // The sender lives as long as `self`, so there is no error to tell of.
        newest.wait_for(|newest| *newest > sequence).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_are_numbered_and_can_be_followed() {
        let events = Events::default();
        events.warn("one");
        events.tell(Happening::Stopping);
        events.wait(1).await;
        let seen: Vec<u64> = events.since(1).iter().map(|event| event.sequence).collect();
        assert_eq!(seen, [2]);
    }
}
