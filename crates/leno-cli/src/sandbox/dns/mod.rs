//! Names: the mesh's own answered with authority, others asked of the host's resolvers.

mod answer;
mod forward;
mod zone;

#[cfg(test)]
mod tests;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::A},
};
use leno_runtime::{Drained, task::spawn};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    time::{sleep, timeout},
};

use answer::{Outcome, Responder};
use forward::{Carrier, Forwarder};
use zone::Zone;

use super::{
    Outside, Service,
    error::{Doing as _, SandboxError},
};

/// How many questions to others may be open; more wait.
const FORWARDED: usize = 256;
/// How many connections there may be; more wait to be accepted.
const CONNECTIONS: usize = 128;
/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(10);
/// How long to wait after the system refused something.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest question taken over UDP.
const LONGEST_QUESTION: usize = 4096;

/// The DNS server. Ends with the sandbox.
#[derive(Debug)]
pub(super) struct Dns {
    server: Arc<Server>,
    host_loopback: bool,
}

#[derive(Debug)]
struct Server {
    zone: RwLock<Arc<Zone>>,
    responder: Responder,
    /// `None`: nobody is asked about other names.
    forwarder: Option<Forwarder>,
    forwarded: Semaphore,
}

impl Dns {
    /// Starts to answer, without any service yet.
    pub(super) async fn start(
        outside: Option<&Outside>,
        host_loopback: bool,
        drained: Drained,
    ) -> Result<Self, SandboxError> {
        let forwarder = outside.map(|outside| Forwarder {
            outside: outside.clone(),
            servers: zone::upstreams(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
        });
        let server = Arc::new(Server {
            zone: RwLock::new(Arc::new(Zone::new(&[], host_loopback))),
            responder: Responder::default(),
            forwarder,
            forwarded: Semaphore::new(FORWARDED),
        });
        let what = || "open the DNS server".to_owned();
        let socket = UdpSocket::bind(answer::ADDRESS).await.doing(what)?;
        let listener = TcpListener::bind(answer::ADDRESS).await.doing(what)?;
        spawn(datagrams(Arc::clone(&server), socket, drained.clone()));
        spawn(connections(Arc::clone(&server), listener, drained));
        Ok(Self { server, host_loopback })
    }

    /// From now on these are the names.
    pub(super) fn set(&self, services: &[Service]) {
        let zone = Arc::new(Zone::new(services, self.host_loopback));
        *self.server.zone.write().unwrap_or_else(PoisonError::into_inner) = zone;
    }

    /// The addresses of a whole name, as whoever asks the server gets them; none when there are none.
    pub(super) async fn resolve(&self, name: &str) -> Vec<Ipv4Addr> {
        let Ok(name) = Name::from_ascii(format!("{name}.")) else { return Vec::new() };
        let mut request = Message::new(1, MessageType::Query, OpCode::Query);
        request.metadata.recursion_desired = true;
        request.add_query(Query::query(name, RecordType::A));
        let answer = match self.server.respond(&request) {
            Outcome::Answer(answer) => Some(answer),
            Outcome::Ask { name, so_far } => {
                let bytes = request.to_vec().unwrap_or_default();
                let answer = self.server.forward(&request, &bytes, Carrier::Udp, Asked { name, so_far }).await;
                answer.and_then(|answer| Message::from_vec(&answer).ok())
            }
        };
        let address = |record: &Record| match record.data {
            RData::A(A(address)) => Some(address),
            _ => None,
        };
        answer.iter().flat_map(|answer| &answer.answers).filter_map(address).collect()
    }
}

impl Server {
    /// What is known at once; else what has to be asked of others.
    fn respond(&self, request: &Message) -> Outcome {
        let zone = Arc::clone(&self.zone.read().unwrap_or_else(PoisonError::into_inner));
        self.responder.respond(&zone, request)
    }

    /// The answer of others, as it is; `None` when the question came by alias, and is then asked for its sake alone.
    async fn forward(&self, request: &Message, bytes: &[u8], carrier: Carrier, asked: Asked) -> Option<Vec<u8>> {
        let failed = || {
            let mut response = answer::reply(request);
            response.metadata.response_code = ResponseCode::ServFail;
            response.to_vec().ok()
        };
        let Some(forwarder) = &self.forwarder else {
            return failed();
        };
        let Ok(_place) = self.forwarded.acquire().await else {
            return failed();
        };
        let Asked { name, mut so_far } = asked;
        if so_far.answers.is_empty() {
            return forwarder.ask(bytes, carrier).await.or_else(failed);
        }
        let Some(found) = forwarder.ask_message(&answer::question(request, name)).await else {
            return failed();
        };
        so_far.metadata.response_code = found.metadata.response_code;
        so_far.add_answers(found.answers);
        match carrier {
            Carrier::Udp => answer::datagram(request, &so_far),
            Carrier::Tcp => so_far.to_vec().ok(),
        }
    }
}

/// A name to ask others about, and the answer up to there.
struct Asked {
    name: Name,
    so_far: Message,
}

async fn datagrams(server: Arc<Server>, socket: UdpSocket, mut drained: Drained) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; LONGEST_QUESTION];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = drained.wait() => return,
        };
        // Errors are those of earlier answers that could not be delivered.
        let Ok((length, from)) = received else {
            continue;
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        let Ok(request) = Message::from_vec(bytes) else {
            continue;
        };
        match server.respond(&request) {
            Outcome::Answer(response) => {
                send(&socket, answer::datagram(&request, &response), from).await;
            }
            Outcome::Ask { name, so_far } => {
                let (server, socket) = (Arc::clone(&server), Arc::clone(&socket));
                let bytes = bytes.to_vec();
                spawn(async move {
                    let asked = Asked { name, so_far };
                    let answer = server.forward(&request, &bytes, Carrier::Udp, asked);
                    send(&socket, answer.await, from).await;
                });
            }
        }
    }
}

async fn send(socket: &UdpSocket, answer: Option<Vec<u8>>, to: SocketAddr) {
    if let Some(answer) = answer {
        // Who asked may be gone.
        socket.send_to(&answer, to).await.ok();
    }
}

async fn connections(server: Arc<Server>, listener: TcpListener, mut drained: Drained) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drained.wait() => return,
        };
        let Ok((stream, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let (server, mut drained) = (Arc::clone(&server), drained.clone());
        spawn(async move {
            tokio::select! {
                // What ends a connection is of no interest here.
                _ = connection(&server, stream) => {}
                () = drained.wait() => {}
            }
            drop(place);
        });
    }
}

/// Questions one after the other.
async fn connection(server: &Server, mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let length = timeout(IDLE, stream.read_u16()).await??;
        let mut bytes = vec![0; usize::from(length)];
        timeout(IDLE, stream.read_exact(&mut bytes)).await??;
        let Ok(request) = Message::from_vec(&bytes) else {
            return Ok(());
        };
        let answer = match server.respond(&request) {
            Outcome::Answer(response) => response.to_vec().ok(),
            Outcome::Ask { name, so_far } => {
                let asked = Asked { name, so_far };
                server.forward(&request, &bytes, Carrier::Tcp, asked).await
            }
        };
        let Some(answer) = answer else {
            return Ok(());
        };
        timeout(IDLE, stream.write_all(&forward::framed(&answer)?)).await??;
    }
}
