//! What can be wrong with a connection or a stream, and how it is told.

use std::fmt;

/// An error code ([RFC 9113, 7]).
///
/// [RFC 9113, 7]: https://www.rfc-editor.org/rfc/rfc9113#section-7
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    /// Nothing is wrong.
    pub const NO_ERROR: Self = Self(0);
    /// The other side breaks the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1);
    /// Something broke on this side.
    pub const INTERNAL_ERROR: Self = Self(2);
    /// More was sent than the window allows.
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    /// The stream takes nothing any more.
    pub const STREAM_CLOSED: Self = Self(5);
    /// A frame of a size that it may not have.
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    /// The stream was not processed at all: it may be sent again.
    pub const REFUSED_STREAM: Self = Self(7);
    /// The stream is not needed any more.
    pub const CANCEL: Self = Self(8);
    /// Header compression is out of step.
    pub const COMPRESSION_ERROR: Self = Self(9);
    /// What a CONNECT reached broke.
    pub const CONNECT_ERROR: Self = Self(10);
    /// The other side does too much that leads to nothing.
    pub const ENHANCE_YOUR_CALM: Self = Self(11);

    /// Its name in the RFC; empty when it has none there.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "NO_ERROR",
            1 => "PROTOCOL_ERROR",
            2 => "INTERNAL_ERROR",
            3 => "FLOW_CONTROL_ERROR",
            4 => "SETTINGS_TIMEOUT",
            5 => "STREAM_CLOSED",
            6 => "FRAME_SIZE_ERROR",
            7 => "REFUSED_STREAM",
            8 => "CANCEL",
            9 => "COMPRESSION_ERROR",
            10 => "CONNECT_ERROR",
            11 => "ENHANCE_YOUR_CALM",
            12 => "INADEQUATE_SECURITY",
            13 => "HTTP_1_1_REQUIRED",
            _ => "",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "" => write!(f, "error {}", self.0),
            name => f.write_str(name),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What ends a connection. GOAWAY with the code is in its output already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {why}")]
pub struct ConnectionError {
    /// What the other side is told.
    pub code: Code,
    /// What it did.
    pub why: &'static str,
}

impl ConnectionError {
    pub(crate) fn new(code: Code, why: &'static str) -> Self {
        Self { code, why }
    }

    pub(crate) fn protocol(why: &'static str) -> Self {
        Self::new(Code::PROTOCOL_ERROR, why)
    }
}

/// Why a stream takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// It is closed, or was never opened.
    #[error("the stream is closed")]
    Closed,
    /// No stream can be opened: the other side goes away, allows no more at the moment, or all numbers are used.
    #[error("no stream can be opened")]
    Unavailable,
}
