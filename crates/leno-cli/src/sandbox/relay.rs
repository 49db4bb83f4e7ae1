//! Bytes from one connection to another, both ways, each way closed on its own.

use std::io;

use leno_runtime::Drained;
use tokio::{io::copy_bidirectional, net::TcpStream};

/// Until both ways are closed, one breaks, or the sandbox stops. A connection that breaks ends the other one with a
/// reset, so that a broken transfer does not look like a finished one.
pub(super) async fn relay(mut one: TcpStream, mut other: TcpStream, mut drained: Drained) {
    // Small messages go at once; an error shows in the first copy.
    one.set_nodelay(true).ok();
    other.set_nodelay(true).ok();
    let copied: io::Result<(u64, u64)> = tokio::select! {
        copied = copy_bidirectional(&mut one, &mut other) => copied,
        () = drained.wait() => Err(io::ErrorKind::Interrupted.into()),
    };
    if copied.is_err() {
        reset(one);
        reset(other);
    }
}

/// Ends a connection with a reset.
pub(super) fn reset(stream: TcpStream) {
    // An error means that it is gone already.
    stream.set_zero_linger().ok();
    drop(stream);
}
