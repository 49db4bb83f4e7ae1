//! After an upgrade: bytes both ways until both sides are done.

use std::{rc::Rc, time::Instant};

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

/// How long a tunnel may take that was asked for at `started`.
pub(super) fn times(routed: &Routed, started: Instant) -> Times {
    let of_request = routed.longest.map(|time| Deadline::from_std(started) + time);
    let of_cluster = routed.cluster.http.max_stream_duration.map(|time| Deadline::now() + time);
    Times { idle: routed.idle, until: of_request.into_iter().chain(of_cluster).min() }
}

/// Passes bytes on. What either side said already goes first.
pub(super) async fn run(
    connection: &Rc<Connection>,
    callee: &Callee,
    client: Client,
    mut upstream: Http1,
    times: Times,
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
        End::Expired => "DT",
        End::Downstream(_) => ErrorKind::DownstreamClosed.flag(),
        End::Upstream(_) => ErrorKind::UpstreamClosed.flag(),
    };
    Carried { sent: relayed.sent + early.len() as u64, received: relayed.received, flags }
}
