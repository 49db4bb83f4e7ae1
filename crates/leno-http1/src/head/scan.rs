//! What the parser of heads lets pass and we do not, and what fields say about the body and the connection.

use crate::{
    HeadError, Version,
    field::{list, same},
};

/// Refuses lines that end with LF alone and CR anywhere else than before LF. The head is complete.
pub(super) fn line_ends(head: &[u8]) -> Result<(), HeadError> {
    for at in memchr::memchr2_iter(b'\r', b'\n', head) {
        let fits = match head.get(at) {
            Some(b'\n') => at > 0 && head.get(at - 1) == Some(&b'\r'),
            _ => head.get(at + 1) == Some(&b'\n'),
        };
        if !fits {
            return Err(HeadError::LineEnd);
        }
    }
    Ok(())
}

/// What the fields say that every message has.
#[derive(Debug, Default)]
pub(super) struct Common {
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    /// Whether `Connection` lists `upgrade`.
    pub(super) upgrade: bool,
    encodings: u32,
}

impl Common {
    /// Takes one field into account.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        // Names that matter here have 10, 14 or 17 letters.
        match name.len() {
            10 if same(name, "connection") => self.connection(value),
            14 if same(name, "content-length") => self.length(value)?,
            17 if same(name, "transfer-encoding") => self.encoding(value)?,
            _ => {}
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in list(value) {
            if same(option, "close") {
                self.close = true;
            } else if same(option, "keep-alive") {
                self.keep_alive = true;
            } else if same(option, "upgrade") {
                self.upgrade = true;
            }
        }
    }

    /// Digits only, once: a list or a repetition, even of the same number, is what smuggling is made of.
    fn length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        let digits = !value.is_empty() && value.len() <= 19 && value.iter().all(u8::is_ascii_digit);
        if self.length.is_some() || !digits {
            return Err(HeadError::ContentLength);
        }
        let number = value.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        self.length = Some(number);
        Ok(())
    }

    fn encoding(&mut self, value: &[u8]) -> Result<(), HeadError> {
        self.encodings += 1;
        if self.encodings > 1 {
            return Err(HeadError::TransferEncoding);
        }
        if !same(value, "chunked") {
            return Err(HeadError::UnknownEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    /// What holds once all fields are known.
    pub(super) fn check(&self, version: Version) -> Result<(), HeadError> {
        if self.chunked && self.length.is_some() {
            return Err(HeadError::LengthAndEncoding);
        }
        if self.chunked && version == Version::Http10 {
            return Err(HeadError::TransferEncoding);
        }
        Ok(())
    }

    /// Whether the connection stays open after the message.
    pub(super) fn keeps_alive(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.close,
            Version::Http10 => self.keep_alive && !self.close,
        }
    }
}
