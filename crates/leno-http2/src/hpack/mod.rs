//! HPACK, the compression of headers ([RFC 7541]): both directions of a connection have a table of fields that were sent
//! before, and name them by number.
//!
//! [RFC 7541]: https://www.rfc-editor.org/rfc/rfc7541

mod decode;
mod encode;
mod huffman;
mod integer;
mod table;

pub use decode::{Block, Decoder};
pub use encode::Encoder;

/// What is wrong with a block of headers. The tables of both sides differ from then on: the connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    /// It ends in the middle of something.
    #[error("a header block that breaks off")]
    Truncated,
    /// A number of more than 28 bits or so.
    #[error("a number that is too large")]
    Integer,
    /// A number that no field has.
    #[error("an index without a field")]
    Index,
    /// Bits that are no Huffman code, or padding that is not allowed.
    #[error("text that is not Huffman-coded as it says")]
    Huffman,
    /// A table size above what was allowed, or not at the beginning.
    #[error("a change of the table's size that is not allowed")]
    TableSize,
}

/// What a field counts for beside its bytes ([RFC 7541, 4.1]).
///
/// [RFC 7541, 4.1]: https://www.rfc-editor.org/rfc/rfc7541#section-4.1
pub(crate) const FIELD_OVERHEAD: usize = 32;
