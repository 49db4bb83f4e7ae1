//! Connections, as either end.

use leno_http2::{Connection, Event, Expected, PREFACE, Role, Settings, Writer};

use crate::cut;

/// Small bounds, so that few bytes reach them.
fn settings() -> Settings {
    Settings {
        max_concurrent_streams: 8,
        stream_window: 65_535,
        connection_window: 65_535,
        max_header_list: 2048,
        connect_protocol: true,
        ..Settings::default()
    }
}

/// As a server; the preface and SETTINGS have come.
pub fn http2_server(bytes: &[u8]) {
    check(bytes, || {
        let mut server = Connection::new(Role::Server, settings());
        take(&mut server, &[PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat());
        server
    });
}

/// As a client with three streams; SETTINGS have come.
pub fn http2_client(bytes: &[u8]) {
    check(bytes, || {
        let mut client = Connection::new(Role::Client, settings());
        take(&mut client, &[0, 0, 0, 4, 0, 0, 0, 0, 0]);
        for (end, expected) in [(true, Expected::Body), (true, Expected::Nothing), (false, Expected::Tunnel)] {
            assert!(client.open((), end, expected, request).is_ok());
        }
        client
    });
}

fn request(writer: &mut Writer<'_>) {
    writer.method("GET");
    writer.scheme("http");
    writer.authority("x");
    writer.path("/");
}

fn check(bytes: &[u8], new: impl Fn() -> Connection<()>) {
    let (whole, mut end) = run(&mut new(), &[bytes]);
    for pieces in cut::ways(bytes) {
        let (told, ended) = run(&mut new(), &pieces);
        assert_eq!(told, whole);
        assert_eq!(ended, end);
    }
    // What it answers can be read by the other end, which need not like it.
    let mut other: Connection<()> = Connection::new(Role::Server, settings());
    take(&mut other, &std::mem::take(&mut end));
}

/// What was told of bytes that came in these pieces, and all that was said in return. A user that does something with
/// every event: reads, answers, gives up.
fn run(connection: &mut Connection<()>, pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
    let (mut told, mut said, mut input, mut unread) = (Vec::new(), Vec::new(), Vec::new(), 0_usize);
    for piece in pieces {
        input.extend_from_slice(piece);
        let mut at = 0;
        loop {
            let next = match connection.next(&input[at..]) {
                Ok(next) => next,
                Err(error) => {
                    told.push(error.to_string());
                    say(connection, &mut said);
                    return (told, said);
                }
            };
            if next.used == 0 {
                break;
            }
            at += next.used;
            if let Some(event) = next.event {
                told.push(format!("{event:?}"));
                unread += react(event).map_or(0, |act| act(connection));
                assert!(unread <= 65_535, "more than the window");
            }
            say(connection, &mut said);
            assert!(connection.active() <= 8);
        }
        input.drain(..at);
    }
    (told, said)
}

/// Takes what a connection has to say.
fn say(connection: &mut Connection<()>, said: &mut Vec<u8>) {
    said.extend_from_slice(connection.output());
    connection.written(connection.output().len());
}

type Act = Box<dyn FnOnce(&mut Connection<()>) -> usize>;

/// What is done after an event; how many bytes are left unread by it.
fn react(event: Event<'_>) -> Option<Act> {
    match event {
        Event::Request { stream, head, end } => {
            // Nothing that the rest of the proxy relies on is missing.
            assert!(!head.method().is_empty() || head.is_too_large());
            assert!(head.fields().all(|(name, value)| !name.is_empty() && !value.contains(&b'\n')));
            Some(Box::new(move |connection| {
                if stream % 3 == 0 {
                    connection.forget(stream, 0);
                } else {
                    connection.head(stream, end, |writer| writer.status(200)).ok();
                }
                0
            }))
        }
        Event::Data { stream, data, end } => {
            let length = data.len();
            let read = stream % 5 != 0;
            Some(Box::new(move |connection| {
                if read {
                    connection.release(stream, length);
                }
                if end {
                    connection.data(stream, b"answer", true).ok();
                }
                if read { 0 } else { length }
            }))
        }
        Event::Answer { .. } | Event::Trailers { .. } | Event::Pong(_) | Event::Window { .. } => None,
        Event::Reset { stream, .. } => Some(Box::new(move |connection| {
            connection.forget(stream, 0);
            0
        })),
        Event::GoAway { last, .. } => Some(Box::new(move |connection| {
            connection.abandon_above(last);
            0
        })),
    }
}

fn take(connection: &mut Connection<()>, bytes: &[u8]) {
    let mut at = 0;
    while let Ok(next) = connection.next(&bytes[at..])
        && next.used > 0
    {
        at += next.used;
    }
    connection.written(connection.output().len());
}
