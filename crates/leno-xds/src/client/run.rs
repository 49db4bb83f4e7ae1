//! Keeps the stream.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use leno_proto::{
    google::rpc,
    v3::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming, client::Grpc, metadata::MetadataMap, transport::Endpoint};
use tracing::{debug, info, warn};

use super::{
    ClientState, Config, Connection, Handle, Handler, Pace, Refused, Update,
    handle::Command,
    wanted::Wanted,
    wire::{Raw, Wire},
};
use crate::{Resource, ResourceType};

/// How many commands may wait; more make their senders wait.
const COMMANDS: usize = 1_024;
/// How many requests may wait for the transport.
const REQUESTS: usize = 16;
/// How many answers may wait for their acknowledgement to be sent; more are not read.
const ACKNOWLEDGEMENTS: usize = 64;
/// How long connecting and opening the stream may take.
const CONNECT: Duration = Duration::from_secs(10);
/// A stream that lasted this long was a good one, even if there was nothing to say.
const GOOD: Duration = Duration::from_secs(5);
/// How large one answer may be.
const ANSWER_BYTES: usize = 64 << 20;

/// Sets what a connection to a control plane should have: no delay, a bound on connecting, and keepalives that notice
/// a silent peer within 40 seconds, also while nothing is said.
#[must_use]
pub fn tune(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
}

/// A client and the handle to it. It does nothing until [`Client::run`] is awaited.
#[must_use]
pub fn client<H: Handler>(config: Config, handler: H) -> (Handle, Client<H>) {
    let (commands_in, commands) = mpsc::channel(COMMANDS);
    let (state, state_out) = watch::channel(ClientState::default());
    let mut wanted = Wanted::default();
    for (resource_type, name, version) in &config.held {
        wanted.hold(*resource_type, name.clone(), version);
    }
    let wire = Wire::new(config.manner.protocol);
    (Handle { commands: commands_in, state: state_out }, Client { config, handler, wanted, wire, commands, state })
}

/// A client; see [`client`].
#[derive(Debug)]
pub struct Client<H> {
    config: Config,
    handler: H,
    wanted: Wanted,
    wire: Wire,
    commands: mpsc::Receiver<Command>,
    state: watch::Sender<ClientState>,
}

/// Why a stream ended.
enum End {
    /// Every handle was dropped.
    Unused,
    /// A new one is wanted at once.
    Reconnect,
    /// It could not be opened, or broke.
    Lost(Status),
}

/// An open stream.
struct Stream {
    requests: mpsc::Sender<Bytes>,
    answers: Streaming<Bytes>,
    /// Said next, before anything is asked.
    acknowledgements: VecDeque<DeltaDiscoveryRequest>,
    /// When it was opened.
    since: Instant,
}

impl<H: Handler> Client<H> {
    /// Runs until every [`Handle`] is dropped.
    pub async fn run(mut self) {
        loop {
            self.set_connection(Connection::Connecting);
            let end = match self.open().await {
                Ok(stream) => {
                    let since = stream.since;
                    let end = self.serve(stream).await;
                    if since.elapsed() >= GOOD {
                        self.config.backoff.reset();
                    }
                    end
                }
                Err(end) => end,
            };
            let status = match end {
                End::Unused => return,
                End::Reconnect => continue,
                End::Lost(status) => status,
            };
            let error = describe(&status);
            let wait = self.config.backoff.next(rand::random());
            warn!(error, retry_in_ms = wait.as_millis(), "no discovery stream");
            self.set_connection(Connection::Disconnected { since: SystemTime::now(), error });
            if !self.pause(wait).await {
                return;
            }
        }
    }

    /// Waits, listening to commands; `false` when every handle was dropped.
    async fn pause(&mut self, wait: Duration) -> bool {
        let timer = sleep(wait);
        tokio::pin!(timer);
        loop {
            tokio::select! {
                () = &mut timer => return true,
                command = self.commands.recv() => match command.map(|command| command_into(&mut self.wanted, command)) {
                    None => return false,
                    Some(true) => return true,
                    Some(false) => {}
                },
            }
        }
    }

