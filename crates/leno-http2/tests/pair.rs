//! Both ends of a connection, wired to each other.

use leno_http2::{Code, Connection, ConnectionError, Event, Expected, Head, Role, Settings};

/// What happened, without borrowed bytes.
#[derive(Debug)]
pub(crate) enum Told {
    Request(u32, Head, bool),
    Answer(u32, Head, bool),
    Data(u32, Vec<u8>, bool),
    Trailers(u32, Head),
    Reset(u32, Code, bool),
    Window(u32),
    GoAway(u32, Code),
    Pong([u8; 8]),
}

impl From<Event<'_>> for Told {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Request { stream, head, end } => Self::Request(stream, head, end),
            Event::Answer { stream, head, end } => Self::Answer(stream, head, end),
            Event::Data { stream, data, end } => Self::Data(stream, data.to_vec(), end),
            Event::Trailers { stream, head } => Self::Trailers(stream, head),
            Event::Reset { stream, code, remote } => Self::Reset(stream, code, remote),
            Event::Window { stream } => Self::Window(stream),
            Event::GoAway { last, code } => Self::GoAway(last, code),
            Event::Pong(payload) => Self::Pong(payload),
        }
    }
}

pub(crate) type End = Connection<()>;

/// Gives an end all of these bytes.
pub(crate) fn give(end: &mut End, bytes: &[u8]) -> Result<Vec<Told>, ConnectionError> {
    let (mut at, mut told) = (0, Vec::new());
    loop {
        let next = end.next(&bytes[at..])?;
        if next.used == 0 {
            assert_eq!(at, bytes.len(), "whole frames");
            return Ok(told);
        }
        at += next.used;
        told.extend(next.event.map(Told::from));
    }
}

/// Takes all that an end has to say.
pub(crate) fn said(end: &mut End) -> Vec<u8> {
    let said = end.output().to_vec();
    end.written(said.len());
    said
}

/// A client and a server.
pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
}

impl Pair {
    /// A pair that has shaken hands.
    pub(crate) fn new(client: Settings, server: Settings) -> Self {
        let mut pair =
            Self { client: Connection::new(Role::Client, client), server: Connection::new(Role::Server, server) };
        pair.up();
        pair.down();
        pair.up();
        pair
    }

    /// What the client has said reaches the server.
    pub(crate) fn up(&mut self) -> Vec<Told> {
        give(&mut self.server, &said(&mut self.client)).unwrap()
    }

    /// What the server has said reaches the client.
    pub(crate) fn down(&mut self) -> Vec<Told> {
        give(&mut self.client, &said(&mut self.server)).unwrap()
    }

    /// A request from the client.
    pub(crate) fn ask(&mut self, end: bool) -> u32 {
        let write = |writer: &mut leno_http2::Writer<'_>| {
            writer.method(if end { "GET" } else { "POST" });
            writer.scheme("http");
            writer.authority("example.com");
            writer.path("/a?b=c");
            writer.field(b"x-one", b"1");
        };
        self.client.open((), end, Expected::Body, write).unwrap()
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new(Settings::default(), Settings::default())
    }
}

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}
