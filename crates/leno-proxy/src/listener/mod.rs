//! From an accepted connection to the thing that serves it.
//!
//! ```text
//! accept ─► bound:          peek as far as the listener asks ─► chain ─► handshake ─► network rules ─► http | tcp
//!        ─► original_dst ─► inbound:  peek (TLS? which ALPN?) ─► chain ─► handshake ─► network rules ─► http | tcp
//!                      └──► outbound: destination's listener ─► detect, if nothing is declared ───────► http | tcp
//! ```

pub mod accept;
mod bound;
pub mod caller;
pub mod destination;
pub mod guard;
pub mod inbound;
pub mod original_dst;
pub mod outbound;
pub(crate) mod speak_first;

use std::{rc::Rc, sync::Arc};

use crate::{
    config::{FilterChain, Terminal},
    connection::{Callee, Connection, Payload},
    error::ErrorKind,
    http,
    io::Io,
    tcp,
    telemetry::event::{Denied, Protocol},
};

/// Serves a connection with the chain that was chosen for it, after its network rules.
async fn serve(connection: Rc<Connection>, chain: &FilterChain, io: Io, payload: Option<Payload>) {
    if let Some(rbac) = &chain.rbac
        && let Err(detail) = guard::admit(rbac, &connection)
    {
        let callee = match &chain.terminal {
            Terminal::Http(manager) => Callee::of(&connection, &manager.stat_prefix),
            Terminal::Tcp(proxy) => Callee::of(&connection, &proxy.stat_prefix),
        };
        Denied {
            connection: &connection,
            callee: &callee,
            reason: ErrorKind::AccessDenied,
            detail: &detail,
            protocol: Protocol::Tcp,
            request: None,
            enforced: true,
        }
        .emit();
        return;
    }
    match &chain.terminal {
        Terminal::Http(manager) => Box::pin(http::serve(connection, Arc::clone(manager), io, payload)).await,
        Terminal::Tcp(proxy) => tcp::exchange::run(&connection, proxy, io, None).await,
    }
}
