//! How many hits there were in a window.

mod memory;
mod redis;

use std::time::Duration;

pub use self::{
    memory::{LARGEST, Memory},
    redis::{Redis, RedisError},
};

/// What is counted: one limit's window for one set of values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Domain, entries and their values, unambiguous.
    pub what: String,
    /// When the window began, in seconds since the epoch.
    pub start: u64,
    /// How long it is, in seconds.
    pub seconds: u64,
}

/// Hits that are to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    /// Where.
    pub key: Key,
    /// How many.
    pub count: u64,
}

/// Where hits are counted.
#[derive(Debug)]
pub enum Counter {
    /// In this process: for one replica.
    Memory(Memory),
    /// In Redis: what several replicas count together.
    Redis(Redis),
}

/// Why hits could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum CounterError {
    /// Redis could not be asked.
    #[error("count in Redis")]
    Redis(#[source] RedisError),
    /// Redis said nothing in time.
    #[error("Redis did not answer within {0:?}")]
    Timeout(Duration),
    /// There are more things to count than may be remembered.
    #[error("as many counters are in use as may be ({LARGEST} in all, and for each no more than are free)")]
    Full,
}

impl Counter {
    /// Counts hits at `now` (seconds since the epoch) and says how many each key has then, these included, in the same
    /// order. `share` is who they are counted for: in memory each has a part of the room.
    ///
    /// # Errors
    /// When they could not be counted; some may have been.
    pub async fn add(&self, share: &str, hits: &[Hits], now: u64) -> Result<Vec<u64>, CounterError> {
        if hits.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::Memory(memory) => memory.add(share, hits, now),
            Self::Redis(redis) => redis.add(hits).await,
        }
    }
}
