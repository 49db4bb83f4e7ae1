//! HTTP: one page for the life of a request is `exchange.rs`.

use std::{rc::Rc, sync::Arc};

use crate::{
    config::HttpConnectionManager,
    connection::{Connection, Payload},
    io::Io,
};

/// Serves a connection until it is closed. `payload` is what ALPN or the first bytes said it is, when they did.
pub async fn serve(
    connection: Rc<Connection>,
    manager: Arc<HttpConnectionManager>,
    io: Io,
    payload: Option<Payload>,
) {
    drop((connection, manager, io, payload));
}
