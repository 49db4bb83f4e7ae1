//! A connection at peace: exchanges, windows, ends.

use leno_http2::{Code, Expected, Settings, Stalled, StreamError};

use crate::pair::{Pair, Told};

#[test]
fn a_request_and_its_answer_with_bodies_and_trailers() {
    let mut pair = Pair::default();
    let id = pair.ask(false);
    assert_eq!(pair.client.data(id, b"body", false).unwrap().stalled, None);
    pair.client.trailers(id, |writer| writer.field(b"x-sum", b"42")).unwrap();
    let told = pair.up();
    let [Told::Request(1, head, false), Told::Data(1, data, false), Told::Trailers(1, trailers)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        (head.method(), head.path(), head.authority(), head.value("x-one")),
        ("POST", "/a?b=c", "example.com", Some(&b"1"[..]))
    );
    assert_eq!((&data[..], trailers.value("x-sum")), (&b"body"[..], Some(&b"42"[..])));
    pair.server.head(id, false, |writer| writer.status(103)).unwrap();
    pair.server.head(id, false, |writer| writer.status(201)).unwrap();
    pair.server.data(id, b"answer", true).unwrap();
    let told = pair.down();
    assert!(
        matches!(&told[..], [Told::Answer(1, early, false), Told::Answer(1, last, false), Told::Data(1, data, true)]
            if early.status() == 103 && last.status() == 201 && data == b"answer"),
        "{told:?}"
    );
    assert_eq!((pair.client.active(), pair.server.active()), (0, 0));
    assert_eq!(pair.server.data(id, b"more", true), Err(StreamError::Closed));
    pair.server.forget(id, 0);
    assert!(pair.server.output().is_empty(), "nothing to reset");
}

#[test]
fn a_body_stops_at_the_windows_and_goes_on_when_they_open() {
    let small = Settings { stream_window: 65_535, connection_window: 65_535, ..Settings::default() };
    let mut pair = Pair::new(Settings { output: 1 << 20, ..Settings::default() }, small);
    let (one, two) = (pair.ask(false), pair.ask(false));
    let body = vec![b'x'; 80_000];
    let sent = pair.client.data(one, &body, true).unwrap();
    assert_eq!((sent.taken, sent.stalled), (65_535, Some(Stalled::Stream)));
    let sent = pair.client.data(two, b"y", true).unwrap();
    assert_eq!((sent.taken, sent.stalled), (0, Some(Stalled::Connection)));
    let came: usize = pair.up().iter().map(|told| if let Told::Data(_, data, _) = told { data.len() } else { 0 }).sum();
    assert_eq!(came, 65_535);
    pair.server.release(one, 65_535);
    let told = pair.down();
    assert!(matches!(&told[..], [Told::Window(0), Told::Window(1)]), "{told:?}");
    let sent = pair.client.data(one, &body[65_535..], true).unwrap();
    assert_eq!((sent.taken, sent.stalled), (80_000 - 65_535, None));
    assert_eq!(pair.client.data(two, b"y", true).unwrap().stalled, None);
    assert!(matches!(pair.up().last(), Some(Told::Data(3, _, true))));
}

#[test]
fn output_is_bounded() {
    let mut pair = Pair::default();
    let id = pair.ask(false);
    let sent = pair.client.data(id, &vec![b'x'; 200_000], true).unwrap();
    assert_eq!(sent.stalled, Some(Stalled::Connection));
    assert!(pair.client.output().len() < 64 * 1024 + 17_000);
}

#[test]
fn the_window_of_what_nobody_reads_is_given_back() {
    let mut pair = Pair::default();
    for _ in 0..100 {
        let id = pair.ask(false);
        let mut told = Vec::new();
        let body = vec![b'x'; 60_000];
        pair.client.data(id, &body, false).unwrap();
        told.extend(pair.up());
        assert!(told.iter().any(|told| matches!(told, Told::Data(..))), "{told:?}");
        pair.server.forget(id, 60_000);
        let told = pair.down();
        assert!(told.iter().any(|told| matches!(told, Told::Reset(_, Code::CANCEL, true))), "{told:?}");
        pair.client.forget(id, 0);
    }
    assert_eq!(pair.server.active(), 0);
}

