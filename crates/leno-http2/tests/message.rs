//! Heads: which are taken and which are not.

use leno_http2::{Code, Expected, Settings};

use crate::pair::{Pair, Told};

/// What a server makes of a request with these fields.
fn asked(fields: &[(&str, &str)]) -> Vec<Told> {
    asked_of(Settings::default(), fields)
}

fn asked_of(settings: Settings, fields: &[(&str, &str)]) -> Vec<Told> {
    let mut pair = Pair::new(Settings::default(), settings);
    let write = |writer: &mut leno_http2::Writer<'_>| {
        fields.iter().for_each(|(name, value)| writer.field(name.as_bytes(), value.as_bytes()));
    };
    pair.client.open((), false, Expected::Body, write).unwrap();
    assert!(pair.up().iter().all(|told| matches!(told, Told::Request(..))) || !pair.server.output().is_empty());
    let refused = pair.down();
    if refused.is_empty() {
        let mut again = Pair::new(Settings::default(), settings);
        again.client.open((), false, Expected::Body, write).unwrap();
        return again.up();
    }
    refused
}

const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "x")];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&GET[..], more].concat()
}

#[test]
fn legal_requests_are_taken() {
    let options = [(":method", "OPTIONS"), (":scheme", "http"), (":path", "*"), (":authority", "x")];
    let connect = [(":method", "CONNECT"), (":authority", "x:1")];
    let legal = [
        with(&[]),
        with(&[("x", " padded ")]),
        with(&[("te", "trailers"), ("x", ""), ("cookie", "a=b")]),
        options.to_vec(),
        connect.to_vec(),
    ];
    for fields in legal {
        let told = asked(&fields);
        assert!(matches!(&told[..], [Told::Request(1, _, false)]), "{fields:?}: {told:?}");
    }
}

#[test]
fn the_host_stands_in_for_the_authority_and_never_beside_it() {
    let [Told::Request(_, head, _)] = &asked(&with(&[("host", "other"), ("x", "1")]))[..] else { panic!("no request") };
    assert_eq!((head.authority(), head.len(), head.value("host")), ("x", 1, None));
    let [Told::Request(_, head, _)] = &asked(&[GET[0], GET[1], GET[2], ("host", "other")])[..] else {
        panic!("no request")
    };
    assert_eq!((head.authority(), head.method(), head.path(), head.scheme()), ("other", "GET", "/a", "http"));
}

#[test]
fn malformed_requests_are_reset() {
    let refused = [
        with(&[("X-Upper", "1")]),
        with(&[("a b", "1")]),
        with(&[("", "1")]),
        with(&[("x", "a\r\nb")]),
        with(&[("x", "a\u{1}b")]),
        with(&[("connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("te", "gzip")]),
        with(&[("host", "a"), ("host", "b")]),
        with(&[("content-length", "1"), ("content-length", "1")]),
        with(&[("content-length", "+1")]),
        with(&[("x", "1"), (":path", "/b")]),
        with(&[(":path", "/b")]),
        with(&[(":status", "200")]),
        with(&[(":unknown", "1")]),
        with(&[(":protocol", "websocket")]),
        vec![(":method", "GET"), (":scheme", "http")],
        vec![(":scheme", "http"), (":path", "/")],
        vec![(":method", "GET"), (":scheme", "http"), (":path", "")],
        vec![(":method", "GET"), (":scheme", "http"), (":path", "a")],
        vec![(":method", "GET"), (":scheme", "http"), (":path", "/a b")],
        vec![(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "me@x")],
        vec![(":method", "CONNECT"), (":authority", "x"), (":path", "/"), (":scheme", "http")],
        vec![(":method", "CONNECT")],
    ];
    for fields in refused {
        let told = asked(&fields);
        assert!(matches!(&told[..], [Told::Reset(1, Code::PROTOCOL_ERROR, true)]), "{fields:?}: {told:?}");
    }
}

#[test]
fn extended_connect_is_taken_where_it_is_allowed() {
    let settings = Settings { connect_protocol: true, ..Settings::default() };
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/chat"),
        (":authority", "x"),
    ];
    let [Told::Request(_, head, _)] = &asked_of(settings, &fields)[..] else { panic!("no request") };
    assert_eq!((head.protocol(), head.path()), (Some("websocket"), "/chat"));
    assert!(Pair::new(Settings::default(), settings).client.takes_connect_protocol());
}

#[test]
fn the_length_that_is_said_of_a_tunnel_means_nothing() {
    for (status, opens) in [(200, true), (403, false)] {
        let mut pair = Pair::default();
        let write = |writer: &mut leno_http2::Writer<'_>| {
            writer.method("CONNECT");
            writer.authority("db:1");
            writer.field(b"content-length", b"3");
        };
        let id = pair.client.open((), false, Expected::Tunnel, write).unwrap();
        pair.client.data(id, b"longer", false).unwrap();
        let told = pair.up();
        assert!(matches!(&told[..], [Told::Request(..), Told::Data(1, data, false)] if data == b"longer"), "{told:?}");
        let answer = |writer: &mut leno_http2::Writer<'_>| {
            writer.status(status);
            writer.field(b"content-length", b"0");
        };
        pair.server.head(id, false, answer).unwrap();
        pair.server.data(id, b"hello", false).unwrap();
        let told = pair.down();
        let taken = matches!(&told[..], [Told::Answer(..), Told::Data(1, data, false)] if data == b"hello");
        let refused = matches!(&told[..], [Told::Answer(..), Told::Reset(1, Code::PROTOCOL_ERROR, false)]);
        assert_eq!((taken, refused), (opens, !opens), "{told:?}");
    }
}

#[test]
fn a_head_above_the_limit_is_told_as_such_and_the_table_goes_on() {
    let settings = Settings { max_header_list: 300, ..Settings::default() };
    let mut pair = Pair::new(Settings::default(), settings);
    for _ in 0..4 {
        pair.ask(true);
        assert!(matches!(&pair.up()[..], [Told::Request(_, head, true)] if !head.is_too_large()));
        let large = "v".repeat(400);
        let write = |writer: &mut leno_http2::Writer<'_>| {
            writer.method("GET");
            writer.scheme("http");
            writer.path("/");
            writer.field(b"x-before", b"kept in the table");
            writer.field(b"x-large", large.as_bytes());
            writer.field(b"x-after", b"kept in the table");
        };
        pair.client.open((), true, Expected::Body, write).unwrap();
        assert!(matches!(&pair.up()[..], [Told::Request(_, head, true)] if head.is_too_large()));
    }
}
