//! HTTP: what happens to a request, in this order.
//!
//! ```text
//! h1::server / h2::server   a head arrives
//!        decide             route ─► filters (access, limits, faults…) ─► cluster   (decisions are leno_engine's)
//!        upstream           endpoint ─► pooled or new connection                    (another one when it fails safely)
//! h1::exchange / h2::exchange   both directions at once, until the answer is complete
//!        telemetry          counted and logged
//! ```
//!
//! The upstream is spoken to as its cluster says. Where both sides speak HTTP/1.1, `h1::exchange` passes bytes on as they are
//! framed; everything else has the form of HTTP/2 in between (`h2::exchange`).

mod access_log;
mod current;
mod decide;
mod explain;
mod filter;
mod forwarded;
mod h1;
mod h2;
mod header;
mod held;
mod judged;
pub(crate) mod limit;
mod local_reply;
mod mirror;
mod reply;
mod retry;
mod selected;
mod session;
mod view;

use std::{rc::Rc, sync::Arc, time::Duration};

pub(crate) use self::explain::explain;
use tokio::time::timeout;

use self::current::Current;
use crate::{
    config::{Codec, HttpConnectionManager},
    connection::{Connection, Payload},
    detect::{self, Verdict},
    io::Io,
};

/// How long a connection that says nothing is looked at before it is taken for HTTP/1.
const LOOK: Duration = Duration::from_secs(10);

/// How much is read of it at a time.
const LOOK_BYTES: usize = 4096;

/// Serves a connection until it is closed. `payload` is what ALPN or the first bytes said it is, when they did.
pub async fn serve(connection: Rc<Connection>, manager: Arc<HttpConnectionManager>, io: Io, payload: Option<Payload>) {
    let payload = match (manager.codec, payload) {
        (Codec::Http1, _) | (Codec::Auto, Some(Payload::Http1)) => Payload::Http1,
        (Codec::Http2, _) | (Codec::Auto, Some(Payload::Http2)) => Payload::Http2,
        (Codec::Auto, Some(Payload::Tcp) | None) => return look(connection, manager, io).await,
    };
    dispatch(connection, manager, io, payload, Vec::new()).await;
}

/// Finds out by the first bytes, which are handed on.
async fn look(connection: Rc<Connection>, manager: Arc<HttpConnectionManager>, mut io: Io) {
    use tokio::io::AsyncReadExt as _;
    let mut first = Vec::new();
    let looking = async {
        loop {
            match detect::verdict(&first) {
                Verdict::Is(payload) => return Some(payload),
                Verdict::Unknown => {}
            }
            first.reserve(LOOK_BYTES);
            match io.read_buf(&mut first).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    };
    let payload = timeout(LOOK, looking).await.ok().flatten();
    match payload {
        Some(Payload::Http2) => dispatch(connection, manager, io, Payload::Http2, first).await,
        // What is no HTTP at all is answered as a broken HTTP/1 request.
        Some(Payload::Http1 | Payload::Tcp) => dispatch(connection, manager, io, Payload::Http1, first).await,
        None => {}
    }
}

async fn dispatch(
    connection: Rc<Connection>,
    manager: Arc<HttpConnectionManager>,
    io: Io,
    payload: Payload,
    first: Vec<u8>,
) {
    let current = Current::new(Rc::clone(&connection), manager, payload);
    match payload {
        // Boxed: their states are large, and a connection needs room for one of them at most.
        Payload::Http2 => Box::pin(h2::server::run(connection, current, io, first)).await,
        Payload::Http1 | Payload::Tcp => Box::pin(h1::server::run(connection, current, io, first)).await,
    }
}
