//! One question to servers, over UDP, and over TCP where the answer does not fit ([RFC 1035], [RFC 7766]).
//!
//! [RFC 1035]: https://www.rfc-editor.org/rfc/rfc1035
//! [RFC 7766]: https://www.rfc-editor.org/rfc/rfc7766

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use rand::RngExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UdpSocket,
    time::timeout,
};

use super::{Resolved, Resolver};
use crate::dial;

/// The largest answer over UDP.
const DATAGRAM: usize = 4096;

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// A complete name.
    pub(super) name: &'a str,
    /// Which of its records.
    pub(super) kind: RecordType,
    /// The mark that keeps connections from being redirected.
    pub(super) mark: Option<u32>,
}

/// Asks one server after the other until one answers.
pub(super) async fn ask(resolver: &Resolver, servers: &[SocketAddr], asked: Asked<'_>) -> io::Result<Resolved> {
    let first = if resolver.rotate { rand::rng().random_range(0..servers.len().max(1)) } else { 0 };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "there is no DNS server to ask");
    for _ in 0..resolver.tries.max(1) {
        for server in servers.iter().cycle().skip(first).take(servers.len()) {
            let answer = timeout(resolver.timeout, one(resolver, *server, asked)).await;
            match answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(resolved) => return Ok(resolved),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

/// Asks one server.
async fn one(resolver: &Resolver, server: SocketAddr, asked: Asked<'_>) -> io::Result<Resolved> {
    let (question, id) = question(asked)?;
    if !resolver.tcp {
        let answer = over_udp(server, &question, id).await?;
        if !answer.metadata.truncation {
            return resolved(&answer, asked.kind);
        }
    }
    resolved(&over_tcp(server, &question, id, asked.mark).await?, asked.kind)
}

/// The question as it is sent, and its number, which nobody should be able to guess.
fn question(asked: Asked<'_>) -> io::Result<(Vec<u8>, u16)> {
    let name = Name::from_ascii(asked.name).map_err(io::Error::other)?;
    let id = rand::rng().random();
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, asked.kind));
    Ok((message.to_vec().map_err(io::Error::other)?, id))
}

async fn over_udp(server: SocketAddr, question: &[u8], id: u16) -> io::Result<Message> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    // What comes from elsewhere is dropped by the kernel.
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut bytes = [0; DATAGRAM];
    loop {
        let length = socket.recv(&mut bytes).await?;
        // A late answer to another question, or a forged one: the right one may still come.
        if let Ok(answer) = read(bytes.get(..length).unwrap_or_default(), id) {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8], id: u16, mark: Option<u32>) -> io::Result<Message> {
    let mut stream = dial::marked(mark, server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let mut bytes = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut bytes).await?;
    read(&bytes, id)
}

fn read(bytes: &[u8], id: u16) -> io::Result<Message> {
    let answer = Message::from_vec(bytes).map_err(io::Error::other)?;
    if answer.metadata.id != id || answer.metadata.message_type != MessageType::Response {
        return Err(io::Error::other("an answer to another question"));
    }
    Ok(answer)
}

/// The addresses in an answer. That there is no such name, or no such record, is an answer.
fn resolved(answer: &Message, kind: RecordType) -> io::Result<Resolved> {
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        code => return Err(io::Error::other(format!("the server says {code}"))),
    }
    let mut found = Resolved::default();
    for record in &answer.answers {
        let address = match &record.data {
            RData::A(address) if kind == RecordType::A => IpAddr::V4(address.0),
            RData::AAAA(address) if kind == RecordType::AAAA => IpAddr::V6(address.0),
            _ => continue,
        };
        if !found.addresses.contains(&address) {
            found.addresses.push(address);
        }
        let ttl = Duration::from_secs(record.ttl.into());
        found.ttl = Some(found.ttl.map_or(ttl, |known| known.min(ttl)));
    }
    Ok(found)
}
