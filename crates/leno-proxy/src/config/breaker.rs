//! Circuit breakers: how much may be under way at a cluster ([`CircuitBreakers.Thresholds`]). What is more is refused at
//! once, so that a slow callee does not take its callers with it.
//!
//! [`CircuitBreakers.Thresholds`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/circuit_breaker.proto

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::error::{ErrorKind, ProxyError};

/// The most that may be under way, over all workers. Defaults are Envoy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Connections in use: one for each HTTP/1 request and for each connection of bytes. Default 1024.
    pub max_connections: u32,
    /// HTTP/1 requests that wait for one of those. Default 1024.
    pub max_pending_requests: u32,
    /// Requests, waiting ones included. Default 1024.
    pub max_requests: u32,
    /// Requests that a retry policy sends again, until their answer begins.
    pub retries: RetryLimit,
}

/// How many requests may be sent again at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryLimit {
    /// So many (`max_retries`). Default 3.
    Count(u32),
    /// A share of the requests under way (`retry_budget`): what adds to the load grows with it and no faster.
    Budget {
        /// The share, in thousandths of a percent. Default 20,000 (20 %).
        thousandths: u32,
        /// So many always. Default 3.
        at_least: u32,
    },
}

impl RetryLimit {
    /// The limit while so many requests are under way.
    fn of(self, requests: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Budget { thousandths, at_least } => {
                let share = u64::from(requests) * u64::from(thousandths) / 100_000;
                u32::try_from(share).unwrap_or(u32::MAX).max(at_least)
            }
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { max_connections: 1024, max_pending_requests: 1024, max_requests: 1024, retries: RetryLimit::Count(3) }
    }
}

/// What is under way at a cluster.
#[derive(Debug)]
pub struct CircuitBreaker {
    thresholds: Thresholds,
    connections: Arc<Semaphore>,
    pending: AtomicU32,
    requests: AtomicU32,
    retries: AtomicU32,
}

/// One of what is counted, until it is dropped.
#[derive(Debug)]
pub struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn below(count: &'a AtomicU32, limit: u32) -> Option<Self> {
        if count.fetch_add(1, Ordering::Relaxed) >= limit {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(count))
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CircuitBreaker {
    /// A breaker with nothing under way.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        let permits = usize::try_from(thresholds.max_connections).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            thresholds,
            connections: Arc::new(Semaphore::new(permits)),
            pending: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            retries: AtomicU32::new(0),
        }
    }

    /// The most that may be under way.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// Admits a request.
    ///
    /// # Errors
    /// [`ErrorKind::UpstreamOverflow`] when there are too many.
    pub fn request(&self) -> Result<Counted<'_>, ProxyError> {
        let limit = self.thresholds.max_requests;
        Counted::below(&self.requests, limit).ok_or_else(|| overflow(format!("{limit} requests are under way already")))
    }

    /// Admits a request that is sent again; `None` when there are too many.
    pub fn retry(&self) -> Option<Counted<'_>> {
        Counted::below(&self.retries, self.thresholds.retries.of(self.requests.load(Ordering::Relaxed)))
    }

    /// Admits an HTTP/1 request to a connection; waits until one is free, for so long at most (`None`: without end).
    ///
    /// # Errors
    /// [`ErrorKind::UpstreamOverflow`] when too many wait, [`ErrorKind::UpstreamTimeout`] when none is free in time.
    pub async fn turn(&self, time: Option<Duration>) -> Result<SemaphorePermit<'_>, ProxyError> {
        if let Ok(permit) = self.connections.try_acquire() {
            return Ok(permit);
        }
        let turn = Box::pin(self.wait());
        let late = |_| ProxyError::new(ErrorKind::UpstreamTimeout, "no connection was free in time");
        match time {
            Some(time) => tokio::time::timeout(time, turn).await.map_err(late)?,
            None => turn.await,
        }
    }

    async fn wait(&self) -> Result<SemaphorePermit<'_>, ProxyError> {
        let limit = self.thresholds.max_pending_requests;
        let waiting = Counted::below(&self.pending, limit);
        let _waiting = waiting.ok_or_else(|| overflow(format!("{limit} requests wait already")))?;
        let permit = self.connections.acquire().await;
        permit.map_err(|_| overflow("the cluster takes no more connections".to_owned()))
    }

    /// Admits a connection of bytes.
    ///
    /// # Errors
    /// [`ErrorKind::UpstreamOverflow`] when there are too many.
    pub fn connection(&self) -> Result<OwnedSemaphorePermit, ProxyError> {
        let limit = self.thresholds.max_connections;
        Arc::clone(&self.connections)
            .try_acquire_owned()
            .map_err(|_| overflow(format!("{limit} connections are open already")))
    }
}

fn overflow(detail: String) -> ProxyError {
    ProxyError::new(ErrorKind::UpstreamOverflow, detail)
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future as _,
        task::{Context, Waker},
    };

    use super::*;

    fn breaker(max_connections: u32, max_pending_requests: u32, max_requests: u32) -> CircuitBreaker {
        CircuitBreaker::new(Thresholds {
            max_connections,
            max_pending_requests,
            max_requests,
            retries: RetryLimit::Count(1),
        })
    }

    #[test]
    fn what_is_too_much_is_refused_until_something_ends() {
        let breaker = breaker(1, 0, 2);
        let one = breaker.request().unwrap();
        let _two = breaker.request().unwrap();
        assert_eq!(breaker.request().unwrap_err().kind, ErrorKind::UpstreamOverflow);
        drop(one);
        assert!(breaker.request().is_ok());
        let connection = breaker.connection().unwrap();
        assert_eq!(breaker.connection().unwrap_err().kind, ErrorKind::UpstreamOverflow);
        drop(connection);
        assert!(breaker.connection().is_ok());
        let retry = breaker.retry();
        assert!(retry.is_some() && breaker.retry().is_none());
    }

    #[test]
    fn a_budget_is_a_share_of_what_is_under_way() {
        let budget = RetryLimit::Budget { thousandths: 20_000, at_least: 3 };
        assert_eq!([0, 10, 15, 20, 1000].map(|requests| budget.of(requests)), [3, 3, 3, 4, 200]);
        assert_eq!(RetryLimit::Count(7).of(1000), 7);
    }

    #[tokio::test]
    async fn requests_wait_for_a_connection_as_long_as_few_do() {
        let breaker = breaker(1, 1, 10);
        let first = breaker.turn(None).await.unwrap();
        let mut second = std::pin::pin!(breaker.turn(None));
        assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(breaker.turn(None).await.unwrap_err().kind, ErrorKind::UpstreamOverflow);
        drop(first);
        let second = second.await.unwrap();
        let late = breaker.turn(Some(Duration::from_millis(1))).await.unwrap_err();
        assert_eq!(late.kind, ErrorKind::UpstreamTimeout);
        drop(second);
        assert!(breaker.turn(None).await.is_ok());
    }
}
