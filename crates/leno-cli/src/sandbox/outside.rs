//! The host's network, from inside: the front makes sockets there on request and passes them through a socket pair.
//! A socket stays in the network namespace that it was made in, so what is inside can then connect it as it likes.

use std::io;

use tokio::net::TcpStream;

/// The way to the host's network. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outside {}

impl Outside {
    /// Connects to an address in the host's network. The caller sets a deadline.
    ///
    /// # Errors
    /// Those of `connect(2)`; `BrokenPipe` when the front is gone.
    pub async fn connect(&self, to: std::net::SocketAddr) -> io::Result<TcpStream> {
        todo!()
    }
}
