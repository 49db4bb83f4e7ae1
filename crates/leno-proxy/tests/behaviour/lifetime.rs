//! How long connections and tunnels live, on both sides.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use leno_proxy::config::{Cluster, HttpConnectionManager, HttpLimits, HttpProtocol, UpstreamHttp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    http1::{OK, Script, exchange, manager, scripted},
    http2::{self, Asked, answer, backend, with},
    support::{copied, plain, run, serve, speaking},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
/// Longer than it takes until a connection rests.
const SILENCE: Duration = Duration::from_millis(1300);
const TWICE: Script = &[("\r\n\r\n", OK), ("\r\n\r\n", OK)];

/// A manager with these limits.
fn limited(server: SocketAddr, limits: HttpLimits) -> HttpConnectionManager {
    HttpConnectionManager { limits, ..manager(&plain(&[server]), None) }
}

/// A manager whose cluster is spoken to so.
fn towards(server: SocketAddr, protocol: HttpProtocol, http: UpstreamHttp) -> HttpConnectionManager {
    let slot = speaking(server, protocol);
    slot.set(Arc::new(Cluster { http, ..copied(&slot.get().unwrap()) }));
    manager(&slot, None)
}

/// Reads to the end; what came.
async fn rest(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    String::from_utf8(rest).unwrap()
}

#[test]
fn a_callers_connection_ends_when_it_is_as_old_as_it_may_be() {
    run(async {
        let (server, _) = scripted(TWICE).await;
        let old = Duration::from_millis(1500);
        let limits =
            HttpLimits { idle_timeout: Duration::ZERO, max_connection_duration: Some(old), ..HttpLimits::default() };
        let (_sidecar, address) = with(limited(server, limits)).await;
        let began = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let first = exchange(&mut stream, GET, "ok").await;
        assert!(!first.contains("connection: close"), "{first}");
        // It ends while it rests.
        assert_eq!(rest(&mut stream).await, "");
        assert!(began.elapsed() >= old, "{:?}", began.elapsed());
    });
}

#[test]
fn a_connection_that_rested_takes_requests() {
    run(async {
        let (server, heard) = scripted(TWICE).await;
        let (_sidecar, address) = with(limited(server, HttpLimits::default())).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        exchange(&mut stream, GET, "ok").await;
        sleep(SILENCE).await;
        let again = exchange(&mut stream, "GET /again HTTP/1.1\r\nHost: x\r\nX-Own: 1\r\n\r\n", "ok").await;
        assert!(again.starts_with("HTTP/1.1 200 OK\r\n"), "{again}");
        assert!(heard.borrow()[1].starts_with("GET /again HTTP/1.1\r\n"), "{heard:?}");
        assert!(heard.borrow()[1].contains("X-Own: 1\r\n"), "{heard:?}");
    });
}

#[test]
fn a_connection_that_rests_ends_when_it_was_idle_for_too_long() {
    run(async {
        let (server, _) = scripted(TWICE).await;
        let idle = Duration::from_millis(1600);
        let limits = HttpLimits { idle_timeout: idle, ..HttpLimits::default() };
        let (_sidecar, address) = with(limited(server, limits)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        exchange(&mut stream, GET, "ok").await;
        let began = Instant::now();
        assert_eq!(rest(&mut stream).await, "");
        // The answer may have been seen a little after the connection was idle.
        assert!(began.elapsed() >= idle - Duration::from_millis(200), "{:?}", began.elapsed());
    });
}

#[test]
fn a_caller_has_a_while_to_close_what_is_ended_here() {
    run(async {
        // How long bytes can still be sent on a connection that was ended after an answer.
        let open = async |delayed_close| {
            let (server, _) = scripted(TWICE).await;
            let limits = HttpLimits { delayed_close, ..HttpLimits::default() };
            let (_sidecar, address) = with(limited(server, limits)).await;
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nno header\r\n\r\n").await.unwrap();
            assert!(rest(&mut stream).await.starts_with("HTTP/1.1 400"));
            let began = Instant::now();
            while stream.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(10)).await;
            }
            began.elapsed()
        };
        // Against one another, as a busy machine takes its time for all of them.
        let (none, short, long) =
            (open(Duration::ZERO).await, open(Duration::from_millis(500)).await, open(Duration::from_secs(3)).await);
        assert!(none < short && short >= Duration::from_millis(400), "{none:?} {short:?}");
        assert!(long >= Duration::from_millis(2500) && long > short, "{short:?} {long:?}");
    });
}

#[test]
fn a_connection_that_rests_ends_with_the_process() {
    run(async {
        let (server, _) = scripted(TWICE).await;
        let limits = HttpLimits { idle_timeout: Duration::ZERO, ..HttpLimits::default() };
        let (sidecar, address) = with(limited(server, limits)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        exchange(&mut stream, GET, "ok").await;
        sleep(SILENCE).await;
        sidecar.drain();
        assert_eq!(rest(&mut stream).await, "");
    });
}

/// As short as can be.
const NOTHING: Duration = Duration::from_nanos(1);

#[test]
fn connections_to_endpoints_serve_no_request_when_they_are_too_old_or_were_idle_for_too_long() {
    run(async {
        let old = || UpstreamHttp { max_connection_duration: Some(NOTHING), ..UpstreamHttp::default() };
        let idle = || UpstreamHttp { idle_timeout: NOTHING, ..UpstreamHttp::default() };
        for http in [old(), idle()] {
            let (server, heard) = scripted(TWICE).await;
            let (_sidecar, address) = with(towards(server, HttpProtocol::Http1, http)).await;
            let mut stream = TcpStream::connect(address).await.unwrap();
            exchange(&mut stream, GET, "ok").await;
            exchange(&mut stream, GET, "ok").await;
            let closed = heard.borrow().iter().any(|heard| heard == "<closed>");
            assert!(closed, "the first was closed: {heard:?}");
            let (server, connections) =
                backend(|Asked { mut respond, .. }| async move { answer(&mut respond, 200, "ok") }).await;
            let (_sidecar, address) = with(towards(server, HttpProtocol::Http2, http)).await;
            let client = http2::dial(address).await;
            // The last stream is over a moment after its answer is there.
            for _ in 0..100 {
                assert_eq!(http2::answered(http2::ask(&client, http2::get("/")).await).await.1, "ok");
            }
            assert!(connections.get() > 1, "{}", connections.get());
        }
    });
}

#[test]
fn what_a_stream_may_take_counts_from_before_an_upgrade() {
    run(async {
        let server = serve(|mut stream| async move {
            let mut piece = [0; 1024];
            assert!(stream.read(&mut piece).await.unwrap() > 0);
            sleep(Duration::from_millis(1200)).await;
            let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            drop(stream.write_all(switch.as_bytes()).await);
            while let Ok(1..) = stream.read(&mut piece).await {}
        })
        .await;
        let longest = Duration::from_millis(2000);
        let http = UpstreamHttp { max_stream_duration: Some(longest), ..UpstreamHttp::default() };
        let (_sidecar, address) = with(towards(server, HttpProtocol::Http1, http)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let began = Instant::now();
        let ask = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let told = exchange(&mut stream, ask, "\r\n\r\n").await;
        assert!(told.starts_with("HTTP/1.1 101 "), "{told}");
        drop(stream.read_to_end(&mut Vec::new()).await);
        let took = began.elapsed();
        assert!((longest..longest + Duration::from_secs(1)).contains(&took), "{took:?}");
    });
}
