//! Connections with mutual TLS straight to the inbound hop, as a sidecar makes them.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, TcpStream},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use leno_model::{SpiffeId, TrustDomain};
use leno_tls::{Identity, PrivateKey, Svid, TrustBundle};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};

use super::Outcome;
use crate::{certificate::SERVER, config::INBOUND};

/// Clients at the same time.
const CLIENTS: usize = 4;

/// A connection with TLS.
pub(super) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Whether handshakes go on with an earlier session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sessions {
    /// Each proves both identities anew.
    Full,
    /// All but the first of each client are resumed.
    Resumed,
}

/// Who connects.
#[derive(Debug)]
pub(super) struct Client {
    identity: Identity,
    server: SpiffeId,
    alpn: String,
}

impl Client {
    /// The outbound hop's identity. `alpn` names HTTP/1.1 as the inbound hop knows it.
    pub(super) fn new(folder: &Path, alpn: &str) -> anyhow::Result<Self> {
        let read = |name: &str| fs::read_to_string(folder.join(name)).with_context(|| format!("cannot read {name}"));
        let key = PrivateKey::from_pem(&read("client.key")?)?;
        let svid = Svid::new(&key, &read("client.pem")?)?;
        let bundle = TrustBundle::from_pem(TrustDomain::new("cluster.local")?, &read("root.pem")?)?;
        let identity = Identity::new(svid, bundle)?;
        Ok(Self { identity, server: SERVER.parse()?, alpn: alpn.to_owned() })
    }

    /// A configuration without a session to go on with.
    pub(super) fn config(&self) -> anyhow::Result<Arc<ClientConfig>> {
        Ok(self.identity.client_config(std::slice::from_ref(&self.server), &self.alpn)?)
    }
}

/// A new connection.
pub(super) fn connect(config: &Arc<ClientConfig>) -> anyhow::Result<Stream> {
    let stream = TcpStream::connect(("127.0.0.1", INBOUND))?;
    stream.set_nodelay(true)?;
    let name = IpAddr::V4(Ipv4Addr::LOCALHOST).into();
    Ok(StreamOwned::new(ClientConnection::new(Arc::clone(config), name)?, stream))
}

/// New connections with one request each, for so many seconds.
pub(super) fn run(folder: &Path, alpn: &str, sessions: Sessions, seconds: u64) -> anyhow::Result<Outcome> {
    let client = Client::new(folder, alpn)?;
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let counts: anyhow::Result<Vec<usize>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| one(&client, sessions, end))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a client broke"))?).collect()
    });
    #[expect(clippy::cast_precision_loss, reason = "connections are few")]
    let units = counts?.into_iter().sum::<usize>() as f64;
    Ok(Outcome { units, rate: units / start.elapsed().as_secs_f64(), ..Outcome::default() })
}

/// One client: how many connections it made.
fn one(client: &Client, sessions: Sessions, end: Instant) -> anyhow::Result<usize> {
    let kept = client.config()?;
    let mut count = 0;
    while Instant::now() < end {
        let fresh = match sessions {
            Sessions::Full => client.config()?,
            Sessions::Resumed => Arc::clone(&kept),
        };
        let mut stream = connect(&fresh)?;
        stream.write_all(b"GET /1k HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).context("the answer broke off")?;
        anyhow::ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        let resumed = stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
        anyhow::ensure!(
            resumed == (sessions == Sessions::Resumed && count > 0),
            "connection {count} of {sessions:?}: resumed is {resumed}"
        );
        count += 1;
    }
    Ok(count)
}
