//! Responses.

use leno_http1::{Framing, Limits, Parsed, ResponseHead, write};

use super::{
    connection::{Head, read},
    reference,
};
use crate::cut;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
enum To {
    Get,
    Head,
    Connect,
}

/// Responses are the same in pieces as at once, and what is passed on of them is read as the same responses.
pub fn http1_response(bytes: &[u8]) {
    for to in [To::Get, To::Head, To::Connect] {
        let parse = |bytes: &[u8]| parse(bytes, to);
        let whole = read(&[bytes], parse);
        for pieces in cut::ways(bytes) {
            assert_eq!(read(&pieces, parse), whole, "{to:?}");
        }
        let passed_on = whole.passed_on();
        let again = read(&[&passed_on], parse);
        assert_eq!(again.refused, None, "{}", String::from_utf8_lossy(&passed_on));
        assert!(again.left.is_empty());
        let complete = whole.messages.iter().filter(|message| message.complete);
        assert!(complete.eq(again.messages.iter()), "{whole:?} became {again:?}");
    }
}

fn parse(bytes: &[u8], to: To) -> Result<Option<Head>, String> {
    let mut head = ResponseHead::default();
    let (to_head, to_connect) = (matches!(to, To::Head), matches!(to, To::Connect));
    match head.parse(bytes, Limits::default(), to_head, to_connect) {
        Err(error) => Err(error.to_string()),
        Ok(Parsed::Partial) => Ok(None),
        Ok(Parsed::Complete(length)) => {
            let written = written(&head, &bytes[..length]);
            same_response(&head, bytes, &written, to);
            let tunnel = head.status == 101 || (to_connect && (200..300).contains(&head.status));
            let last = tunnel || (head.status >= 200 && !head.keep_alive && head.framing == Framing::None);
            Ok(Some(Head { length, framing: head.framing, written, last }))
        }
    }
}

/// The head as the proxy passes it back.
fn written(head: &ResponseHead, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write::status_line(&mut out, head.status, head.reason.of_bytes(bytes));
    let options: Vec<_> = write::connection_options(bytes, &head.fields).collect();
    write::fields(&mut out, bytes, &head.fields, bytes.len(), |name, _| {
        !(write::is_hop_by_hop(name) || options.iter().any(|option| name.eq_ignore_ascii_case(option)))
    });
    write::end(&mut out);
    out
}

/// A head that is passed back says what the one that came said.
fn same_response(head: &ResponseHead, bytes: &[u8], written: &[u8], to: To) {
    let text = String::from_utf8_lossy(written);
    let mut again = ResponseHead::default();
    let limits = Limits { bytes: usize::MAX, fields: Limits::MAX_FIELDS };
    let parsed = again.parse(written, limits, matches!(to, To::Head), matches!(to, To::Connect));
    assert_eq!(parsed, Ok(Parsed::Complete(written.len())), "{text}");
    assert_eq!(again.status, head.status);
    assert_eq!(again.reason.of_bytes(written), head.reason.of_bytes(bytes));
    assert_eq!(again.framing, head.framing, "{text}");
    let second = reference::framing(written);
    match (head.framing, second) {
        // What the careless reader takes it for does not count where the request or the status rules bodies out.
        (Framing::None, _) | (Framing::UntilClose, Some(Framing::None)) => {}
        (framing, second) => assert_eq!(second, Some(framing), "the careless reader reads something else: {text}"),
    }
}
