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

    async fn ask_one(&self, server: SocketAddr, question: &[u8], carrier: Carrier) -> io::Result<Vec<u8>> {
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

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, UdpSocket},
        thread,
    };

    use hickory_proto::{
        op::{MessageType, OpCode, Query},
        rr::{Name, RData, Record, RecordType, rdata::A},
    };

    use super::*;
    use crate::sandbox::{channel::pair, outside};

    fn question() -> Message {
        let mut question = Message::new(9, MessageType::Query, OpCode::Query);
        question.add_query(Query::query(Name::from_ascii("example.com.").unwrap(), RecordType::A));
        question
    }

    fn answer(truncated: bool) -> Message {
        let mut answer = question();
        answer.metadata.message_type = MessageType::Response;
        answer.metadata.truncation = truncated;
        if !truncated {
            let data = RData::A(A([192, 0, 2, 7].into()));
            let name = Name::from_ascii("example.com.").unwrap();
            answer.add_answer(Record::from_rdata(name, 60, data));
        }
        answer
    }

    /// Answers one question over UDP, and one over TCP when the first answer is cut.
    fn resolver(truncated: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(address).unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 512];
            let (_, from) = socket.recv_from(&mut bytes).unwrap();
            // Something else comes first, which must not be taken for the answer.
            socket.send_to(&[0xff; 20], from).unwrap();
            let bytes = answer(truncated).to_vec().unwrap();
            socket.send_to(&bytes, from).unwrap();
            if truncated {
                let (mut stream, _) = listener.accept().unwrap();
                stream.read_exact(&mut [0; 31]).unwrap();
                let bytes = framed(&answer(false).to_vec().unwrap()).unwrap();
                stream.write_all(&bytes).unwrap();
            }
        });
        address
    }

    fn forwarder(servers: Vec<SocketAddr>) -> Forwarder {
        let (front, inside) = pair().unwrap();
        thread::spawn(move || outside::serve(&front));
        Forwarder { outside: Outside::new(inside), servers }
    }

    #[tokio::test]
    async fn the_next_resolver_is_asked_when_one_is_not_there() {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let forwarder = forwarder(vec![gone, resolver(false)]);
        let found = forwarder.ask_message(&question()).await.unwrap();
        assert_eq!(found.answers.len(), 1);
    }

    #[tokio::test]
    async fn a_cut_answer_is_asked_for_again_by_tcp() {
        let found = forwarder(vec![resolver(true)]).ask_message(&question()).await.unwrap();
        assert_eq!(found.answers.len(), 1);
    }

    #[tokio::test]
    async fn nobody_there_is_no_answer() {
        assert!(forwarder(vec![]).ask(b"x", Carrier::Udp).await.is_none());
    }
}
