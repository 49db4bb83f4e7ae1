//! After an upgrade: bytes both ways until both sides are done.

use std::rc::Rc;

use tokio::{io::AsyncWriteExt as _, time::Instant as Deadline};

use super::{super::decide::Routed, client::Client};
use crate::{
    connection::{Callee, Connection},
    error::ErrorKind,
    tcp::relay::{self, End, Times},
    telemetry::event::TcpOpened,
    upstream::Http1,
};

/// What a tunnel carried.
pub(super) struct Carried {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) flags: &'static str,
}

/// How long a tunnel may take. `until`: when what is said of the request and of the attempt has it end.
pub(super) fn times<'a>(connection: &'a Connection, routed: &Routed, until: [Option<Deadline>; 2]) -> Times<'a> {
    Times { idle: routed.idle, until: until.into_iter().flatten().min(), drain: connection.drain.as_deref() }
}

/// Passes bytes on. What either side said already goes first.
pub(super) async fn run(
    connection: &Rc<Connection>,
    callee: &Callee,
    client: Client,
    mut upstream: Http1,
    times: Times<'_>,
) -> Carried {
    let cells = TcpOpened { connection, callee }.emit();
    let early = client.input.filled().to_vec();
    if upstream.io.write_all(&early).await.is_err() || upstream.io.flush().await.is_err() {
        cells.add_closed();
        return Carried { sent: 0, received: 0, flags: ErrorKind::UpstreamClosed.flag() };
    }
    let greeting = upstream.input.filled().to_vec();
    let relayed = relay::run(client.io, upstream.io, greeting, times, &connection.worker.buffers, &cells).await;
    cells.add_closed();
    let flags = match relayed.end {
        End::Complete => "-",
        End::Idle => "SI",
        End::Expired | End::Drained => "DT",
        End::Downstream(_) => ErrorKind::DownstreamClosed.flag(),
        End::Upstream(_) => ErrorKind::UpstreamClosed.flag(),
    };
    Carried { sent: relayed.sent + early.len() as u64, received: relayed.received, flags }
}
