//! New heads.

use leno_http1::{Limits, RequestHead, write};
use proptest::prelude::*;

fn copied(text: &str, drop: &[&str]) -> String {
    let mut head = RequestHead::default();
    assert!(head.parse(text.as_bytes(), Limits::default()).is_ok());
    let mut out = Vec::new();
    write::fields(&mut out, text.as_bytes(), &head.fields, text.len(), |name, _| {
        !drop.iter().any(|dropped| name.eq_ignore_ascii_case(dropped.as_bytes()))
    });
    String::from_utf8(out).unwrap()
}

#[test]
fn fields_are_copied_but_for_those_that_are_dropped() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB:  2 \r\nC: 3\r\n\r\n";
    assert_eq!(copied(text, &[]), "Host: a\r\nA: 1\r\nB:  2 \r\nC: 3\r\n");
    assert_eq!(copied(text, &["host"]), "A: 1\r\nB:  2 \r\nC: 3\r\n");
    assert_eq!(copied(text, &["b"]), "Host: a\r\nA: 1\r\nC: 3\r\n");
    assert_eq!(copied(text, &["c"]), "Host: a\r\nA: 1\r\nB:  2 \r\n");
    assert_eq!(copied(text, &["host", "a", "b", "c"]), "");
}

#[test]
fn options_of_connection_are_listed() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\nconnection: te\r\n\r\n";
    let mut head = RequestHead::default();
    assert!(head.parse(text.as_bytes(), Limits::default()).is_ok());
    let options: Vec<_> = write::connection_options(text.as_bytes(), &head.fields).collect();
    assert_eq!(options, [&b"close"[..], b"X-Hop", b"te"]);
}

/// Else a caller could have his body read as a request of its own, which no rule has judged.
#[test]
fn what_frames_the_body_is_no_option_of_the_connection() {
    for name in ["Content-Length", "TRANSFER-ENCODING"] {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close,{name}, x\r\n\r\n");
        let mut head = RequestHead::default();
        assert!(head.parse(text.as_bytes(), Limits::default()).is_ok());
        let options: Vec<_> = write::connection_options(text.as_bytes(), &head.fields).collect();
        assert_eq!(options, [&b"close"[..], b"x"], "{name}");
    }
}

proptest! {
    #[test]
    fn numbers_are_decimal(number in any::<u64>()) {
        let mut out = Vec::new();
        write::number(&mut out, number);
        prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
    }

    #[test]
    fn what_is_written_can_be_read(names in prop::collection::vec("x-[a-z]{1,8}", 0..8), value in "[!-~]{1,10}") {
        let mut out = Vec::new();
        write::request_line(&mut out, b"GET", b"/path");
        write::field(&mut out, b"host", b"a");
        for name in &names {
            write::field(&mut out, name.as_bytes(), value.as_bytes());
        }
        write::end(&mut out);
        let mut head = RequestHead::default();
        prop_assert!(head.parse(&out, Limits::default()).is_ok());
        prop_assert_eq!(head.fields.len(), names.len() + 1);
        for (field, name) in head.fields.iter().skip(1).zip(&names) {
            prop_assert_eq!(field.name.text(&out), name.as_str());
            prop_assert_eq!(field.value.text(&out), value.as_str());
        }
    }
}
