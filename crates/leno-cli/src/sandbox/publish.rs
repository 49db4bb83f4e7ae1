//! Ports of the host that lead into the mesh.

use std::net::SocketAddr;

/// An open port of the host. Dropping it closes the port; connections that it made stay until they end.
#[derive(Debug)]
pub struct Published {}

impl Published {
    /// Where it listens on the host, with the real port.
    pub fn address(&self) -> SocketAddr {
        todo!()
    }
}
