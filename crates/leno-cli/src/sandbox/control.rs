//! The socket by which other `leno` commands reach a running mesh: an abstract unix socket in the host's network
//! namespace, so that no file is left behind. Only the user that runs the mesh, and root, are let in; the front checks
//! that (inside, ids of other users cannot be told apart) and hands accepted connections through.

use std::io;

use tokio::net::UnixStream;

/// Where the connections of other `leno` commands arrive, inside.
#[derive(Debug)]
pub struct ControlListener {}

impl ControlListener {
    /// The next connection, of this user or root.
    ///
    /// # Errors
    /// When the front is gone.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        todo!()
    }
}

/// Connects to the running mesh of this name, of the calling user. Blocking, but at once.
///
/// # Errors
/// `ConnectionRefused` when no such mesh runs.
pub fn connect(mesh: &str) -> io::Result<std::os::unix::net::UnixStream> {
    todo!()
}
