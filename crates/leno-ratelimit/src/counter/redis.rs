//! Counting in Redis, for several replicas together.

use std::{fmt, time::Duration};

pub use ::redis::RedisError;
use ::redis::{
    Client, IntoConnectionInfo as _, Pipeline,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::timeout;

use super::{CounterError, Hits};

/// How long Redis may take for one question.
const ANSWER: Duration = Duration::from_secs(1);

/// Keys of other programs begin otherwise.
const PREFIX: &str = "leno:ratelimit:";

/// A connection to Redis, made again by itself when it breaks.
pub struct Redis {
    connection: ConnectionManager,
}

impl Redis {
    /// Connects to `redis://[[user]:password@]host[:port][/database]` or `redis+unix:///path`.
    ///
    /// # Errors
    /// When it is no such address, or nobody answers there.
    pub async fn connect(url: &str) -> Result<Self, RedisError> {
        let client = Client::open(url.into_connection_info()?)?;
        Ok(Self { connection: client.get_connection_manager().await? })
    }

    /// The same, connected when it is first asked: for a process that has other things to do while Redis is away.
    ///
    /// # Errors
    /// When it is no such address.
    pub fn later(url: &str) -> Result<Self, RedisError> {
        let client = Client::open(url.into_connection_info()?)?;
        Ok(Self { connection: ConnectionManager::new_lazy_with_config(client, ConnectionManagerConfig::default())? })
    }

    /// All of it in one round trip. Windows are forgotten a while after their end.
    pub(super) async fn add(&self, hits: &[Hits]) -> Result<Vec<u64>, CounterError> {
        let mut pipeline = Pipeline::with_capacity(hits.len() * 2);
        for Hits { key, count } in hits {
            let name = format!("{PREFIX}{}:{}:{}", key.seconds, key.start, key.what);
            pipeline.incr(&name, *count).expire(&name, i64::try_from(key.seconds).unwrap_or(i64::MAX)).ignore();
        }
        let mut connection = self.connection.clone();
        let asked = timeout(ANSWER, pipeline.query_async(&mut connection)).await;
        asked.map_err(|_| CounterError::Timeout(ANSWER))?.map_err(CounterError::Redis)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may have a password in it.
        f.write_str("Redis")
    }
}
