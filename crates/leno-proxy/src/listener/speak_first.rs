//! Who speaks first? Finding out what is spoken where nothing is declared, with no stall for protocols in which the
//! server greets.
//!
//! The client's first bytes tell HTTP from all else. When it stays silent for a moment, the TCP upstream is dialled as
//! well; if that speaks first, the connection is one of bytes. Who spoke first is remembered for each destination, so
//! that the next connection does not even wait the moment, and HTTP servers are not dialled in vain again and again.

use std::{cell::Cell, future::Future, pin::Pin, rc::Rc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::destination::Habit;
use crate::{
    config::{Inspect, TcpProxy},
    connection::{Connection, Payload},
    detect::{self, LOOK, Verdict},
    io::Socket,
    tcp::exchange::{self, Attempt},
};

/// How long a client may be silent before the upstream is dialled.
pub(crate) const MOMENT: Duration = Duration::from_millis(10);
/// Stands for no timeout at all.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What was heard.
pub(crate) struct Heard {
    /// The client's connection; nothing was taken from it.
    pub(crate) socket: Socket,
    /// What is spoken; `None`: nobody spoke in time.
    pub(crate) payload: Option<Payload>,
    /// The upstream, when it was dialled and is of use.
    pub(crate) upstream: Option<Attempt>,
}

/// The dialling of the upstream under way.
type Dialling<'a> = Pin<Box<dyn Future<Output = Attempt> + 'a>>;

/// Listens to both sides until it is clear what is spoken. `None` when the client is gone.
pub(crate) async fn listen(
    connection: &Rc<Connection>,
    habit: &Cell<Option<Habit>>,
    inspect: Inspect,
    bytes: Option<&TcpProxy>,
    mut socket: Socket,
) -> Option<Heard> {
    let now = Instant::now();
    let end = now + if inspect.timeout.is_zero() { FOR_EVER } else { inspect.timeout };
    let dial_at = match habit.get() {
        _ if bytes.is_none() => end,
        None => now + MOMENT,
        Some(Habit::Client) => end,
        Some(Habit::Server) => now,
    };
    let mut dialling: Option<Dialling<'_>> = None;
    let mut upstream: Option<Attempt> = None;
    loop {
        if let Verdict::Is(payload) = detect::verdict(socket.buffered()) {
            habit.set(Some(Habit::Client));
            return Some(finish(socket, payload, dialling, upstream).await);
        }
        let idle = dialling.is_none() && upstream.is_none();
        tokio::select! {
            read = socket.peek_more(LOOK) => match read {
                // Half-closed before it said enough: bytes, if there are any.
                Ok(0) if socket.buffered().is_empty() => return None,
                Ok(0) => return Some(finish(socket, Payload::Tcp, dialling, upstream).await),
                Ok(_) => {}
                Err(_) => return None,
            },
            attempt = async { dialling.as_mut().map(Pin::as_mut)?.await.into() }, if dialling.is_some() => {
                dialling = None;
                upstream = attempt;
            }
            () = greeting(upstream.as_mut()) => {
                habit.set(Some(Habit::Server));
                return Some(Heard { socket, payload: Some(Payload::Tcp), upstream });
            }
            () = sleep_until(dial_at), if idle && dial_at < end => {
                dialling = bytes.map(|proxy| Box::pin(exchange::open(connection, proxy)) as Dialling<'_>);
            }
            () = sleep_until(end) => {
                if !inspect.continue_on_timeout {
                    return None;
                }
                return Some(Heard { payload: None, ..finish(socket, Payload::Tcp, dialling, upstream).await });
            }
        }
    }
}

/// Waits for the upstream's first bytes; for ever when there is no upstream.
async fn greeting(upstream: Option<&mut Attempt>) {
    match upstream {
        Some(Ok(opened)) => opened.hear().await,
        Some(Err(_)) | None => std::future::pending().await,
    }
}

/// The end of listening: for bytes the dialled upstream is used, for HTTP it is given up.
async fn finish(socket: Socket, payload: Payload, dialling: Option<Dialling<'_>>, upstream: Option<Attempt>) -> Heard {
    let upstream = match (payload, dialling, upstream) {
        (Payload::Http1 | Payload::Http2, _, _) | (Payload::Tcp, None, None) => None,
        (Payload::Tcp, _, Some(upstream)) => Some(upstream),
        (Payload::Tcp, Some(dialling), None) => Some(dialling.await),
    };
    Heard { socket, payload: Some(payload), upstream }
}
