//! Waiting on conditions, never on time alone.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// How long anything in these tests may take to become true.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until `accept` says yes and returns what was seen then.
///
/// # Panics
/// When [`DEADLINE`] passes first; the text has what was seen last.
pub fn until<T: Debug>(what: &str, mut look: impl FnMut() -> T, accept: impl Fn(&T) -> bool) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        let seen = look();
        if accept(&seen) {
            return seen;
        }
        assert!(Instant::now() < end, "{what}: not within {DEADLINE:?}; seen last: {seen:#?}");
        pause(PAUSE);
    }
}

/// A pause between two looks at a condition, or while a load runs.
#[expect(clippy::disallowed_methods, reason = "the poll interval of `until`, and the length of a load")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
