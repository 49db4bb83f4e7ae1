//! The PROXY header that a connection begins with: who called, as whoever passed it on says.

use leno_engine::proxy_protocol::{self, Addition, Addresses, Header, MAX_LENGTH, Read};
use tokio::time::{Instant, timeout_at};

use crate::{config::Introduction, io::Socket};

/// What a connection began with.
#[derive(Debug)]
pub(super) enum Introduced {
    /// With a header that says this; no addresses: who connected speaks for itself.
    As(Option<Addresses>, Box<[Addition]>),
    /// With something else, which is left.
    Not,
    /// With what is not let in.
    Refused(&'static str),
    /// With nothing, in time.
    Silent,
    /// It ended.
    Closed,
}

/// Reads and takes the header.
pub(super) async fn read(socket: &mut Socket, rules: &Introduction, until: Instant) -> Introduced {
    loop {
        match proxy_protocol::read(socket.buffered()) {
            Read::Complete(header, _) if rules.refused.contains(&header.version) => {
                return Introduced::Refused("a PROXY header of a version that is not accepted");
            }
            Read::Complete(Header { addresses, additions, .. }, length) => {
                socket.skip(length);
                let kept = additions.into_iter().filter(|addition| rules.keep.has(addition.kind));
                return Introduced::As(addresses, kept.collect());
            }
            Read::Absent if rules.optional => return Introduced::Not,
            Read::Absent => return Introduced::Refused("no PROXY header"),
            Read::Broken(_) => return Introduced::Refused("a broken PROXY header"),
            Read::Partial => {}
        }
        match timeout_at(until, socket.peek_more(MAX_LENGTH)).await {
            Ok(Ok(0)) | Ok(Err(_)) => return Introduced::Closed,
            Ok(Ok(_)) => {}
            Err(_) => return Introduced::Silent,
        }
    }
}
