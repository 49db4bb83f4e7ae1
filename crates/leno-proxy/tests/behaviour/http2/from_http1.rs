//! Callers of HTTP/1.1 whose endpoint speaks HTTP/2.

use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc};

use bytes::Bytes;
use h2::{Reason, ext::Protocol, server};
use http::{HeaderMap, Method, Response};
use leno_engine::route::{Action, PathMatch, Route, RouteMatch, Terminate, Upgrade};
use leno_proxy::config::{
    CircuitBreaker, Cluster, HttpConnectionManager, HttpProtocol, RouteSource, Routes, Slot, Thresholds,
};
use tokio::{net::TcpStream, sync::Notify, task::spawn_local};

use super::{Asked, answer, backend, text, tuned, with};
use crate::{
    http1::{exchange, manager, to_end},
    support::{Sidecar, copied, echo, run, serve, speaking},
};

/// A sidecar in front of an endpoint of HTTP/2.
async fn before(server: SocketAddr) -> (Sidecar, SocketAddr) {
    with(manager(&speaking(server, HttpProtocol::Http2), None)).await
}

/// Says what was asked, in one line for each field, and the body.
async fn tell(asked: Asked) {
    let Asked { request, mut respond } = asked;
    let (parts, mut body) = request.into_parts();
    let sent = text(&mut body).await;
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    let mut told = format!("{} {}\n", parts.method, parts.uri);
    for (name, value) in parts.headers.iter().chain(&trailers) {
        told += &format!("{name}={}\n", value.to_str().unwrap());
    }
    let head = Response::builder().header("x-saw", "1").body(()).unwrap();
    let bodiless = parts.method == Method::HEAD;
    let mut stream = respond.send_response(head, bodiless).unwrap();
    if !bodiless {
        stream.send_data(Bytes::from(told + "body=" + &sent), true).unwrap();
    }
}

