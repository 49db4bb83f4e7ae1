//! Requests.

use leno_http1::{Framing, Limits, Parsed, RequestHead, field::same, write};

use super::{
    connection::{Head, read},
    reference,
};
use crate::cut;

/// Requests are the same in pieces as at once, and what is passed on of them is read as the same requests.
pub fn http1_request(bytes: &[u8]) {
    let whole = read(&[bytes], parse);
    for pieces in cut::ways(bytes) {
        assert_eq!(read(&pieces, parse), whole);
    }
    let passed_on = whole.passed_on();
    let again = read(&[&passed_on], parse);
    assert_eq!(again.refused, None, "{}", String::from_utf8_lossy(&passed_on));
    assert!(again.left.is_empty());
    let complete = whole.messages.iter().filter(|message| message.complete);
    assert!(complete.eq(again.messages.iter()), "{whole:?} became {again:?}");
}

fn parse(bytes: &[u8]) -> Result<Option<Head>, String> {
    let mut head = RequestHead::default();
    match head.parse(bytes, Limits::default()) {
        Err(error) => {
            assert!(matches!(error.status(), 400 | 431 | 501 | 505));
            Err(error.to_string())
        }
        Ok(Parsed::Partial) => Ok(None),
        Ok(Parsed::Complete(length)) => {
            let written = written(&head, &bytes[..length]);
            same_request(&head, bytes, &written);
            // What comes after these is for whoever the connection is upgraded to.
            let last = head.connect || head.upgrade.is_some();
            Ok(Some(Head { length, framing: head.framing, written, last }))
        }
    }
}

/// The head as the proxy passes it on.
fn written(head: &RequestHead, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write::request_line(&mut out, head.method.of_bytes(bytes), target(head, bytes));
    write::field(&mut out, b"host", head.authority.of_bytes(bytes));
    let options: Vec<_> = write::connection_options(bytes, &head.fields).collect();
    write::fields(&mut out, bytes, &head.fields, bytes.len(), |name, _| {
        let listed = options.iter().any(|option| name.eq_ignore_ascii_case(option));
        !(same(name, "host") || write::is_hop_by_hop(name) || listed)
    });
    write::end(&mut out);
    out
}

fn target<'a>(head: &RequestHead, bytes: &'a [u8]) -> &'a [u8] {
    if head.connect {
        head.authority.of_bytes(bytes)
    } else if head.target.is_empty() {
        b"/"
    } else {
        head.target.of_bytes(bytes)
    }
}

/// A head that is passed on says what the one that came said.
fn same_request(head: &RequestHead, bytes: &[u8], written: &[u8]) {
    let text = String::from_utf8_lossy(written);
    let mut again = RequestHead::default();
    // Writing may make it longer than a head that comes may be.
    let limits = Limits { bytes: usize::MAX, fields: Limits::MAX_FIELDS };
    assert_eq!(again.parse(written, limits), Ok(Parsed::Complete(written.len())), "{text}");
    assert_eq!(again.method.of_bytes(written), head.method.of_bytes(bytes));
    assert_eq!(target(&again, written), target(head, bytes));
    assert_eq!(again.authority.of_bytes(written), head.authority.of_bytes(bytes));
    assert_eq!((again.framing, again.connect, again.head), (head.framing, head.connect, head.head), "{text}");
    assert_eq!(again.upgrade, None);
    match (head.framing, reference::framing(written)) {
        (Framing::None, Some(Framing::Length(0))) if head.connect => {}
        (framing, second) => assert_eq!(second, Some(framing), "the careless reader reads something else: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_requests_are_seen() {
        let seen =
            read(&[b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxGET ", b"/ HTTP/1.0\r\n\r\n"], parse);
        assert_eq!(seen.messages.len(), 2);
        assert_eq!(seen.messages[0].content, b"x");
        assert!(seen.refused.is_none() && seen.left.is_empty());
    }
}
