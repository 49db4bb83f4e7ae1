//! Time that only goes on.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long ago the process first asked: the same moment for everybody.
pub(crate) fn now() -> Duration {
    BEGINNING.elapsed()
}
