//! The connection manager in force: a kept connection is judged by the policy of the moment, not by that of its opening.

use std::{rc::Rc, sync::Arc};

use crate::{
    config::{HttpConnectionManager, Listener, Met, Terminal, TransportProtocol},
    connection::{Connection, Direction, Payload},
    detect,
};

/// The connection manager of a connection, looked up again when the listener has changed.
pub(super) struct Current {
    connection: Rc<Connection>,
    payload: Payload,
    /// The listener that `manager` is of; `None` until the first request.
    listener: Option<Arc<Listener>>,
    manager: Arc<HttpConnectionManager>,
}

impl Current {
    /// Of a connection that was opened with this one.
    pub(super) fn new(connection: Rc<Connection>, manager: Arc<HttpConnectionManager>, payload: Payload) -> Self {
        Self { connection, payload, listener: None, manager }
    }

    /// The one for the next request; `None` when the connection would not be served any more.
    pub(super) fn manager(&mut self) -> Option<&Arc<HttpConnectionManager>> {
        match self.connection.direction {
            // Routes and clusters of the way out are read anew for every request as it is.
            Direction::Outbound => return Some(&self.manager),
            Direction::Inbound => {}
        }
        let now = self.connection.worker.shared.config.inbound().peek();
        let same = match (&*now, &self.listener) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            // While there is no listener the last one goes on.
            (None, _) => true,
            (Some(_), None) => false,
        };
        if !same && let Some(listener) = &*now {
            let alpn = [self.payload.alpn()];
            let (transport, protocols) = match self.connection.mtls {
                true => (TransportProtocol::Tls, &alpn[..]),
                false => (TransportProtocol::Raw, detect::protocol_names(self.payload)),
            };
            let met = Met {
                destination: self.connection.original_destination,
                source: self.connection.peer,
                direct_source: self.connection.direct_peer,
                transport,
                server_name: &self.connection.server_name,
                protocols,
            };
            match &listener.choose(&met)?.terminal {
                Terminal::Http(manager) => self.manager = Arc::clone(manager),
                Terminal::Tcp(_) => return None,
            }
            self.listener = Some(Arc::clone(listener));
        }
        Some(&self.manager)
    }
}
