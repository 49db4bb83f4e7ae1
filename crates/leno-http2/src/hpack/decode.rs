//! Reading header blocks.

use super::{
    HpackError, huffman, integer,
    table::{NameValue, STATIC, Table},
};

/// One direction's table, as its receiver keeps it.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// The largest size that the sender may give its table.
    limit: usize,
}

impl Decoder {
    /// A table of at most this size in bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { table: Table::new(super::super::settings::DEFAULT_TABLE as usize), limit }
    }

    /// Allows another size.
    pub(crate) fn limit(&mut self, limit: usize) {
        self.limit = limit;
        if self.table.max() > limit {
            self.table.resize(limit);
        }
    }

    /// Reads a whole block.
    pub fn block<'a>(&'a mut self, bytes: &'a [u8]) -> Block<'a> {
        Block { decoder: self, rest: bytes, begun: false }
    }

    fn field(&self, index: usize) -> Result<NameValue<'_>, HpackError> {
        match index.checked_sub(1).ok_or(HpackError::Index)? {
            index @ 0..61 => STATIC.get(index).copied().ok_or(HpackError::Index),
            index => self.table.get(index - STATIC.len()).map(super::table::Entry::field).ok_or(HpackError::Index),
        }
    }
}

/// A block under way.
#[derive(Debug)]
pub struct Block<'a> {
    decoder: &'a mut Decoder,
    rest: &'a [u8],
    /// Whether a field has come: the table's size cannot change any more.
    begun: bool,
}

impl Block<'_> {
    /// Reads the next field: name and value are appended to `out`, and the length of the name is returned; `None` at the
    /// end. Without `keep` only the table is kept up to date, and what is appended means nothing.
    ///
    /// # Errors
    /// When the block is not as it must be.
    pub fn next(&mut self, out: &mut Vec<u8>, keep: bool) -> Result<Option<usize>, HpackError> {
        loop {
            let Some(first) = self.rest.first().copied() else { return Ok(None) };
            if first & 0xe0 == 0x20 {
                self.resize()?;
                continue;
            }
            self.begun = true;
            return match first {
                0x80.. => self.indexed(out, keep),
                0x40.. => self.literal(out, 6, true),
                _ => self.literal(out, 4, false),
            }
            .map(Some);
        }
    }

    fn resize(&mut self) -> Result<(), HpackError> {
        let size = integer::read(&mut self.rest, 5)?;
        if self.begun || size > self.decoder.limit {
            return Err(HpackError::TableSize);
        }
        self.decoder.table.resize(size);
        Ok(())
    }

    fn indexed(&mut self, out: &mut Vec<u8>, keep: bool) -> Result<usize, HpackError> {
        let index = integer::read(&mut self.rest, 7)?;
        let (name, value) = self.decoder.field(index)?;
        if keep {
            out.extend_from_slice(name);
            out.extend_from_slice(value);
        }
        Ok(name.len())
    }

    fn literal(&mut self, out: &mut Vec<u8>, prefix: u32, add: bool) -> Result<usize, HpackError> {
        let start = out.len();
        match integer::read(&mut self.rest, prefix)? {
            0 => self.text(out)?,
            index => out.extend_from_slice(self.decoder.field(index)?.0),
        }
        let name = out.len() - start;
        self.text(out)?;
        if add {
            let (name, value) = out.get(start..).and_then(|field| field.split_at_checked(name)).unwrap_or_default();
            self.decoder.table.add(name, value);
        }
        Ok(name)
    }

    fn text(&mut self, out: &mut Vec<u8>) -> Result<(), HpackError> {
        let coded = self.rest.first().is_some_and(|first| first & 0x80 != 0);
        let length = integer::read(&mut self.rest, 7)?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(HpackError::Truncated)?;
        self.rest = rest;
        if coded {
            return huffman::decode(text, out);
        }
        out.extend_from_slice(text);
        Ok(())
    }
}
