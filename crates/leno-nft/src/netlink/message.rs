//! One request, built attribute by attribute.

/// The request wants an answer even when there is nothing to say but "done".
pub const ACK: u16 = 4;
/// A request.
pub const REQUEST: u16 = 1;
/// Make the object if it is not there.
pub const CREATE: u16 = 0x400;
/// Fail if the object is there.
pub const EXCLUSIVE: u16 = 0x200;
/// Put at the end of the list.
pub const APPEND: u16 = 0x800;

/// The attribute holds attributes.
const NESTED: u16 = 0x8000;
/// The size of a message's header.
pub(crate) const HEADER: usize = 16;

/// A netlink message in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A request of this type; `header` is the family's own fixed part.
    #[must_use]
    pub fn new(kind: u16, flags: u16, sequence: u32, header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&0u32.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&0u32.to_ne_bytes());
        bytes.extend_from_slice(header);
        let mut message = Self { bytes };
        message.pad();
        message
    }

    /// Adds an attribute. Its payload has fewer than 65 532 bytes.
    pub fn put(&mut self, kind: u16, payload: &[u8]) -> &mut Self {
        let length = u16::try_from(payload.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(payload);
        self.pad();
        self
    }

    /// Adds a number in network byte order, as netfilter wants numbers.
    pub fn put_be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// Adds a number in the machine's byte order, as routing wants numbers.
    pub fn put_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Adds a text with its final zero.
    pub fn put_text(&mut self, kind: u16, text: &str) -> &mut Self {
        let mut payload = Vec::with_capacity(text.len() + 1);
        payload.extend_from_slice(text.as_bytes());
        payload.push(0);
        self.put(kind, &payload)
    }

    /// Adds an attribute that holds those that `fill` adds.
    pub fn put_nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.put(kind | NESTED, &[]);
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// Adds bytes as they are; for a fixed part inside an attribute.
    pub fn put_raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self.pad();
        self
    }

    /// Its sequence number.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        u32::from_ne_bytes([self.bytes[8], self.bytes[9], self.bytes[10], self.bytes[11]])
    }

    /// The finished message.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn attributes_are_padded_and_nested_lengths_are_right() {
        let mut message = Message::new(0x0a06, ACK, 7, &[1, 0, 0, 0]);
        message.put_text(1, "leno").put_nested(4, |inner| {
            inner.put_be32(2, 5);
        });
        assert_eq!(message.sequence(), 7);
        let expected = [
            44, 0, 0, 0, 6, 10, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 1, 0, b'l', b'e', b'n', b'o', 0, 0, 0,
            0, 12, 0, 4, 0x80, 8, 0, 2, 0, 0, 0, 0, 5,
        ];
        assert_eq!(message.finish(), expected);
    }
}
