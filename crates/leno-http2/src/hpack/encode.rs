//! Writing header blocks. A field enters the table when it is sent for the second time: what is different in every message
//! never does, and nothing is searched for.

use super::{
    FIELD_OVERHEAD, integer,
    table::{Table, static_name},
};

/// How many fields are remembered by their hash.
const SLOTS: usize = 64;

/// One direction's table, as its sender keeps it.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    /// How many fields were ever added to the table.
    added: u32,
    slots: [Slot; SLOTS],
    /// The size that the receiver must be told of before the next field.
    resized: Option<usize>,
}

/// The last field with this part of the hash.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    /// What `added` was when it had been added; 0: it is not in the table.
    added: u32,
}

impl Encoder {
    /// A table of this size in bytes.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { table: Table::new(size), added: 0, slots: [Slot::default(); SLOTS], resized: None }
    }

    /// Keeps to what the receiver allows.
    pub(crate) fn resize(&mut self, size: usize) {
        if size != self.table.max() {
            self.table.resize(size);
            self.resized = Some(size);
        }
    }

    /// Begins a block.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(size) = self.resized.take() {
            integer::write(out, 0x20, 5, size);
        }
    }

    /// Writes a field whose number everybody knows.
    pub(crate) fn known(out: &mut Vec<u8>, index: usize) {
        integer::write(out, 0x80, 7, index);
    }

    /// Writes a field; the name is in lower case.
    pub fn field(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        self.named(out, static_name(name), name, value);
    }

    /// Writes a field whose name has this number in the table that everybody knows.
    pub(crate) fn named(&mut self, out: &mut Vec<u8>, number: Option<usize>, name: &[u8], value: &[u8]) {
        let secret = matches!(name, b"authorization" | b"proxy-authorization" | b"cookie" | b"set-cookie");
        let hash = hash(name, value);
        let Some(slot) = self.slots.get_mut(hash as usize % SLOTS) else { return };
        let repeated = slot.hash == hash;
        // How many fields were added after it.
        let ago = self.added.wrapping_sub(slot.added) as usize;
        if repeated
            && slot.added != 0
            && let Some(entry) = self.table.get(ago)
            && entry.field() == (name, value)
        {
            return integer::write(out, 0x80, 7, super::table::STATIC.len() + 1 + ago);
        }
        let fits = name.len() + value.len() + FIELD_OVERHEAD <= self.table.max() / 4;
        let add = repeated && fits && !secret && self.added < u32::MAX;
        *slot = Slot { hash, added: 0 };
        if add {
            self.table.add(name, value);
            self.added += 1;
            slot.added = self.added;
        }
        let (first, prefix) = match (add, secret) {
            (true, _) => (0x40, 6),
            // Never to be put into a table, by anybody on the way.
            (false, true) => (0x10, 4),
            (false, false) => (0, 4),
        };
        integer::write(out, first, prefix, number.unwrap_or_default());
        if number.is_none() {
            text(out, name);
        }
        text(out, value);
    }

    /// How many fields are in the table.
    #[must_use]
    pub fn table_len(&self) -> usize {
        self.table.len()
    }
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    integer::write(out, 0, 7, text.len());
    out.extend_from_slice(text);
}

/// A quick hash. Whoever finds collisions gains nothing: fields are compared.
fn hash(name: &[u8], value: &[u8]) -> u32 {
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let words = |hash: u64, bytes: &[u8]| {
        let (words, rest) = bytes.as_chunks::<8>();
        let hash = words.iter().fold(hash, |hash, word| mix(hash, u64::from_le_bytes(*word)));
        rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
    };
    let hash = words(words(name.len() as u64, name), value);
    (hash >> 32) as u32
}
