//! Bodies.

use leno_http1::{Body, BodyError, Framing, Part, field};
use proptest::prelude::*;

/// Content, framed length, and whether it is complete.
type Fed = Result<(Vec<u8>, usize, bool), BodyError>;

/// Feeds bytes in pieces; returns content, framed length, and whether it is complete.
fn feed(framing: Framing, bytes: &[u8], piece: usize) -> Fed {
    let mut body = Body::new(framing);
    let (mut content, mut framed) = (Vec::new(), 0);
    for part in bytes.chunks(piece.max(1)) {
        let advanced = body.advance(part, |bytes| content.extend_from_slice(bytes))?;
        framed += advanced.framed;
        if advanced.framed < part.len() {
            break;
        }
    }
    Ok((content, framed, body.is_complete()))
}

#[test]
fn every_framing_ends_where_it_should() {
    for piece in [1, 2, 3, 100] {
        assert_eq!(feed(Framing::None, b"next", piece), Ok((vec![], 0, true)));
        assert_eq!(feed(Framing::Length(3), b"abcnext", piece), Ok((b"abc".to_vec(), 3, true)));
        assert_eq!(feed(Framing::Length(9), b"abc", piece), Ok((b"abc".to_vec(), 3, false)));
        assert_eq!(feed(Framing::UntilClose, b"abc", piece), Ok((b"abc".to_vec(), 3, false)));
        let chunked = b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-t: v\r\n\r\n";
        let with_next = [&chunked[..], b"GET"].concat();
        assert_eq!(feed(Framing::Chunked, &with_next, piece), Ok((b"abc0123456789".to_vec(), chunked.len(), true)));
    }
}

#[test]
fn trailers_are_told_apart_from_content() {
    let mut body = Body::new(Framing::Chunked);
    let (mut content, mut trailers) = (Vec::new(), Vec::new());
    for byte in b"3\r\nabc\r\n0\r\nX-T: v: w\r\nempty:\r\n\r\n".chunks(1) {
        let taken = body.take(byte, |part| match part {
            Part::Content(bytes) => content.extend_from_slice(bytes),
            Part::Trailer(byte) => trailers.push(byte),
        });
        assert_eq!(taken.map(|taken| taken.framed), Ok(1));
    }
    assert!(body.is_complete() && content == b"abc");
    let fields: Vec<_> = field::trailers(&trailers).collect();
    assert_eq!(fields, [(&b"X-T"[..], &b"v: w"[..]), (b"empty", b"")]);
    assert_eq!(field::trailers(b"\r\n").count(), 0);
}

#[test]
fn unsound_chunks_are_refused() {
    for bytes in [
        &b"\r\n"[..],
        b"g\r\n",
        b"3;x=y\r\nabc\r\n",
        b"3 \r\nabc\r\n",
        b" 3\r\nabc\r\n",
        b"3\nabc\r\n",
        b"3\rabc",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n",
        b"3\r\nabc\r\r",
        b"-1\r\n",
        b"0x3\r\n",
        b"ffffffffffffffff\r\n",
        b"0\r\n\n",
        b"0\r\nx: y\n\r\n",
        b"0\r\n x: y\r\n\r\n",
        b"0\r\nx y\r\n\r\n",
        b"0\r\nx: \0\r\n\r\n",
    ] {
        for piece in [1, 100] {
            assert!(feed(Framing::Chunked, bytes, piece).is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
    let endless = [&b"0\r\n"[..], &b"x: y\r\n".repeat(2000)].concat();
    assert_eq!(feed(Framing::Chunked, &endless, 100), Err(BodyError::Trailers));
}

proptest! {
    #[test]
    fn pieces_do_not_matter(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6), piece in 1usize..50, tail in any::<[u8; 3]>()) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let length = bytes.len();
        bytes.extend_from_slice(&tail);
        prop_assert_eq!(feed(Framing::Chunked, &bytes, piece), Ok((chunks.concat(), length, true)));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1usize..50) {
        let whole = feed(Framing::Chunked, &bytes, 1000);
        let pieces = feed(Framing::Chunked, &bytes, piece);
        prop_assert_eq!(whole, pieces);
    }
}
