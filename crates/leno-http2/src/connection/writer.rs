//! Heads that are written: straight into the output.

use crate::{
    frame::{self, CONTINUATION, END_HEADERS, END_STREAM, HEAD, HEADERS},
    hpack::Encoder,
};

/// Writes the fields of a head. Pseudo-headers come first.
#[derive(Debug)]
pub struct Writer<'a> {
    encoder: &'a mut Encoder,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    /// The method.
    pub fn method(&mut self, method: &str) {
        match method {
            "GET" => Encoder::known(self.out, 2),
            "POST" => Encoder::known(self.out, 3),
            other => self.encoder.named(self.out, Some(2), b":method", other.as_bytes()),
        }
    }

    /// The scheme.
    pub fn scheme(&mut self, scheme: &str) {
        match scheme {
            "http" => Encoder::known(self.out, 6),
            "https" => Encoder::known(self.out, 7),
            other => self.encoder.named(self.out, Some(6), b":scheme", other.as_bytes()),
        }
    }

    /// The authority.
    pub fn authority(&mut self, authority: &str) {
        self.encoder.named(self.out, Some(1), b":authority", authority.as_bytes());
    }

    /// The path with its query.
    pub fn path(&mut self, path: &str) {
        match path {
            "/" => Encoder::known(self.out, 4),
            other => self.encoder.named(self.out, Some(4), b":path", other.as_bytes()),
        }
    }

    /// The protocol of an extended CONNECT.
    pub fn protocol(&mut self, protocol: &str) {
        self.encoder.named(self.out, None, b":protocol", protocol.as_bytes());
    }

    /// The status of an answer.
    pub fn status(&mut self, status: u16) {
        let known = match status {
            200 => 8,
            204 => 9,
            206 => 10,
            304 => 11,
            400 => 12,
            404 => 13,
            500 => 14,
            other => {
                let digits = [other / 100 % 10, other / 10 % 10, other % 10].map(|digit| b'0' + digit.to_le_bytes()[0]);
                return self.encoder.named(self.out, Some(8), b":status", &digits);
            }
        };
        Encoder::known(self.out, known);
    }

    /// A field; the name is in lower case.
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        self.encoder.field(self.out, name, value);
    }
}

/// Writes a head as HEADERS, and as CONTINUATION what does not fit.
pub(super) fn block(
    encoder: &mut Encoder,
    out: &mut Vec<u8>,
    max_frame: usize,
    (stream, end): (u32, bool),
    write: impl FnOnce(&mut Writer<'_>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    encoder.begin(out);
    write(&mut Writer { encoder, out });
    let length = out.len() - start - HEAD;
    let flags = if end { END_STREAM } else { 0 };
    let mut head = Vec::with_capacity(HEAD);
    if length <= max_frame {
        frame::head(&mut head, length, HEADERS, flags | END_HEADERS, stream);
        if let Some(place) = out.get_mut(start..start + HEAD) {
            place.copy_from_slice(&head);
        }
        return;
    }
    let block = out.split_off(start + HEAD);
    out.truncate(start);
    let count = block.len().div_ceil(max_frame);
    for (index, part) in block.chunks(max_frame).enumerate() {
        let last = if index + 1 == count { END_HEADERS } else { 0 };
        match index {
            0 => frame::head(out, part.len(), HEADERS, flags | last, stream),
            _ => frame::head(out, part.len(), CONTINUATION, last, stream),
        }
        out.extend_from_slice(part);
    }
}