#[test]
fn streams_above_the_limit_wait_or_are_refused() {
    let mut pair = Pair::new(Settings::default(), Settings { max_concurrent_streams: 2, ..Settings::default() });
    assert_eq!(pair.client.max_active(), 2);
    let first = pair.ask(true);
    pair.ask(true);
    assert_eq!(
        pair.client.open((), true, Expected::Body, |writer| writer.method("GET")),
        Err(StreamError::Unavailable)
    );
    pair.up();
    pair.server.head(first, true, |writer| writer.status(204)).unwrap();
    pair.down();
    assert_eq!(pair.ask(true), 5);
    assert!(matches!(&pair.up()[..], [Told::Request(5, _, true)]));
}

#[test]
fn a_reset_ends_both_sides_and_late_frames_are_passed_over() {
    let mut pair = Pair::default();
    let id = pair.ask(false);
    pair.up();
    pair.server.reset(id, Code::REFUSED_STREAM);
    // Under way at the same time.
    pair.client.data(id, b"late", false).unwrap();
    pair.client.trailers(id, |writer| writer.field(b"x", b"1")).unwrap();
    let told = pair.down();
    assert!(matches!(&told[..], [Told::Reset(1, Code::REFUSED_STREAM, true)]), "{told:?}");
    pair.server.forget(id, 0);
    assert!(pair.up().is_empty() && pair.server.output().is_empty());
    pair.ask(true);
    assert!(matches!(&pair.up()[..], [Told::Request(3, _, true)]), "the table went on");
}

#[test]
fn a_drain_takes_what_is_under_way_and_nothing_more() {
    let mut pair = Pair::default();
    let before = pair.ask(true);
    pair.up();
    pair.server.drain();
    // The client has not heard of it.
    let during = pair.ask(true);
    assert!(matches!(&pair.up()[..], [Told::Request(3, _, true)]));
    assert!(matches!(&pair.down()[..], [Told::GoAway(0x7fff_ffff, Code::NO_ERROR)]));
    assert!(!pair.client.is_usable());
    pair.up();
    assert!(matches!(&pair.down()[..], [Told::GoAway(3, Code::NO_ERROR)]));
    assert!(!pair.server.is_drained());
    for id in [before, during] {
        pair.server.head(id, true, |writer| writer.status(200)).unwrap();
    }
    assert!(pair.server.is_drained());
}

#[test]
fn streams_that_the_other_side_did_not_look_at_are_known() {
    let mut pair = Pair::default();
    let ids = [pair.ask(true), pair.ask(true)];
    pair.server.close(Code::NO_ERROR);
    assert!(matches!(&pair.down()[..], [Told::GoAway(0, Code::NO_ERROR)]));
    let mut abandoned = pair.client.abandon_above(0);
    abandoned.sort_unstable();
    assert_eq!(abandoned, ids);
    assert_eq!(pair.client.active(), 0);
}

#[test]
fn large_heads_come_in_parts_and_pings_come_back() {
    let mut pair = Pair::new(Settings::default(), Settings { max_header_list: 200_000, ..Settings::default() });
    let large = "v".repeat(100_000);
    let write = |writer: &mut leno_http2::Writer<'_>| {
        writer.method("GET");
        writer.scheme("http");
        writer.path("/");
        writer.field(b"x-large", large.as_bytes());
    };
    pair.client.open((), true, Expected::Body, write).unwrap();
    let told = pair.up();
    assert!(matches!(&told[..], [Told::Request(1, head, true)] if head.value("x-large") == Some(large.as_bytes())));
    pair.client.ping(*b"are you?");
    pair.up();
    assert!(matches!(&pair.down()[..], [Told::Pong(payload)] if payload == b"are you?"));
}

#[test]
fn a_smaller_table_is_kept_to() {
    let mut pair = Pair::new(Settings::default(), Settings { header_table: 0, ..Settings::default() });
    for _ in 0..4 {
        pair.ask(true);
        assert!(matches!(&pair.up()[..], [Told::Request(..)]));
    }
}
