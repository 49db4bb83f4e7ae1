//! Endpoints that choose by ALPN which version of HTTP is spoken.

use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc};

use h2::server;
use leno_engine::{
    fraction::Fraction,
    route::{Action, Mirror, MirrorHost},
};
use leno_proxy::config::{
    CircuitBreaker, Cluster, ClusterKind, HttpProtocol, RouteSource, Routes, Security, Slot, Thresholds, Transport,
    TransportMatch, tls::ClientContext,
};
use leno_tls::context::{Dialling, Parameters, Side};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Barrier, Notify},
    task::{JoinSet, spawn_local},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{answer, text, with};
use crate::{
    http1::{exchange, manager},
    support::{copied, run, serve, speaking, until},
};

/// A server that speaks TLS and these protocols.
fn acceptor(protocols: &[&str]) -> TlsAcceptor {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["shop.test".into()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// What holds a connection's handshake up; its number is given.
type Hold = Rc<dyn Fn(u32) -> std::pin::Pin<Box<dyn Future<Output = ()>>>>;

/// How much a server had to do.
#[derive(Default)]
struct Seen {
    connections: Cell<u32>,
    requests: Cell<u32>,
}

/// A server that chooses among these protocols and answers, once it has the body, with what is spoken.
async fn choosing(protocols: &'static [&'static str], hold: Hold) -> (SocketAddr, Rc<Seen>) {
    let seen: Rc<Seen> = Rc::default();
    let (noted, acceptor) = (Rc::clone(&seen), acceptor(protocols));
    let address = serve(move |stream| {
        noted.connections.set(noted.connections.get() + 1);
        let (held, acceptor, noted) = (hold(noted.connections.get()), acceptor.clone(), Rc::clone(&noted));
        async move {
            held.await;
            let Ok(stream) = acceptor.accept(stream).await else { return };
            match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => http2(stream, &noted).await,
                _ => http1(stream, &noted).await,
            }
        }
    });
    (address.await, seen)
}

async fn http2(stream: TlsStream<TcpStream>, seen: &Seen) {
    let Ok(mut streams) = server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = streams.accept().await {
        seen.requests.set(seen.requests.get() + 1);
        spawn_local(async move {
            text(&mut request.into_body()).await;
            answer(&mut respond, 200, "HTTP/2!");
        });
    }
}

async fn http1(mut stream: TlsStream<TcpStream>, seen: &Seen) {
    let mut heard = String::new();
    let mut piece = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        heard.push_str(&String::from_utf8_lossy(&piece[..read]));
        if heard.ends_with("\r\n\r\nbody") {
            heard.clear();
            seen.requests.set(seen.requests.get() + 1);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nHTTP/1.1!").await.unwrap();
        }
    }
}

fn freely() -> Hold {
    Rc::new(|_| Box::pin(async {}))
}

/// A cluster whose endpoint has the choice, with these thresholds.
fn auto(server: SocketAddr, thresholds: Thresholds) -> Arc<Slot<Cluster>> {
    let parameters = Parameters::default_of(Side::Client);
    let dialling =
        Dialling { certificate: None, trust: None, verifies_host: false, alpn: vec![], parameters, sessions: 0 };
    let context = ClientContext::new(dialling, None, None, Some("shop.test".into()), false);
    let transport = Transport { header: None, security: Security::Tls(Arc::new(context)) };
    let slot = speaking(server, HttpProtocol::Auto);
    let transports = vec![TransportMatch { name: "tls".into(), labels: vec![], transport }];
    let breaker = CircuitBreaker::new(thresholds);
    slot.set(Arc::new(Cluster { transports, breaker, ..copied(&slot.get().unwrap()) }));
    slot
}

/// How many requests its endpoint has.
fn active(slot: &Slot<Cluster>) -> u32 {
    let cluster = slot.get().unwrap();
    let ClusterKind::Static(set) = &cluster.kind else { panic!("the cluster is static") };
    set.endpoints[0].active()
}

/// A request whose body is to come.
const HEAD: &str = "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\n\r\n";

/// Begins a request.
async fn begin(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(HEAD.as_bytes()).await.unwrap();
    stream
}

/// Sends the body of a request that was begun, and sees that it is answered by this protocol.
async fn end(stream: &mut TcpStream, protocol: &str) {
    let (head, end) = match protocol {
        "HTTP/1.1" => ("content-length: 9\r\n", "\r\n\r\nHTTP/1.1!"),
        _ => ("transfer-encoding: chunked\r\n", "7\r\nHTTP/2!\r\n0\r\n\r\n"),
    };
    let told = exchange(stream, "body", end).await;
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.contains(head), "{told}");
}

