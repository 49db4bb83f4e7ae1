//! Looking at the first bytes of a connection, with a deadline and without taking any.

use std::time::Duration;

use leno_engine::detect::{Detected, detect};
use tokio::time::{Instant, timeout_at};

use crate::{
    connection::Payload,
    io::Socket,
    tls::hello::{self, Hello, Offer},
};

/// How much is looked at, at most: a ClientHello with a post-quantum key share has 2 KiB.
pub const LOOK: usize = 16 * 1024;
/// The first byte of TLS: a handshake record.
const HANDSHAKE_RECORD: u8 = 22;

/// What a connection starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// A ClientHello that says this.
    Tls(Offer),
    /// Something else.
    Other,
    /// The end.
    Closed,
    /// Nothing in time, or half a ClientHello.
    Silent,
}

/// Whether a connection starts with TLS.
pub async fn hello(socket: &mut Socket, within: Duration) -> First {
    let deadline = Instant::now() + within;
    loop {
        match socket.buffered().first() {
            None => {}
            Some(&HANDSHAKE_RECORD) => match hello::read(socket.buffered()) {
                Hello::Complete(offered) => return First::Tls(offered),
                Hello::Broken => return First::Other,
                Hello::Partial => {}
            },
            Some(_) => return First::Other,
        }
        match timeout_at(deadline, socket.peek_more(LOOK)).await {
            Ok(Ok(0)) if socket.buffered().is_empty() => return First::Closed,
            Ok(Ok(0)) => return First::Other,
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return First::Closed,
            Err(_) => return First::Silent,
        }
    }
}

/// What the bytes read so far say is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This.
    Is(Payload),
    /// More bytes are needed.
    Unknown,
}

/// What the bytes read so far say is spoken.
#[must_use]
pub fn verdict(bytes: &[u8]) -> Verdict {
    match detect(bytes) {
        Detected::Http1 => Verdict::Is(Payload::Http1),
        Detected::Http2 => Verdict::Is(Payload::Http2),
        Detected::Tcp => Verdict::Is(Payload::Tcp),
        Detected::NeedMore if bytes.len() >= LOOK => Verdict::Is(Payload::Tcp),
        Detected::NeedMore => Verdict::Unknown,
    }
}

/// What is spoken on a connection; `None` when the time (zero: for ever) was up or the caller closed before it was
/// clear.
pub async fn payload(socket: &mut Socket, within: Duration) -> Option<Payload> {
    let deadline = (!within.is_zero()).then(|| Instant::now() + within);
    loop {
        if let Verdict::Is(payload) = verdict(socket.buffered()) {
            return Some(payload);
        }
        let more = socket.peek_more(LOOK);
        let read = match deadline {
            Some(deadline) => timeout_at(deadline, more).await.ok()?,
            None => more.await,
        };
        if read.ok()? == 0 {
            return None;
        }
    }
}

/// The names by which filter chains match what was detected (Envoy's `http_inspector`).
#[must_use]
pub fn protocol_names(payload: Payload) -> &'static [&'static str] {
    match payload {
        Payload::Http1 => &["http/1.1", "http/1.0"],
        Payload::Http2 => &["h2c"],
        Payload::Tcp => &[],
    }
}