#[test]
fn requests_of_every_framing_arrive_and_the_connections_are_kept() {
    run(async {
        let (server, connections) = backend(tell).await;
        let (_sidecar, address) = before(server).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let get = "GET /a?b=c HTTP/1.1\r\nHost: shop.test\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Own: 2\r\nTE: trailers, gzip\r\nKeep-Alive: 5\r\n\r\n";
        let told = exchange(&mut stream, get, "body=\r\n0\r\n\r\n").await;
        assert!(told.starts_with("HTTP/1.1 200 OK\r\nx-saw: 1\r\n"), "{told}");
        assert!(told.contains("transfer-encoding: chunked\r\n") && !told.contains("connection:"), "{told}");
        assert!(told.contains("GET http://shop.test/a?b=c\n") && told.contains("x-own=2\n"), "{told}");
        assert!(told.contains("te=trailers\n") && !told.contains("x-hop") && !told.contains("keep-alive"), "{told}");
        assert!(told.contains("x-request-id=") && told.contains("x-forwarded-proto=http\n"), "{told}");
        let sized = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nfive!";
        let told = exchange(&mut stream, sized, "\r\n0\r\n\r\n").await;
        assert!(told.contains("content-length=5\n") && told.contains("body=five!"), "{told}");
        let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-t: 1\r\n\r\n";
        let told = exchange(&mut stream, chunked, "\r\n0\r\n\r\n").await;
        assert!(told.contains("body=abcde") && !told.contains("chunked\n") && !told.contains("x-t"), "{told}");
        let told = exchange(&mut stream, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n").await;
        assert!(!told.contains("content-length") && !told.contains("chunked"), "{told}");
        let old = to_end(address, "GET / HTTP/1.0\r\nHost: x\r\n\r\n").await;
        assert!(old.contains("connection: close\r\n") && old.ends_with("body="), "{old}");
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn a_large_body_passes_as_fast_as_it_is_taken() {
    run(async {
        let (server, _) = backend(|asked| async {
            let Asked { request, mut respond } = asked;
            let mut body = request.into_body();
            let length = text(&mut body).await.len();
            answer(&mut respond, 200, Box::leak(format!("{length} bytes").into_boxed_str()));
        })
        .await;
        let (_sidecar, address) = before(server).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = "x".repeat(3 << 20);
        let request = format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let told = exchange(&mut stream, &request, "0\r\n\r\n").await;
        assert!(told.contains("3145728 bytes"), "{told}");
    });
}

#[test]
fn answers_without_a_body_and_interim_ones() {
    run(async {
        let (server, _) = backend(|asked| async {
            let Asked { request, mut respond } = asked;
            let status: u16 = request.uri().path().trim_start_matches('/').parse().unwrap();
            if status >= 200 {
                return answer(&mut respond, status, "");
            }
            let interim = Response::builder().status(status).header("link", "<a>").body(()).unwrap();
            respond.send_informational(interim).unwrap();
            answer(&mut respond, 200, "ok");
        })
        .await;
        let (_sidecar, address) = before(server).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        for (status, length) in [("204", false), ("304", false), ("404", true)] {
            let told = exchange(&mut stream, &format!("GET /{status} HTTP/1.1\r\nHost: x\r\n\r\n"), "\r\n\r\n").await;
            assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{told}");
            assert_eq!(told.contains("content-length: 0\r\n"), length, "{told}");
        }
        for (status, line) in [("100", "100 Continue"), ("103", "103 ")] {
            let asked = format!("GET /{status} HTTP/1.1\r\nHost: x\r\n\r\n");
            let told = exchange(&mut stream, &asked, "ok\r\n0\r\n\r\n").await;
            let interim = format!("HTTP/1.1 {line}\r\nlink: <a>\r\n\r\nHTTP/1.1 200 OK\r\n");
            assert!(told.starts_with(&interim), "{told}");
            let old = to_end(address, &format!("GET /{status} HTTP/1.0\r\nHost: x\r\n\r\n")).await;
            assert!(old.starts_with("HTTP/1.1 200 OK\r\n") && old.ends_with("\r\n\r\nok"), "{old}");
        }
    });
}

/// Answers with trailers.
async fn with_trailers(asked: Asked) {
    let mut respond = asked.respond;
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(Bytes::from_static(b"ok"), false).unwrap();
    let trailers: HeaderMap = [("x-sum".parse().unwrap(), "1".parse().unwrap())].into_iter().collect();
    stream.send_trailers(trailers).unwrap();
}

#[test]
fn trailers_pass_where_the_connection_manager_says_so() {
    run(async {
        let (server, _) = backend(with_trailers).await;
        let (told, _) = backend(tell).await;
        for trailers in [false, true] {
            let of = |server| {
                let manager = manager(&speaking(server, HttpProtocol::Http2), None);
                HttpConnectionManager { trailers, ..manager }
            };
            let (_sidecar, address) = with(of(server)).await;
            let mut stream = TcpStream::connect(address).await.unwrap();
            let answer = exchange(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n").await;
            let rest =
                if answer.contains("\r\n0\r\n") { String::new() } else { exchange(&mut stream, "", "\r\n\r\n").await };
            assert_eq!((answer.clone() + &rest).ends_with("0\r\nx-sum: 1\r\n\r\n"), trailers, "{answer}{rest}");
            let (_sidecar, address) = with(of(told)).await;
            let mut stream = TcpStream::connect(address).await.unwrap();
            let chunked =
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-T: 1\r\n\r\n";
            let told = exchange(&mut stream, chunked, "\r\n0\r\n\r\n").await;
            assert_eq!(told.contains("x-t=1\n"), trailers, "{told}");
        }
    });
}

/// Answers when all of the body is there, and not at all where that does not come.
async fn answer_read(asked: Asked) {
    let Asked { mut request, mut respond } = asked;
    while let Some(read) = request.body_mut().data().await {
        let Ok(_) = read else { return };
    }
    answer(&mut respond, 200, "read");
}

#[test]
fn resets_and_refusals_are_told() {
    run(async {
        let seen: Rc<Notify> = Rc::default();
        let cuts = Rc::clone(&seen);
        let (server, _) = backend(move |asked| {
            let cuts = Rc::clone(&cuts);
            async move {
                let Asked { request, mut respond } = asked;
                match request.uri().path() {
                    "/reset" => respond.send_reset(Reason::INTERNAL_ERROR),
                    "/cut" => {
                        let mut stream = respond.send_response(Response::new(()), false).unwrap();
                        stream.send_data(Bytes::from_static(b"half"), false).unwrap();
                        cuts.notified().await;
                        stream.send_reset(Reason::INTERNAL_ERROR);
                    }
                    "/read" => answer_read(Asked { request, respond }).await,
                    _ => answer(&mut respond, 200, "ok"),
                }
            }
        })
        .await;
        let (_sidecar, address) = before(server).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let told = exchange(&mut stream, "GET /reset HTTP/1.1\r\nHost: x\r\n\r\n", "\n").await;
        assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("x-leno-reason: UR upstream_reset\r\n"), "{told}");
        // The same connection goes on.
        let told = exchange(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "ok\r\n0\r\n\r\n").await;
        assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
        let cut = exchange(&mut stream, "GET /cut HTTP/1.1\r\nHost: x\r\n\r\n", "4\r\nhalf\r\n").await;
        assert!(cut.starts_with("HTTP/1.1 200 OK\r\n"), "{cut}");
        seen.notify_one();
        let mut rest = Vec::new();
        drop(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await);
        assert_eq!(rest, b"", "an answer that is cut has no end");
        let bad = "POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n";
        let told = to_end(address, bad).await;
        assert!(told.starts_with("HTTP/1.1 400 ") && told.contains("DPE bad_request"), "{told}");
    });
}

/// Accepts an upgrade and says back what it hears; tells by a header what was asked.
async fn upgraded(asked: Asked) {
    let Asked { request, mut respond } = asked;
    let protocol = request.extensions().get::<Protocol>().map_or("none", Protocol::as_str).to_owned();
    let asked = format!("{} {} {protocol}", request.method(), request.uri().path());
    // What it says of a length means nothing.
    let head = Response::builder().header("x-asked", asked).header("content-length", "0").body(()).unwrap();
    let mut stream = respond.send_response(head, false).unwrap();
    let mut body = request.into_body();
    while let Some(Ok(piece)) = body.data().await {
        body.flow_control().release_capacity(piece.len()).unwrap();
        drop(stream.send_data(piece, false));
    }
    drop(stream.send_data(Bytes::new(), true));
}

const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn upgrades_become_extended_connects() {
    run(async {
        let mut builder = server::Builder::new();
        builder.enable_connect_protocol();
        let (server, _) = tuned(builder, upgraded).await;
        let (_sidecar, address) = before(server).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let told = exchange(&mut stream, UPGRADE, "\r\n\r\n").await;
        assert!(told.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{told}");
        assert!(told.contains("x-asked: CONNECT /chat websocket\r\n"), "{told}");
        assert!(told.contains("connection: upgrade\r\n") && told.contains("upgrade: websocket\r\n"), "{told}");
        assert!(!told.contains("chunked") && !told.contains("content-length"), "{told}");
        assert_eq!(exchange(&mut stream, "ping", "ping").await, "ping");
        tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await.unwrap();
        assert_eq!(rest, b"");
    });
}

#[test]
fn an_endpoint_that_takes_no_upgrades_is_not_asked() {
    run(async {
        let (server, _) = backend(upgraded).await;
        let (_sidecar, address) = before(server).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let told = exchange(&mut stream, UPGRADE, "\n").await;
        assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("UR upstream_upgrade"), "{told}");
        assert!(
            told.contains("enable extended CONNECT there, or speak HTTP/1.1 to outbound/test/speaking:1"),
            "{told}"
        );
    });
}

#[test]
fn a_connection_that_ends_before_it_says_what_it_takes_is_replaced() {
    run(async {
        let connections: Rc<Cell<u32>> = Rc::default();
        let counted = Rc::clone(&connections);
        let server = serve(move |mut stream| {
            counted.set(counted.get() + 1);
            let first = counted.get() == 1;
            async move {
                if first {
                    let mut preface = [0; 24];
                    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut preface).await.unwrap();
                    return;
                }
                let mut streams = server::Builder::new().enable_connect_protocol().handshake(stream).await.unwrap();
                while let Some(Ok((request, respond))) = streams.accept().await {
                    spawn_local(upgraded(Asked { request, respond }));
                }
            }
        })
        .await;
        let (_sidecar, address) = before(server).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let told = exchange(&mut stream, UPGRADE, "\r\n\r\n").await;
        assert!(told.starts_with("HTTP/1.1 101 "), "{told}");
        assert_eq!(connections.get(), 2);
    });
}

/// A manager that passes CONNECT on, or ends it.
fn connecting(server: SocketAddr, terminates: Option<Terminate>) -> HttpConnectionManager {
    connecting_to(&speaking(server, HttpProtocol::Http2), terminates)
}

fn connecting_to(cluster: &Arc<Slot<Cluster>>, terminates: Option<Terminate>) -> HttpConnectionManager {
    let mut manager = manager(cluster, None);
    let RouteSource::Inline(routes) = &manager.routes else { panic!("routes are inline") };
    let mut table = routes.table.clone();
    let all = &mut table.hosts[0].routes;
    let mut connect =
        Route { matches: RouteMatch { path: PathMatch::Connect, ..RouteMatch::prefix("") }, ..all[0].clone() };
    for route in all.iter_mut().chain([&mut connect]) {
        let Action::Forward(forward) = &mut route.action else { panic!("it goes on") };
        forward.upgrades = Some([Upgrade { name: "connect".into(), enabled: true, terminates }].into());
    }
    all.push(connect);
    let routes = Routes { name: routes.name.clone(), table, clusters: routes.clusters.clone() };
    manager.routes = RouteSource::Inline(Arc::new(routes));
    manager
}

const CONNECT: &str = "CONNECT db.test:5432 HTTP/1.1\r\nHost: db.test:5432\r\n\r\n";

#[test]
fn connect_passes_or_ends_here() {
    run(async {
        let (server, _) = backend(upgraded).await;
        let (_sidecar, address) = with(connecting(server, None)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let told = exchange(&mut stream, CONNECT, "\r\n\r\n").await;
        assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.contains("x-asked: CONNECT  none\r\n"), "{told}");
        assert!(!told.contains("content-length"), "{told}");
        assert_eq!(exchange(&mut stream, "ping", "ping").await, "ping");
        let (_sidecar, address) = with(connecting(echo().await, Some(Terminate { post: true }))).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let told = exchange(&mut stream, CONNECT, "\r\n\r\n").await;
        assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && !told.contains("content-length"), "{told}");
        assert_eq!(exchange(&mut stream, "ping", "ping").await, "ping");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nping";
        let told = exchange(&mut stream, post, "0\r\n\r\n").await;
        assert!(told.contains("4\r\nping\r\n"), "{told}");
    });
}

#[test]
fn connections_of_bytes_are_bounded_where_connect_ends_here() {
    run(async {
        let slot = speaking(echo().await, HttpProtocol::Http2);
        let thresholds = Thresholds { max_connections: 1, max_pending_requests: 0, ..Thresholds::default() };
        let breaker = CircuitBreaker::new(thresholds);
        slot.set(Arc::new(Cluster { breaker, ..copied(&slot.get().unwrap()) }));
        let (_sidecar, address) = with(connecting_to(&slot, Some(Terminate { post: true }))).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        assert!(exchange(&mut first, CONNECT, "\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
        let refused = exchange(&mut TcpStream::connect(address).await.unwrap(), CONNECT, "already\n").await;
        assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("UO upstream_overflow"), "{refused}");
        assert_eq!(exchange(&mut first, "ping", "ping").await, "ping");
    });
}
