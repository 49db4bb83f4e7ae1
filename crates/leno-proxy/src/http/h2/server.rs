//! A caller's HTTP/2 connection.

use std::{future::poll_fn, pin::pin, rc::Rc, sync::Arc, task::Poll, time::Duration};

use leno_engine::detect::PREFACE;
use leno_http2::{Role, Settings};
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, sleep_until, timeout},
};

use super::super::current::Current;
use super::exchange;
use crate::{
    config::{Http2Options, HttpLimits},
    connection::Connection,
    h2::{Driver, Link, Request},
    io::Io,
};

/// How much of all answers waits in memory for a slow caller, per connection.
pub(in crate::http) const OUTPUT: usize = 64 * 1024;
/// Streams that came and were reset before they were looked at: more in one go is an attack ("rapid reset").
pub(in crate::http) const MAX_RESETS: usize = 100;
/// A time that does not come.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

fn settings(limits: &HttpLimits, options: &Http2Options) -> Settings {
    let settings = Settings {
        max_header_list: limits.max_headers_bytes,
        max_unseen_resets: MAX_RESETS,
        output: OUTPUT,
        ..Settings::default()
    };
    options.settings(settings)
}

/// Serves a connection. `first` was read from it already.
pub(in crate::http) async fn run(connection: Rc<Connection>, mut current: Current, io: Io, first: Vec<u8>) {
    let Some((limits, options)) = current.manager().map(|manager| (manager.limits, manager.http2)) else { return };
    let time = if limits.headers_timeout.is_zero() { Duration::from_secs(60) } else { limits.headers_timeout };
    // Boxed: it is over soon, and the connection stays.
    let preface = Box::pin(timeout(time, preface(io, first, limits.delayed_close)));
    let Some((io, first)) = preface.await.ok().flatten() else { return };
    let link = Link::new(Role::Server, settings(&limits, &options), options.keepalive);
    let mut driver = Driver::new(Rc::clone(&link), io, first);
    let mut drained = connection.worker.drained.clone();
    let mut drained = pin!(drained.wait());
    let idle = if limits.idle_timeout.is_zero() { NEVER } else { limits.idle_timeout };
    let mut last = Instant::now();
    let end = limits.max_connection_duration.map_or(NEVER, |time| time.saturating_sub(connection.opened.elapsed()));
    let (end, mut served) = (last + end, 0);
    let mut until = pin!(sleep_until((last + idle).min(end)));
    let mut ending = false;
    let ended = poll_fn(|cx| {
        let mut serve = |request: Request| {
            last = Instant::now();
            served += 1;
            if limits.max_requests.is_some_and(|most| served == most.get()) {
                link.drain();
            }
            // Where no connection manager is in force any more the connection ends.
            match current.manager() {
                Some(manager) => {
                    let (of, manager) = (Rc::clone(&connection), Arc::clone(manager));
                    connection.worker.spawn(exchange::run(of, manager, request));
                    if connection.drain.as_ref().is_some_and(|drain| drain.asks()) {
                        link.drain();
                    }
                }
                None => link.drain(),
            }
        };
        if let Poll::Ready(ended) = driver.poll(cx, &mut serve) {
            return Poll::Ready(ended);
        }
        // Says GOAWAY; streams under way go on, and the driver ends when they have ended.
        while !ending {
            let over = drained.as_mut().poll(cx).is_ready();
            if !over {
                if until.as_mut().poll(cx).is_pending() {
                    break;
                }
                let due = (last + idle).min(end);
                if due > Instant::now() {
                    until.as_mut().reset(due);
                    continue;
                }
            }
            ending = true;
            link.drain();
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    });
    if let Err(why) = ended.await {
        tracing::debug!(peer = %connection.peer, why, "HTTP/2 connection ended");
    }
    driver.close(limits.delayed_close).await;
}

/// Reads on until the connection preface is there. What begins otherwise is no HTTP/2: closed, `None`.
async fn preface(mut io: Io, mut first: Vec<u8>, linger: Duration) -> Option<(Io, Vec<u8>)> {
    while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
        let mut piece = [0; 4096];
        match io.read(&mut piece).await {
            Ok(count @ 1..) => first.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Ok(0) | Err(_) => return None,
        }
    }
    if first.starts_with(PREFACE) {
        return Some((io, first));
    }
    io.close(linger).await;
    None
}
