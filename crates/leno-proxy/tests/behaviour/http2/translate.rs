//! Callers of HTTP/2 whose endpoint speaks HTTP/1.1.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use h2::ext::Protocol;
use http::Request;
use leno_engine::route::{PathMatch, Route, RouteMatch};
use leno_proxy::config::{Cluster, HttpConnectionManager, HttpProtocol, RouteSource, Routes, UpstreamHttp};

use super::{answered, ask, begin, dial, get, piece, post, text, with};
use crate::{
    http1::{Script, manager, scripted},
    support::{run, speaking},
};

/// What a caller gets for GET, and what the endpoint heard.
async fn get_of(script: Script) -> ((u16, String), String) {
    let (server, heard) = scripted(script).await;
    let (_sidecar, address) = with(manager(&speaking(server, HttpProtocol::Http1), None)).await;
    let request = Request::get("http://shop.test/a?b=c")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (status, body) = answered(ask(&dial(address).await, request).await).await;
    let heard = heard.borrow().concat();
    ((status.as_u16(), body), heard)
}

const EMPTY: &str = "\r\n\r\n";

#[test]
fn a_request_without_a_body_has_a_host_and_one_cookie() {
    run(async {
        const CLOSING: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nX-Upper: 1\r\n\r\nuntil the end";
        let (answer, heard) = get_of(&[(EMPTY, CLOSING)]).await;
        assert_eq!(answer, (200, "until the end".to_owned()));
        assert!(heard.starts_with("GET /a?b=c HTTP/1.1\r\nhost: shop.test\r\ncookie: a=1; b=2\r\n"), "{heard}");
        assert!(!heard.contains("te:") && !heard.contains("transfer-encoding") && heard.contains("x-request-id: "));
    });
}

#[test]
fn chunks_become_data_and_interim_answers_pass() {
    run(async {
        const CHUNKED: &str = "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: \
             chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n";
        let (answer, _) = get_of(&[(EMPTY, CHUNKED)]).await;
        assert_eq!(answer, (201, "abcde".to_owned()));
    });
}

