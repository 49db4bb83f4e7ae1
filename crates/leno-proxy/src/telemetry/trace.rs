//! Trace context ([W3C Trace Context]): passed on as it comes, started where there is none.
//!
//! [W3C Trace Context]: https://www.w3.org/TR/trace-context/

use crate::hex::{Hex, HexWriter};

/// A `traceparent` of 55 bytes: version, trace id, span id, flags.
pub type Traceparent = Hex<55>;

impl Traceparent {
    /// A new one, not sampled: the proxy starts no spans of its own yet, but every log along the way shares the trace
    /// id.
    #[must_use]
    pub fn start(trace: u128, span: u64) -> Self {
        let mut text = HexWriter::default();
        // Zero ids are not legal.
        for (part, digits) in [(0, 2), (trace.max(1), 32), (span.max(1).into(), 16)] {
            text.hex(part, digits);
            text.byte(b'-');
        }
        text.hex(0, 2);
        text.finish()
    }
}

/// Whether a `traceparent` may be passed on: one that is broken is replaced.
#[must_use]
pub fn is_legal(value: &[u8]) -> bool {
    let hex = |part: Option<&[u8]>, length: usize| {
        part.is_some_and(|part| {
            part.len() == length && part.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
        })
    };
    let nonzero = |part: Option<&[u8]>| part.is_some_and(|part| part.iter().any(|b| *b != b'0'));
    let mut parts = value.split(|b| *b == b'-');
    let (version, trace, span, flags) = (parts.next(), parts.next(), parts.next(), parts.next());
    let ends = match version {
        // A later version may have more parts.
        Some(b"00") => parts.next().is_none(),
        Some(b"ff") => false,
        _ => true,
    };
    ends && hex(version, 2) && hex(trace, 32) && nonzero(trace) && hex(span, 16) && nonzero(span) && hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_started_is_legal() {
        assert_eq!(Traceparent::start(7, 9).as_str(), "00-00000000000000000000000000000007-0000000000000009-00");
        assert!(is_legal(Traceparent::start(0, 0).as_str().as_bytes()));
    }

    #[test]
    fn broken_ones_are_not() {
        for value in [
            &b""[..],
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
            b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(!is_legal(value));
        }
    }
}
