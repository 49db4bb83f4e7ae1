//! Connections that have asked once and then wait.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};

use anyhow::Context as _;

use super::{
    open_loop::is_complete,
    tls::{self, Client},
};

/// How many.
pub(crate) const CONNECTIONS: usize = 1000;

/// A connection that is held open.
#[expect(dead_code, reason = "it is only kept")]
pub(crate) enum Held {
    Plain(TcpStream),
    Tls(Box<tls::Stream>),
}

/// Opens connections without TLS to the outbound hop, one after the other.
pub(super) fn plain(port: u16, count: usize) -> anyhow::Result<Vec<Held>> {
    let one = |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        ask(&mut stream)?;
        Ok(Held::Plain(stream))
    };
    (0..count).map(one).collect()
}

/// Opens connections with mutual TLS to the inbound hop, one after the other.
pub(super) fn mutual_tls(folder: &Path, alpn: &str, count: usize) -> anyhow::Result<Vec<Held>> {
    let config = Client::new(folder, alpn)?.config()?;
    let one = |_| {
        let mut stream = tls::connect(&config)?;
        ask(&mut stream)?;
        Ok(Held::Tls(Box::new(stream)))
    };
    (0..count).map(one).collect()
}

/// One request and its answer.
fn ask(stream: &mut (impl Read + Write)) -> anyhow::Result<()> {
    stream.write_all(b"GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !is_complete(&answer)? {
        let count = stream.read(&mut piece).context("the answer broke off")?;
        anyhow::ensure!(count > 0, "the connection was closed");
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    Ok(())
}