    async fn open(&mut self) -> Result<Stream, End> {
        self.wanted.restart();
        self.wire.restart();
        // The first request says who we are. There is no stream without one: the server would wait in vain.
        let Some(first) = self.wanted.request() else {
            return Err(self.wait_for_names().await);
        };
        let first = self.wire.request(first, Some(self.config.node.clone()), &self.wanted);
        let (requests, outbound) = mpsc::channel(REQUESTS);
        let full = |_| End::Lost(Status::internal("the request queue is full"));
        requests.try_send(first).map_err(full)?;
        let opening = timeout(CONNECT, open(&self.config, ReceiverStream::new(outbound)));
        tokio::pin!(opening);
        let answers = loop {
            tokio::select! {
                opened = &mut opening => break opened,
                command = self.commands.recv() => match command {
                    None => return Err(End::Unused),
                    Some(command) => drop(command_into(&mut self.wanted, command)),
                },
            }
        };
        let answers = answers
            .map_err(|_| End::Lost(Status::deadline_exceeded("the server did not answer in time")))?
            .map_err(End::Lost)?;
        self.state.send_modify(|state| {
            state.streams += 1;
            state.connection = Connection::Connected { since: SystemTime::now() };
        });
        info!("discovery stream open");
        Ok(Stream { requests, answers, acknowledgements: VecDeque::new(), since: Instant::now() })
    }

    /// Nothing is wanted yet, and a stream without names would be asked for everything.
    async fn wait_for_names(&mut self) -> End {
        while !self.wanted.has_request() {
            match self.commands.recv().await {
                None => return End::Unused,
                Some(command) => drop(command_into(&mut self.wanted, command)),
            }
        }
        End::Reconnect
    }

    async fn serve(&mut self, mut stream: Stream) -> End {
        loop {
            let Self { config, wanted, wire, commands, .. } = self;
            let to_say = !stream.acknowledgements.is_empty() || wanted.has_request();
            let wait = config.manner.pace.as_mut().filter(|_| to_say).and_then(|pace| pace.wait(Instant::now()));
            let late = config.manner.patience.zip(wanted.unanswered()).map(|(patience, since)| since + patience);
            tokio::select! {
                () = sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => {
                    info!("what was asked for again was not answered: a new stream is opened");
                    return End::Reconnect;
                }
                permit = stream.requests.reserve(), if to_say && wait.is_none() => match permit {
                    Ok(permit) => {
                        if let Some(ask) = stream.acknowledgements.pop_front().or_else(|| wanted.request()) {
                            let node = config.manner.node_always.then(|| config.node.clone());
                            permit.send(wire.request(ask, node, wanted));
                            config.manner.pace.iter_mut().for_each(Pace::sent);
                        }
                    }
                    Err(_) => return End::Lost(Status::unavailable("the stream has ended")),
                },
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => {}
                command = commands.recv() => match command.map(|command| command_into(wanted, command)) {
                    None => return End::Unused,
                    Some(true) => return End::Reconnect,
                    Some(false) => {}
                },
                answer = stream.answers.message(), if stream.acknowledgements.len() < ACKNOWLEDGEMENTS => match answer {
                    Ok(Some(bytes)) => {
                        config.backoff.reset();
                        let answer = match wire.answer(bytes, wanted) {
                            Ok(answer) => answer,
                            Err(status) => return End::Lost(status),
                        };
                        let acknowledgement = self.take(answer);
                        stream.acknowledgements.push_back(acknowledgement);
                    }
                    Ok(None) => return End::Lost(Status::unavailable("the server ended the stream")),
                    Err(status) => return End::Lost(status),
                },
            }
        }
    }

