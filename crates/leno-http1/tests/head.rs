//! Heads.

use leno_http1::{Framing, Limits, Parsed, RequestHead, ResponseHead, Version};
use proptest::prelude::*;

fn request(text: &str) -> RequestHead {
    let mut head = RequestHead::default();
    assert_eq!(head.parse(text.as_bytes(), Limits::default()), Ok(Parsed::Complete(text.len())), "{text:?}");
    head
}

fn response(text: &str, to_head: bool) -> ResponseHead {
    let mut head = ResponseHead::default();
    assert_eq!(head.parse(text.as_bytes(), Limits::default(), to_head, false), Ok(Parsed::Complete(text.len())));
    head
}

#[test]
fn targets_and_hosts() {
    for (text, target, authority) in [
        ("GET /a?b HTTP/1.1\r\nHost: x:80\r\n\r\n", "/a?b", "x:80"),
        ("GET http://y/a HTTP/1.1\r\nHost: x\r\n\r\n", "/a", "y"),
        ("GET HTTP://y HTTP/1.1\r\nHost: x\r\n\r\n", "", "y"),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "*", "x"),
        ("CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n", "", "[::1]:443"),
        ("GET / HTTP/1.0\r\n\r\n", "/", ""),
    ] {
        let head = request(text);
        assert_eq!(head.target.text(text.as_bytes()), target, "{text:?}");
        assert_eq!(head.authority.text(text.as_bytes()), authority, "{text:?}");
    }
}

#[test]
fn framing_and_persistence_of_requests() {
    for (text, framing, keep) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Framing::None, true),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n", Framing::None, false),
        ("GET / HTTP/1.0\r\n\r\n", Framing::None, false),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", Framing::None, true),
        ("POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 12\r\n\r\n", Framing::Length(12), true),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::Chunked, true),
    ] {
        let head = request(text);
        assert_eq!((head.framing, head.keep_alive), (framing, keep), "{text:?}");
    }
    let text = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nExpect: 100-continue\r\n\r\n";
    let head = request(text);
    assert_eq!(head.upgrade.map(|place| place.text(text.as_bytes())), Some("websocket"));
    assert!(head.expect_continue);
    assert_eq!(head.version, Version::Http11);
    let without = request("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(without.upgrade, None, "Connection does not list it");
}

#[test]
fn framing_and_persistence_of_responses() {
    for (text, to_head, framing, keep) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", false, Framing::Length(5), true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", true, Framing::None, true),
        ("HTTP/1.1 204\r\n\r\n", false, Framing::None, true),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", false, Framing::None, true),
        ("HTTP/1.1 100 Continue\r\n\r\n", false, Framing::None, true),
        ("HTTP/1.1 200 OK\r\n\r\n", false, Framing::UntilClose, false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", false, Framing::Length(5), false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false, Framing::Chunked, true),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", false, Framing::Length(0), false),
    ] {
        let head = response(text, to_head);
        assert_eq!((head.framing, head.keep_alive), (framing, keep), "{text:?}");
    }
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\ncontent-length: 5\n\n",
        "HTTP/2 200\r\n\r\n",
    ] {
        let mut head = ResponseHead::default();
        assert!(head.parse(text.as_bytes(), Limits::default(), false, false).is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let request = RequestHead::default().parse(&bytes, Limits::default());
        let response = ResponseHead::default().parse(&bytes, Limits::default(), false, false);
        // No text begins like both.
        prop_assert!(!matches!((request, response), (Ok(Parsed::Complete(_)), Ok(Parsed::Complete(_)))));
    }

    #[test]
    fn a_head_is_partial_until_its_last_byte(
        path in "/[a-z0-9/]{0,20}",
        fields in prop::collection::vec(("[a-z][a-z0-9-]{0,12}", "[ -~]{0,20}"), 0..8),
    ) {
        let fields: String = fields
            .iter()
            .filter(|(name, _)| !["host", "connection", "upgrade", "expect"].contains(&name.as_str()))
            .map(|(name, value)| format!("x-{name}: {value}\r\n"))
            .collect();
        let text = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
        let mut head = RequestHead::default();
        for cut in 0..text.len() {
            prop_assert_eq!(head.parse(&text.as_bytes()[..cut], Limits::default()), Ok(Parsed::Partial));
        }
        prop_assert_eq!(head.parse(text.as_bytes(), Limits::default()), Ok(Parsed::Complete(text.len())));
    }
}
