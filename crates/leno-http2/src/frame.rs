//! Frames ([RFC 9113, 4.1]): nine bytes, then the payload.
//!
//! [RFC 9113, 4.1]: https://www.rfc-editor.org/rfc/rfc9113#section-4.1

use crate::{Code, ConnectionError};

/// The length of a frame's head.
pub(crate) const HEAD: usize = 9;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

/// The largest number of a stream.
pub(crate) const MAX_STREAM: u32 = 0x7fff_ffff;

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl FrameHead {
    /// The head at the beginning of these bytes, if it is there wholly.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; HEAD] = bytes.first_chunk()?;
        let [a, b, c, kind, flags, stream @ ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        Some(Self { length, kind, flags, stream: u32::from_be_bytes(stream) & MAX_STREAM })
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes a frame's head. `length` is below 2^24.
pub(crate) fn head(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    let [_, a, b, c] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let [s, t, u, v] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, s, t, u, v]);
}

/// Writes a frame whose payload is one number.
pub(crate) fn number(out: &mut Vec<u8>, kind: u8, stream: u32, value: u32) {
    head(out, 4, kind, 0, stream);
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes GOAWAY.
pub(crate) fn go_away(out: &mut Vec<u8>, last: u32, code: Code) {
    head(out, 8, GOAWAY, 0, 0);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
}

/// Writes PING.
pub(crate) fn ping(out: &mut Vec<u8>, flags: u8, payload: [u8; 8]) {
    head(out, 8, PING, flags, 0);
    out.extend_from_slice(&payload);
}

/// The four bytes of a number.
pub(crate) fn read_number(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// What is left of a payload without its padding.
///
/// # Errors
/// When the padding is as long as the payload or longer.
pub(crate) fn unpadded(head: FrameHead, payload: &[u8]) -> Result<&[u8], ConnectionError> {
    if !head.has(PADDED) {
        return Ok(payload);
    }
    let wrong = ConnectionError::protocol("padding longer than its frame");
    let (length, rest) = payload.split_first().ok_or(wrong)?;
    let kept = rest.len().checked_sub(usize::from(*length)).ok_or(wrong)?;
    Ok(rest.get(..kept).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_were_written() {
        let mut out = Vec::new();
        head(&mut out, 0x01_0203, HEADERS, END_HEADERS, 0x7fff_fffe);
        let read = FrameHead::parse(&out).unwrap();
        assert_eq!(read, FrameHead { length: 0x01_0203, kind: 1, flags: 4, stream: 0x7fff_fffe });
        assert_eq!(FrameHead::parse(&out[..8]), None);
    }

    #[test]
    fn padding_is_taken_away() {
        let padded = FrameHead { length: 0, kind: DATA, flags: PADDED, stream: 1 };
        assert_eq!(unpadded(padded, &[2, b'a', 0, 0]), Ok(&b"a"[..]));
        assert_eq!(unpadded(padded, &[1, 0]), Ok(&b""[..]));
        assert!(unpadded(padded, &[2, 0]).is_err());
        assert!(unpadded(padded, &[]).is_err());
    }
}