#[test]
fn an_endpoint_that_chooses_http2_has_one_connection() {
    run(async {
        let (server, seen) = choosing(&["h2", "http/1.1"], freely()).await;
        // Streams are no connections: the threshold does not count.
        let thresholds = Thresholds { max_connections: 1, max_pending_requests: 0, ..Thresholds::default() };
        let slot = auto(server, thresholds);
        let (_sidecar, address) = with(manager(&slot, None)).await;
        let (mut first, mut second) = (begin(address).await, begin(address).await);
        until(|| active(&slot) == 2).await;
        for stream in [&mut first, &mut second] {
            end(stream, "HTTP/2").await;
        }
        assert_eq!(seen.connections.get(), 1);
    });
}

#[test]
fn an_endpoint_that_chooses_http1_has_kept_connections() {
    run(async {
        let (server, seen) = choosing(&["http/1.1"], freely()).await;
        let (_sidecar, address) = with(manager(&auto(server, Thresholds::default()), None)).await;
        for _ in 0..3 {
            end(&mut begin(address).await, "HTTP/1.1").await;
        }
        assert_eq!(seen.connections.get(), 1);
    });
}

#[test]
fn connections_of_http1_are_bounded_where_the_endpoint_chose_them() {
    run(async {
        let (server, seen) = choosing(&["http/1.1"], freely()).await;
        let thresholds = Thresholds { max_connections: 1, max_pending_requests: 1, ..Thresholds::default() };
        let slot = auto(server, thresholds);
        let (_sidecar, address) = with(manager(&slot, None)).await;
        end(&mut begin(address).await, "HTTP/1.1").await;
        let mut first = begin(address).await;
        until(|| active(&slot) == 1).await;
        let mut waiting = begin(address).await;
        until(|| active(&slot) == 2).await;
        let told = exchange(&mut begin(address).await, "body", "already\n").await;
        assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("UO upstream_overflow"), "{told}");
        for stream in [&mut first, &mut waiting] {
            end(stream, "HTTP/1.1").await;
        }
        assert_eq!(seen.connections.get(), 1);
    });
}

#[test]
fn those_who_waited_for_the_first_connection_dial_at_the_same_time() {
    run(async {
        let (first, others) = (Rc::new(Notify::new()), Rc::new(Barrier::new(3)));
        let (released, together) = (Rc::clone(&first), Rc::clone(&others));
        // The first handshake waits until it may go on, the others for each other.
        let hold: Hold = Rc::new(move |number| {
            let (released, together) = (Rc::clone(&released), Rc::clone(&together));
            Box::pin(async move {
                if number == 1 {
                    released.notified().await;
                } else {
                    together.wait().await;
                }
            })
        });
        let (server, seen) = choosing(&["http/1.1"], hold).await;
        let slot = auto(server, Thresholds::default());
        let (_sidecar, address) = with(manager(&slot, None)).await;
        let mut streams = Vec::new();
        for _ in 0..4 {
            streams.push(begin(address).await);
        }
        until(|| active(&slot) == 4).await;
        first.notify_one();
        // As long as none has its body none is free.
        until(|| seen.connections.get() == 4).await;
        let mut answers = JoinSet::new();
        for mut stream in streams {
            answers.spawn_local(async move { end(&mut stream, "HTTP/1.1").await });
        }
        while let Some(answered) = answers.join_next().await {
            answered.unwrap();
        }
        assert_eq!((seen.connections.get(), seen.requests.get()), (4, 4));
    });
}

#[test]
fn questions_of_our_own_have_the_choice_too() {
    run(async {
        let (server, _) = choosing(&["http/1.1"], freely()).await;
        let (shadow, asked) = choosing(&["h2"], freely()).await;
        let (slot, mirror) = (auto(server, Thresholds::default()), auto(shadow, Thresholds::default()));
        let mut manager = manager(&slot, None);
        let RouteSource::Inline(routes) = &manager.routes else { panic!("routes are inline") };
        let (mut table, mut clusters) = (routes.table.clone(), routes.clusters.clone());
        let Action::Forward(forward) = &mut table.hosts[0].routes[0].action else { panic!("it goes on") };
        let copies =
            Mirror { cluster: "mirror".into(), share: Fraction::ALL, host: MirrorHost::Same, edits: Vec::new() };
        forward.mirrors = [copies].into();
        clusters.insert("mirror".into(), Arc::clone(&mirror));
        manager.routes = RouteSource::Inline(Arc::new(Routes { name: routes.name.clone(), table, clusters }));
        let (_sidecar, address) = with(manager).await;
        end(&mut begin(address).await, "HTTP/1.1").await;
        until(|| asked.requests.get() == 1).await;
    });
}
