//! Short texts of hexadecimal digits, made for every request: without formatting and without an allocation.

use std::fmt;

/// A text of exactly so many ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hex<const LENGTH: usize>([u8; LENGTH]);

impl<const LENGTH: usize> Hex<LENGTH> {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever written.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<const LENGTH: usize> fmt::Debug for Hex<LENGTH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Writes one from its beginning; what does not fit is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HexWriter<const LENGTH: usize> {
    text: [u8; LENGTH],
    written: usize,
}

impl<const LENGTH: usize> Default for HexWriter<LENGTH> {
    fn default() -> Self {
        Self { text: [b'0'; LENGTH], written: 0 }
    }
}

impl<const LENGTH: usize> HexWriter<LENGTH> {
    /// Appends a character.
    pub(crate) fn byte(&mut self, byte: u8) {
        if let Some(place) = self.text.get_mut(self.written) {
            *place = byte;
            self.written += 1;
        }
    }

    /// Appends the lowest digits of a number, in lower case.
    pub(crate) fn hex(&mut self, number: u128, digits: u32) {
        for digit in (0..digits).rev() {
            let digit = (number >> (digit * 4)) & 0xf;
            self.byte(b"0123456789abcdef".get(usize::try_from(digit).unwrap_or(0)).copied().unwrap_or(b'0'));
        }
    }

    /// The text.
    pub(crate) fn finish(self) -> Hex<LENGTH> {
        Hex(self.text)
    }
}