    /// Applies an answer and makes its acknowledgement.
    fn take(&mut self, answer: DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
        let mut reply = DeltaDiscoveryRequest {
            type_url: answer.type_url.clone(),
            response_nonce: answer.nonce.clone(),
            ..Default::default()
        };
        let result = match ResourceType::from_url(&answer.type_url) {
            Some(resource_type) => self.apply(resource_type, answer),
            None => Err(format!("type {:?} was not asked for", answer.type_url)),
        };
        self.state.send_modify(|state| {
            state.last_update = Some(SystemTime::now());
            match &result {
                Ok(()) => state.acknowledged += 1,
                Err(message) => {
                    state.refused += 1;
                    state.last_refusal = Some(message.clone());
                }
            }
        });
        if let Err(message) = result {
            warn!(message, "refused an update");
            reply.error_detail =
                Some(rpc::Status { code: i32::from(Code::InvalidArgument), message, details: Vec::new() });
        }
        reply
    }

    fn apply(&mut self, resource_type: ResourceType, answer: DeltaDiscoveryResponse) -> Result<(), String> {
        let (update, mut refused) = read(resource_type, answer);
        let update = self.wanted.relevant(update);
        debug!(%resource_type, resources = update.resources.len(), removed = update.removed.len(), "an update came");
        let held = update.resources.iter().map(|r| (Arc::clone(&r.name), Some(Arc::clone(&r.version))));
        let changes: Vec<_> = held.chain(update.removed.iter().map(|name| (Arc::clone(name), None))).collect();
        if !changes.is_empty()
            && let Err(more) = self.handler.apply(update)
        {
            refused.resources.extend(more.resources);
        }
        if refused.resources.is_empty() {
            self.wanted.applied(resource_type, changes, None);
            return Ok(());
        }
        self.wanted.applied(resource_type, changes, Some(&refused));
        Err(refused.to_string())
    }

    fn set_connection(&self, connection: Connection) {
        self.state.send_modify(|state| state.connection = connection);
    }
}

/// Connects and opens a stream.
fn open(
    config: &Config,
    requests: ReceiverStream<Bytes>,
) -> impl Future<Output = Result<Streaming<Bytes>, Status>> + use<> {
    let connector = Arc::clone(&config.connector);
    let method = config.manner.service.method(config.manner.protocol);
    let metadata: MetadataMap = config.manner.metadata.clone();
    async move {
        let channel = connector().await.map_err(|error| Status::unavailable(chain(&*error)))?;
        let mut client = Grpc::new(channel).max_decoding_message_size(ANSWER_BYTES);
        client.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
        let mut request = Request::new(requests);
        *request.metadata_mut() = metadata;
        Ok(client.streaming(request, method, Raw).await?.into_inner())
    }
}

/// Takes a command in; whether a new stream is wanted.
fn command_into(wanted: &mut Wanted, command: Command) -> bool {
    match command {
        Command::Subscribe(resource_type, names) => wanted.subscribe(resource_type, names),
        Command::Unsubscribe(resource_type, names) => wanted.unsubscribe(resource_type, names),
        Command::Reconnect => return true,
    }
    false
}

/// An answer as an update, and what of it has no contents.
fn read(resource_type: ResourceType, answer: DeltaDiscoveryResponse) -> (Update, Refused) {
    let mut refused = Refused::default();
    let mut resources = Vec::with_capacity(answer.resources.len());
    for resource in answer.resources {
        let name: Arc<str> = resource.name.into();
        match resource.resource {
            Some(body) if body.type_url == resource_type.url() => {
                resources.push(Resource { name, version: resource.version.into(), body: Arc::new(body) });
            }
            Some(body) => refused.resources.push((name, format!("it is of type {:?}", body.type_url))),
            None => refused.resources.push((name, "it has no contents".to_owned())),
        }
    }
    let removed = answer.removed_resources.into_iter().map(Arc::from).collect();
    (Update { resource_type, version: answer.system_version_info, resources, removed }, refused)
}

fn describe(status: &Status) -> String {
    let message = status.message();
    if message.is_empty() { format!("{}", status.code()) } else { format!("{}: {message}", status.code()) }
}

/// An error with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
