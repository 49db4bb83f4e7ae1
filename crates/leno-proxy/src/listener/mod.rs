//! From an accepted connection to the thing that serves it.
//!
//! ```text
//! accept ─► bound:          PROXY header, peek as far as the listener asks ─► chain ─► handshake ─► network rules ─► http | tcp
//!        ─► original_dst ─► inbound:  peek (TLS? which ALPN?) ─► chain ─► handshake ─► network rules ─► http | tcp
//!                      └──► outbound: destination's listener ─► detect, if nothing is declared ───────► http | tcp
//! ```

pub mod accept;
mod bound;
pub mod caller;
pub mod destination;
pub mod guard;
pub mod inbound;
mod introduction;
pub mod original_dst;
pub mod outbound;
pub(crate) mod speak_first;

use std::{rc::Rc, sync::Arc};

use crate::{
    config::{FilterChain, Terminal},
    connection::{Connection, Payload},
    http,
    io::Io,
    tcp,
};

/// Serves a connection with the chain that was chosen for it, after its network rules.
async fn serve(connection: Rc<Connection>, chain: &FilterChain, io: Io, payload: Option<Payload>) {
    // Held for as long as the connection lives.
    let Some(_permits) = guard::admit(chain, &connection).await else { return };
    match &chain.terminal {
        Terminal::Http(manager) => Box::pin(http::serve(connection, Arc::clone(manager), io, payload)).await,
        Terminal::Tcp(proxy) => Box::pin(tcp::exchange::run(&connection, proxy, io, None)).await,
    }
}
