//! What a redirected connection was meant for.

use std::net::SocketAddr;

use tokio::net::TcpStream;

/// Where the caller wanted to go before the redirection; `None` when the connection was dialled straight to the proxy.
/// Passing such a one on would dial the proxy again, for ever.
#[must_use]
pub fn of(stream: &TcpStream, proxy_ports: [u16; 2]) -> Option<SocketAddr> {
    let local = stream.local_addr().ok()?;
    let original = match local {
        SocketAddr::V4(_) => rustix::net::sockopt::ip_original_dst(stream).map(SocketAddr::V4),
        SocketAddr::V6(_) => rustix::net::sockopt::ipv6_original_dst(stream).map(SocketAddr::V6),
    };
    // With connection tracking the kernel knows an "original destination" for every connection: for one that was not
    // redirected it is the address that it came to.
    original.ok().filter(|original| *original != local && !proxy_ports.contains(&original.port()))
}