#[test]
fn data_becomes_chunks_or_what_was_said_and_the_connection_is_kept() {
    run(async {
        const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let (server, heard) = scripted(&[("0\r\n\r\n", OK), ("five!", OK), (EMPTY, OK)]).await;
        let (_sidecar, address) = with(manager(&speaking(server, HttpProtocol::Http1), None)).await;
        let client = dial(address).await;
        let (response, mut up) = begin(&client, post("/")).await;
        up.send_data(Bytes::from_static(b"abc"), false).unwrap();
        up.send_data(Bytes::new(), true).unwrap();
        assert_eq!(answered(response).await.1, "ok");
        let said = Request::post("http://x/").header("content-length", "5").body(()).unwrap();
        let (response, mut up) = begin(&client, said).await;
        up.send_data(Bytes::from_static(b"five!"), true).unwrap();
        assert_eq!(answered(response).await.1, "ok");
        assert_eq!(answered(ask(&client, Request::post("http://x/").body(()).unwrap()).await).await.1, "ok");
        let heard = heard.borrow();
        assert!(heard[0].ends_with("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "{}", heard[0]);
        assert!(heard[1].contains("content-length: 5\r\n") && !heard[1].contains("chunked"), "{}", heard[1]);
        assert!(heard[2].contains("content-length: 0\r\n"), "{}", heard[2]);
    });
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced() {
    run(async {
        const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let (server, heard) = scripted(&[(EMPTY, OK)]).await;
        let (_sidecar, address) = with(manager(&speaking(server, HttpProtocol::Http1), None)).await;
        let client = dial(address).await;
        for _ in 0..3 {
            assert_eq!(answered(ask(&client, get("/")).await).await.1, "ok");
        }
        assert_eq!(heard.borrow().len(), 3);
    });
}

#[test]
fn answers_that_are_no_http_and_broken_ones_are_told_as_such() {
    run(async {
        let ((status, _), _) = get_of(&[(EMPTY, "SSH-2.0\r\n\r\n")]).await;
        // As callers by HTTP/1.1, and Envoy's, are told.
        assert_eq!(status, 502);
        let ((status, _), _) =
            get_of(&[(EMPTY, "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")]).await;
        assert_eq!(status, 502);
    });
}

/// A manager whose HTTP/2 callers may ask for other protocols, and who passes trailers and CONNECT on.
fn open(server: SocketAddr) -> HttpConnectionManager {
    let mut manager = manager(&speaking(server, HttpProtocol::Http1), None);
    manager.http2.allow_connect = true;
    manager.upgrades.push("connect".into());
    let RouteSource::Inline(routes) = &manager.routes else { panic!("routes are inline") };
    let mut table = routes.table.clone();
    let all = &mut table.hosts[0].routes;
    let connect = RouteMatch { path: PathMatch::Connect, ..RouteMatch::prefix("") };
    all.push(Route { matches: connect, ..all[0].clone() });
    let routes = Routes { name: routes.name.clone(), table, clusters: routes.clusters.clone() };
    manager.routes = RouteSource::Inline(Arc::new(routes));
    manager
}

#[test]
fn an_extended_connect_is_an_upgrade() {
    run(async {
        const SWITCHES: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 0\r\n\r\nhello";
        let (server, heard) = scripted(&[(EMPTY, SWITCHES), ("ping", "pong")]).await;
        let (_sidecar, address) = with(open(server)).await;
        let client = dial(address).await;
        let mut ready = client.clone().ready().await.unwrap();
        while !ready.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        let mut request = Request::connect("http://shop.test/chat")
            .header("sec-websocket-version", "13")
            .header("content-length", "3")
            .body(())
            .unwrap();
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let (response, mut up) = ready.send_request(request, false).unwrap();
        let (parts, mut body) = response.await.unwrap().into_parts();
        assert_eq!(parts.status, 200);
        assert!(parts.headers.get("upgrade").is_none() && parts.headers.get("connection").is_none());
        assert!(parts.headers.get("content-length").is_none(), "what comes through a tunnel is no body");
        assert_eq!(piece(&mut body).await, "hello");
        up.send_data(Bytes::from_static(b"ping"), false).unwrap();
        assert_eq!(piece(&mut body).await, "pong");
        let heard = heard.borrow();
        assert!(heard[0].starts_with("GET /chat HTTP/1.1\r\nhost: shop.test\r\n"), "{}", heard[0]);
        assert!(heard[0].contains("upgrade: websocket\r\n") && heard[0].contains("connection: upgrade\r\n"));
        assert!(!heard[0].contains("transfer-encoding") && heard[1] == "ping");
        assert!(!heard[0].contains("content-length"), "{}", heard[0]);
    });
}

#[test]
fn a_refused_upgrade_is_an_answer() {
    run(async {
        const NO: &str = "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno";
        let (server, _) = scripted(&[(EMPTY, NO)]).await;
        let (_sidecar, address) = with(open(server)).await;
        let client = dial(address).await;
        let mut ready = client.clone().ready().await.unwrap();
        while !ready.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        for (protocol, status) in [("websocket", 426), ("other", 403)] {
            let mut request = Request::connect("http://shop.test/chat").body(()).unwrap();
            request.extensions_mut().insert(Protocol::from_static(protocol));
            let (response, _up) = ready.send_request(request, false).unwrap();
            assert_eq!(response.await.unwrap().status(), status);
            ready = ready.ready().await.unwrap();
        }
    });
}

#[test]
fn connect_stays_connect() {
    run(async {
        let (server, heard) =
            scripted(&[(EMPTY, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nhello"), ("ping", "pong")]).await;
        let (_sidecar, address) = with(open(server)).await;
        let client = dial(address).await;
        let request = Request::connect("db.test:5432").header("content-length", "3").body(()).unwrap();
        let (response, mut up) = begin(&client, request).await;
        let (parts, mut body) = response.await.unwrap().into_parts();
        assert_eq!((parts.status.as_u16(), parts.headers.get("content-length")), (200, None));
        assert_eq!(piece(&mut body).await, "hello");
        up.send_data(Bytes::from_static(b"ping"), true).unwrap();
        assert_eq!(text(&mut body).await, "pong");
        let heard = heard.borrow();
        assert!(heard[0].starts_with("CONNECT db.test:5432 HTTP/1.1\r\nhost: db.test:5432\r\n"), "{}", heard[0]);
        assert!(!heard[0].contains("content-length"), "{}", heard[0]);
    });
}

#[test]
fn trailers_pass_where_the_cluster_says_so() {
    run(async {
        const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\ncontent-length: 3\r\n\r\n";
        for trailers in [false, true] {
            let end = if trailers { "x-own: 2\r\n\r\n" } else { "0\r\n\r\n" };
            let script = Box::leak(Box::new([(end, CHUNKED)]));
            let (server, heard) = scripted(script).await;
            let slot = speaking(server, HttpProtocol::Http1);
            if trailers {
                let cluster = slot.get().unwrap();
                let http = UpstreamHttp { trailers, ..UpstreamHttp::default() };
                slot.set(Arc::new(Cluster { http, ..crate::support::copied(&cluster) }));
            }
            let (_sidecar, address) = with(manager(&slot, None)).await;
            let (response, mut up) = begin(&dial(address).await, post("/")).await;
            up.send_data(Bytes::from_static(b"abc"), false).unwrap();
            up.send_trailers([("x-own".parse().unwrap(), "2".parse().unwrap())].into_iter().collect()).unwrap();
            let (_, mut body) = response.await.unwrap().into_parts();
            assert_eq!(text(&mut body).await, "ok");
            let came = body.trailers().await.unwrap();
            let came = came.map(|came| (came.len(), came["x-sum"] == "1"));
            assert_eq!(came, trailers.then_some((1, true)));
            assert!(heard.borrow()[0].ends_with(end), "{}", heard.borrow()[0]);
        }
    });
}
