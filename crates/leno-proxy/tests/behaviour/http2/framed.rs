//! Callers of HTTP/2 frame by frame: pings, floods, and how a connection ends.

use std::{io, net::SocketAddr, time::Duration};

use leno_proxy::config::{Http2Keepalive, HttpConnectionManager};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Asked, answer, backend, manager_of, with};
use crate::support::{Sidecar, run};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const CALM: [u8; 4] = [0, 0, 0, 11];

/// `GET / HTTP/2` of the host `x`.
const GET: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 1, b'x'];

/// A frame.
struct Frame {
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A caller.
struct Framed(TcpStream);

impl Framed {
    async fn dial(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
        Self(stream)
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn next(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).await?;
        Ok(Frame { kind: head[3], flags: head[4], payload })
    }

    /// Reads until a frame of this kind comes.
    async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.unwrap();
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Reads to the end of the connection; why it was ended, if that was said.
    async fn ended(&mut self) -> Option<Vec<u8>> {
        let mut why = None;
        while let Ok(frame) = self.next().await {
            if frame.kind == GOAWAY {
                why = frame.payload.get(4..8).map(<[u8]>::to_vec);
            }
        }
        why
    }

    /// A request that is answered.
    async fn asks(&mut self, stream: u32) {
        self.say(&frame(HEADERS, 5, stream, &GET)).await;
        assert_eq!(self.until(DATA).await.payload, b"ok");
    }
}

/// A sidecar with such a manager in front of a server that says `ok`.
async fn sidecar(tune: impl FnOnce(&mut HttpConnectionManager)) -> (Sidecar, SocketAddr) {
    let (server, _) = backend(|Asked { mut respond, .. }| async move { answer(&mut respond, 200, "ok") }).await;
    let mut manager = manager_of(server);
    tune(&mut manager);
    with(manager).await
}

fn pings() -> Option<Http2Keepalive> {
    let short = Duration::from_millis(20);
    Some(Http2Keepalive { interval: Some(short), timeout: Duration::from_secs(2), jitter: 0.0, idle: None })
}

#[test]
fn a_caller_that_answers_pings_stays_and_one_that_does_not_goes() {
    run(async {
        let (_sidecar, address) = sidecar(|manager| manager.http2.keepalive = pings()).await;
        let mut caller = Framed::dial(address).await;
        for stream in [1, 3, 5] {
            let ping = caller.until(PING).await;
            assert_eq!(ping.flags, 0, "nobody asked");
            caller.say(&frame(PING, ACK, 0, &ping.payload)).await;
            caller.asks(stream).await;
        }
        // It reads, and says nothing any more.
        caller.until(PING).await;
        caller.ended().await;
    });
}

#[test]
fn what_a_caller_may_do_in_excess_is_bounded() {
    run(async {
        let (_sidecar, address) = sidecar(|manager| {
            let flood = &mut manager.http2.flood;
            (flood.max_control_frames, flood.max_empty_frames) = (10, 3);
            (flood.max_priority_frames, flood.max_window_frames) = (Some(2), Some(1));
        })
        .await;
        let open = frame(HEADERS, 4, 1, &GET);
        let priority = frame(PRIORITY, 0, 7, &[0, 0, 0, 0, 1]);
        let window = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
        // What is said in one go: as much as may be, and one more.
        let cases = [
            (Vec::new(), frame(PING, 0, 0, &[0; 8]), 10),
            (open, frame(DATA, 0, 1, &[]), 3),
            (Vec::new(), priority, 2),
            (Vec::new(), window, 5),
        ];
        for (before, excess, most) in cases {
            let mut caller = Framed::dial(address).await;
            caller.until(SETTINGS).await;
            caller.until(SETTINGS).await;
            caller.say(&[before.clone(), excess.repeat(most)].concat()).await;
            if before.is_empty() {
                caller.asks(1).await;
            }
            let mut caller = Framed::dial(address).await;
            caller.until(SETTINGS).await;
            caller.until(SETTINGS).await;
            caller.say(&[before, excess.repeat(most + 1)].concat()).await;
            assert_eq!(caller.ended().await.unwrap(), CALM, "{excess:?}");
        }
        // As many as one likes whose answers are read.
        let mut caller = Framed::dial(address).await;
        for _ in 0..30 {
            caller.say(&frame(PING, 0, 0, &[0; 8])).await;
            assert_eq!(caller.until(PING).await.flags, ACK);
        }
        caller.asks(1).await;
    });
}

#[test]
fn a_connection_ends_when_it_is_as_old_as_it_may_be() {
    run(async {
        let (_sidecar, address) = sidecar(|manager| {
            manager.limits.idle_timeout = Duration::ZERO;
            manager.limits.max_connection_duration = Some(Duration::from_millis(300));
        })
        .await;
        let mut caller = Framed::dial(address).await;
        caller.asks(1).await;
        assert_eq!(caller.until(GOAWAY).await.payload[4..8], [0; 4], "nothing is wrong");
        // What it has sent when it hears of it is served, and the end is only said once that is seen.
        caller.asks(3).await;
    });
}
