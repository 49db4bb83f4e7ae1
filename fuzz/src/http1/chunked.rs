//! Bodies in chunks.

use leno_http1::{Body, BodyError, Framing};

use super::reference;
use crate::cut;

/// What is read of a body.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    content: Vec<u8>,
    /// How many bytes belong to it; not known of one that is refused.
    length: usize,
    /// Whether that is all of it.
    complete: Result<bool, BodyError>,
}

/// A body means the same in pieces as at once, and the same to the careless reader.
pub fn http1_chunked(bytes: &[u8]) {
    let whole = read(&[bytes]);
    for pieces in cut::ways(bytes) {
        assert_eq!(read(&pieces), whole);
    }
    if whole.complete == Ok(true) {
        let second = reference::chunks(bytes);
        assert_eq!(second, Some((whole.content, whole.length)), "the careless reader reads something else");
    }
}

fn read(pieces: &[&[u8]]) -> Read {
    let mut body = Body::new(Framing::Chunked);
    let (mut content, mut length) = (Vec::new(), 0);
    for piece in pieces {
        match body.advance(piece, |part| content.extend_from_slice(part)) {
            Ok(advanced) => length += advanced.framed,
            Err(error) => return Read { content, length: 0, complete: Err(error) },
        }
    }
    Read { content, length, complete: Ok(body.is_complete()) }
}
