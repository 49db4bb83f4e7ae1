//! Names that are not the mesh's: the host's resolvers are asked, in the host's network.

use std::{io, net::SocketAddr, time::Duration};

use hickory_proto::op::Message;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::sandbox::Outside;

/// How long each resolver may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// No answer over UDP is longer (EDNS is passed through).
const LONGEST_DATAGRAM: usize = 4096;

/// How a question came, and so is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// In a datagram.
    Udp,
    /// Over a connection.
    Tcp,
}

/// The host's resolvers.
#[derive(Clone, Debug)]
pub(super) struct Forwarder {
    pub(super) outside: Outside,
    pub(super) servers: Vec<SocketAddr>,
}

impl Forwarder {
    /// The first answer that one of them gives, as it is.
    pub(super) async fn ask(&self, question: &[u8], carrier: Carrier) -> Option<Vec<u8>> {
        for server in &self.servers {
            match timeout(PATIENCE, self.ask_one(*server, question, carrier)).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(error)) => tracing::debug!(%server, %error, "resolver of the host"),
                Err(_) => tracing::debug!(%server, "resolver of the host does not answer"),
            }
        }
        None
    }

    /// The same, understood.
    pub(super) async fn ask_message(&self, question: &Message) -> Option<Message> {
        let question = question.to_vec().ok()?;
        let mut answer = Message::from_vec(&self.ask(&question, Carrier::Udp).await?).ok()?;
        if answer.metadata.truncation {
            answer = Message::from_vec(&self.ask(&question, Carrier::Tcp).await?).ok()?;
        }
        Some(answer)
    }

    async fn ask_one(
        &self,
        server: SocketAddr,
        question: &[u8],
        carrier: Carrier,
    ) -> io::Result<Vec<u8>> {
        match carrier {
            Carrier::Udp => self.ask_by_datagram(server, question).await,
            Carrier::Tcp => self.ask_by_connection(server, question).await,
        }
    }

    async fn ask_by_datagram(&self, server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
        let socket = self.outside.datagrams(server).await?;
        socket.send(question).await?;
        let mut answer = vec![0; LONGEST_DATAGRAM];
        loop {
            let length = socket.recv(&mut answer).await?;
            // Something else may come by: the number of the question must be the same.
            if length >= 12 && answer.get(..2) == question.get(..2) {
                answer.truncate(length);
                return Ok(answer);
            }
        }
    }

    async fn ask_by_connection(&self, server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = self.outside.connect(server).await?;
        stream.write_all(&framed(question)?).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }
}

/// A message with its length before it, as over TCP.
pub(super) fn framed(message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    Ok(bytes)
}
