//! The times that a stream has.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{super::decide::Routed, upload::Progress};
use crate::error::{ErrorKind, ProxyError};

/// Which time was up.
#[derive(Clone, Copy)]
pub(super) enum Expired {
    /// The route's, over all attempts.
    Route,
    /// The attempt's.
    PerTry,
    /// Nothing moved while the request was under way.
    RequestIdle,
    /// Nothing moved while the answer was awaited or under way.
    AnswerIdle,
    /// The request's.
    Arrival,
    /// That of the whole stream.
    Longest,
    /// That of a stream to the endpoint.
    LongestTry,
}

impl Expired {
    /// What is reported.
    pub(super) fn kind(self) -> ErrorKind {
        match self {
            Self::Route | Self::PerTry | Self::AnswerIdle => ErrorKind::UpstreamTimeout,
            Self::RequestIdle => ErrorKind::StreamIdleTimeout,
            Self::Arrival => ErrorKind::RequestTimeout,
            Self::Longest => ErrorKind::StreamDuration,
            Self::LongestTry => ErrorKind::UpstreamStreamDuration,
        }
    }
}

/// When the route's time is up, once it runs: from the end of the request to the end of the answer.
pub(super) fn due(routed: &Routed, progress: &Progress) -> Option<Instant> {
    routed.timeout.zip(progress.arrived.get()).map(|(timeout, arrived)| arrived + timeout)
}

/// The failure of a request whose route's time is up.
pub(super) fn late() -> ProxyError {
    ProxyError::new(ErrorKind::UpstreamTimeout, "no endpoint answered in the time of the route")
}

/// Ends when a time is up. `try_until`: the attempt's.
pub(super) async fn expired(
    routed: &Routed,
    started: Instant,
    try_until: Option<Instant>,
    progress: &Progress,
) -> Expired {
    let of_cluster = routed.cluster.http.max_stream_duration.map(|time| Instant::now() + time);
    const FAR: Duration = Duration::from_secs(24 * 3600);
    loop {
        let (arrived, begun) = (progress.arrived.get().is_some(), progress.settled.get());
        let waiting = if arrived { Expired::AnswerIdle } else { Expired::RequestIdle };
        let times = [
            (due(routed, progress), Expired::Route),
            (try_until.filter(|_| !begun), Expired::PerTry),
            ((!routed.idle.is_zero()).then(|| progress.moved.get() + routed.idle), waiting),
            (routed.longest.map(|time| started + time), Expired::Longest),
            (of_cluster, Expired::LongestTry),
            (routed.arrival.filter(|_| !arrived && !begun).map(|time| started + time), Expired::Arrival),
        ];
        let first = times.into_iter().filter_map(|(time, why)| Some((time?, why))).min_by_key(|(time, _)| *time);
        let due = first.map_or_else(|| Instant::now() + FAR, |(time, _)| time);
        if let Some((_, why)) = first
            && due <= Instant::now()
        {
            return why;
        }
        // The end of the request sets a time that was not known.
        tokio::select! {
            () = sleep_until(due) => {}
            () = progress.arrival.notified(), if !arrived => {}
        }
    }
}
