//! Time that only goes on, and the time of day.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long ago the process first asked: the same moment for everybody.
pub(crate) fn now() -> Duration {
    BEGINNING.elapsed()
}

/// Seconds since 1970.
pub(crate) fn epoch() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
