//! Everything that people, and programs that ask for it, get to read.

pub(crate) mod json;
pub(crate) mod line;
pub(crate) mod live;
pub(crate) mod table;
pub(crate) mod yaml;

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

/// Where a command writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Whether to write JSON.
    pub(crate) json: bool,
    /// Whether to leave out what was not asked for.
    pub(crate) quiet: bool,
}

impl Output {
    /// An output of these manners.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Writes what was asked for. (Nobody reads what cannot be written: a closed pipe is no failure.)
    pub(crate) fn text(self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes what was asked for, as it is.
    pub(crate) fn bytes(self, bytes: &[u8]) -> bool {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).is_ok()
    }

    /// Writes one line of what was asked for.
    pub(crate) fn line(self, line: &str) {
        self.bytes(format!("{line}\n").as_bytes());
    }

    /// Writes a line that is good to know.
    pub(crate) fn note(self, line: &str) {
        if !self.quiet && !self.json {
            self.line(line);
        }
    }

    /// Writes a value as JSON, for people who read it too.
    pub(crate) fn value(self, value: &impl Serialize) {
        self.line(&json::pretty(value));
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn record(self, value: &impl Serialize) {
        self.line(&json::line(value));
    }

    /// Writes what went wrong.
    pub(crate) fn failure(self, error: &anyhow::Error) {
        self.error(&format!("{error:#}"));
    }

    /// Writes what went wrong, whole lines as they are.
    pub(crate) fn error(self, text: &str) {
        let text = if self.json {
            json::line(&serde_json::json!({"event": "error", "message": text}))
        } else {
            format!("error: {text}")
        };
        // There is nowhere left to say that this cannot be said.
        writeln!(io::stderr().lock(), "{text}").ok();
    }

    /// Writes a line to standard error.
    pub(crate) fn warn(self, text: &str) {
        writeln!(io::stderr().lock(), "{text}").ok();
    }

    /// Whether a person watches the output on a terminal that can be drawn on.
    pub(crate) fn is_live(self) -> bool {
        !self.json
            && !self.quiet
            && io::stdout().is_terminal()
            && std::env::var_os("TERM").is_some_and(|it| it != "dumb")
    }
}

/// An error with all that caused it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A time span as `kubectl` writes ages: `7s`, `3m20s`, `2h5m`, `3d4h`.
pub(crate) fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => format!("{minutes}m{}s", seconds % 60),
        600..10800 => format!("{minutes}m"),
        10800..172_800 => format!("{hours}h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let ages = [0, 119, 130, 700, 20000, 300_000].map(age);
        assert_eq!(ages, ["0s", "119s", "2m10s", "11m", "5h", "3d"]);
    }
}
