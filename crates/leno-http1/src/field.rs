//! Places in a head's bytes.

/// A place in the bytes that a head was parsed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    start: u32,
    end: u32,
}

/// A field: name and value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Its name, as it was written.
    pub name: Place,
    /// Its value, without white space around it.
    pub value: Place,
}

impl Place {
    /// Where `part` is in `whole`, of which it is a part.
    pub(crate) fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
        let clamp = |at: usize| u32::try_from(at.min(whole.len())).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(start + part.len()) }
    }

    /// The bytes at this place.
    #[must_use]
    pub fn of_bytes(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The text at this place; empty where it is no UTF-8.
    #[must_use]
    pub fn text(self, bytes: &[u8]) -> &str {
        std::str::from_utf8(self.of_bytes(bytes)).unwrap_or_default()
    }

    /// Where it starts.
    #[must_use]
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// Where it ends.
    #[must_use]
    pub fn end(self) -> usize {
        self.end as usize
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// The elements of a comma-separated list, trimmed, without empty ones.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// The fields of trailers, given the bytes of [`crate::body::Part::Trailer`].
pub fn trailers(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    lines.filter_map(|line| {
        let at = memchr::memchr(b':', line)?;
        Some((line.get(..at)?, line.get(at + 1..)?.trim_ascii()))
    })
}

/// Whether two names are the same, case aside.
#[must_use]
pub fn same(name: &[u8], lower: &str) -> bool {
    name.eq_ignore_ascii_case(lower.as_bytes())
}
