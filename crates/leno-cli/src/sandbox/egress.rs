//! TCP from pods to the world outside: redirected here (see `kube_proxy`), and dialled anew in the host's network.
//! Works without root and without a network stack in user space.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use leno_runtime::{Drained, task::spawn};
use rustix::net::sockopt::ip_original_dst;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{
    GATEWAY, HOST, Outside,
    error::{Doing as _, SandboxError},
    relay::{relay, reset},
};

/// How many connections there are at most; more wait to be accepted.
const CONNECTIONS: usize = 4096;
/// How long a destination may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long to wait after the system refused to accept a connection (too many open files).
const PAUSE: Duration = Duration::from_millis(100);

/// Starts it; the port to redirect to.
pub(super) async fn start(outside: &Outside, drained: Drained) -> Result<u16, SandboxError> {
    let what = || "open the way outside".to_owned();
    let listener = TcpListener::bind((GATEWAY, 0)).await.doing(what)?;
    let port = listener.local_addr().doing(what)?.port();
    let way = Way { own: SocketAddrV4::new(GATEWAY, port), outside: outside.clone() };
    spawn(accept(listener, way, drained));
    Ok(port)
}

#[derive(Clone, Debug)]
struct Way {
    /// Where redirected connections arrive.
    own: SocketAddrV4,
    outside: Outside,
}

async fn accept(listener: TcpListener, way: Way, mut drained: Drained) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drained.wait() => return,
        };
        let Ok((client, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let (way, drained) = (way.clone(), drained.clone());
        spawn(async move {
            way.serve(client, drained).await;
            drop(place);
        });
    }
}

impl Way {
    async fn serve(&self, client: TcpStream, drained: Drained) {
        let Ok(Some(to)) = self.destination(&client) else {
            return reset(client);
        };
        match timeout(CONNECT, self.outside.connect(to)).await {
            Ok(Ok(server)) => relay(client, server, drained).await,
            Ok(Err(error)) => {
                tracing::debug!(%to, %error, "destination outside cannot be reached");
                reset(client);
            }
            Err(_) => {
                tracing::debug!(%to, "destination outside does not answer");
                reset(client);
            }
        }
    }

    /// Where the connection was going; `None` for what was not redirected, and for what would be the host's loopback
    /// by another road than [`HOST`] (which is redirected only when it is allowed).
    fn destination(&self, client: &TcpStream) -> io::Result<Option<SocketAddr>> {
        let SocketAddr::V4(to) = SocketAddr::from(ip_original_dst(client)?) else {
            return Ok(None);
        };
        if to == self.own || to.ip().is_loopback() || to.ip().is_unspecified() {
            return Ok(None);
        }
        let ip = if *to.ip() == HOST { Ipv4Addr::LOCALHOST } else { *to.ip() };
        Ok(Some(SocketAddr::from((ip, to.port()))))
    }
}
