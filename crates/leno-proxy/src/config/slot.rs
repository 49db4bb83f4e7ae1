//! A named place for a piece of configuration that arrives, changes and goes away while connections hold on to it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use super::source::SourceId;

/// What is known about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SlotState {
    /// Asked for, no answer yet.
    Pending = 0,
    /// There is a value.
    Ready = 1,
    /// The control plane says that there is no such thing.
    Absent = 2,
}

/// A resource by name. Written by the control thread, read by every worker; reading takes no lock.
pub struct Slot<T> {
    /// The resource's name; with its source the key in the registry.
    name: Arc<str>,
    /// Where it comes from.
    source: SourceId,
    /// The value in use.
    value: ArcSwapOption<T>,
    /// A [`SlotState`].
    state: AtomicU8,
    /// Wakes those who wait for the first answer.
    known: Notify,
}

impl<T> Slot<T> {
    /// A slot that waits for its first answer.
    pub fn pending(name: impl Into<Arc<str>>) -> Arc<Self> {
        Self::from(SourceId::COMMON, name)
    }

    /// A slot that waits for its first answer, from this source.
    pub(super) fn from(source: SourceId, name: impl Into<Arc<str>>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            source,
            value: ArcSwapOption::empty(),
            state: AtomicU8::new(SlotState::Pending as u8),
            known: Notify::new(),
        })
    }

    /// A slot that has its value.
    pub fn ready(name: impl Into<Arc<str>>, value: T) -> Arc<Self> {
        Self::ready_as(name, Arc::new(value))
    }

    /// A slot with a value that others hold too.
    pub fn ready_as(name: impl Into<Arc<str>>, value: Arc<T>) -> Arc<Self> {
        let slot = Self::pending(name);
        slot.set(value);
        slot
    }

    /// The resource's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where the resource comes from.
    #[must_use]
    pub fn source(&self) -> SourceId {
        self.source
    }

    /// What is known.
    #[must_use]
    pub fn state(&self) -> SlotState {
        match self.state.load(Ordering::Acquire) {
            1 => SlotState::Ready,
            2 => SlotState::Absent,
            _ => SlotState::Pending,
        }
    }

    /// The value in use, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<Arc<T>> {
        self.value.load_full()
    }

    /// The value in use without counting a reference: cheaper than [`Self::get`]; for use between two awaits.
    #[must_use]
    pub fn peek(&self) -> arc_swap::Guard<Option<Arc<T>>> {
        self.value.load()
    }

    /// Waits until the slot's value or absence is known, at most this long. `Err` when the time is up.
    ///
    /// # Errors
    /// [`Unknown`] when nothing was known in time.
    pub async fn known(&self, within: Duration) -> Result<Option<Arc<T>>, Unknown> {
        if self.state() != SlotState::Pending {
            return Ok(self.get());
        }
        // Apart: it is rare, and every connection would have room for it.
        Box::pin(self.wait(within)).await
    }

    async fn wait(&self, within: Duration) -> Result<Option<Arc<T>>, Unknown> {
        let wait = async {
            loop {
                let notified = self.known.notified();
                if self.state() != SlotState::Pending {
                    return;
                }
                notified.await;
            }
        };
        match tokio::time::timeout(within, wait).await {
            Ok(()) => Ok(self.get()),
            Err(_) => Err(Unknown),
        }
    }

    /// Puts a value in use.
    pub fn set(&self, value: Arc<T>) {
        self.value.store(Some(value));
        self.state.store(SlotState::Ready as u8, Ordering::Release);
        self.known.notify_waiters();
    }

    /// Records that there is no such thing.
    pub fn set_absent(&self) {
        self.value.store(None);
        self.state.store(SlotState::Absent as u8, Ordering::Release);
        self.known.notify_waiters();
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.name, self.state())
    }
}

/// A slot was still pending when the time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not known in time")]
pub struct Unknown;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_answer_or_the_deadline() {
        let slot = Slot::<u32>::pending("a");
        assert_eq!(slot.known(Duration::from_secs(1)).await, Err(Unknown));
        let waiter = {
            let slot = slot.clone();
            async move { slot.known(Duration::from_secs(1)).await }
        };
        let (answer, ()) = tokio::join!(waiter, async { slot.set(Arc::new(7)) });
        assert_eq!(answer, Ok(Some(Arc::new(7))));
        slot.set_absent();
        assert_eq!(slot.known(Duration::ZERO).await, Ok(None));
    }
}
