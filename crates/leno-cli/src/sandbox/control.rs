//! The socket by which other `leno` commands reach a running mesh: an abstract unix socket in the host's network
//! namespace, so that no file is left behind. Only the user that runs the mesh, and root, are let in; the front checks
//! that (inside, ids of other users cannot be told apart) and hands accepted connections through.

use std::{
    io,
    os::{
        fd::AsFd as _,
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    sync::Arc,
};

use rustix::{net::sockopt::socket_peercred, process::geteuid};

use super::channel::{AsyncChannel, Channel};

/// Where the connections of other `leno` commands arrive, inside. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlListener {
    channel: Arc<AsyncChannel>,
}

impl ControlListener {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel: Arc::new(AsyncChannel::new(channel)) }
    }

    /// The next connection, of this user or root.
    ///
    /// # Errors
    /// When the front is gone.
    pub async fn accept(&self) -> io::Result<tokio::net::UnixStream> {
        loop {
            if let Some(fd) = self.channel.receive().await?.fd {
                let stream = UnixStream::from(fd);
                stream.set_nonblocking(true)?;
                return tokio::net::UnixStream::from_std(stream);
            }
        }
    }
}

/// Connects to the running mesh of this name, of the calling user. Blocking, but at once.
///
/// # Errors
/// `ConnectionRefused` when no such mesh runs.
pub fn connect(mesh: &str) -> io::Result<UnixStream> {
    UnixStream::connect_addr(&address(mesh)?)
}

/// Claims the mesh's name.
pub(super) fn listen(mesh: &str) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&address(mesh)?)
}

/// The front's part: accepts, checks, hands through, until the inside is gone.
pub(super) fn serve(listener: &UnixListener, inside: &Channel) {
    let owner = geteuid();
    while let Ok((stream, _)) = listener.accept() {
        let peer = socket_peercred(&stream).map(|peer| peer.uid);
        let allowed = peer.is_ok_and(|uid| uid == owner || uid.is_root());
        if allowed && inside.send(b"control", Some(stream.as_fd())).is_err() {
            break;
        }
    }
}

fn address(mesh: &str) -> io::Result<SocketAddr> {
    let user = geteuid().as_raw();
    SocketAddr::from_abstract_name(format!("leno/{user}/{mesh}"))
}
