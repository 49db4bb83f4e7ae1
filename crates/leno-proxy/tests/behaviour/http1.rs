//! HTTP/1.1 through the sidecar, byte by byte.

use std::{cell::RefCell, collections::HashMap, net::SocketAddr, num::NonZeroU32, rc::Rc, sync::Arc, time::Duration};

use leno_engine::{
    authorization::{Action, Permission, Policy, Principal, Rbac},
    filter::{AccessControl, FilterConfig, HttpFilter, Overrides},
    host_rules::HostRules,
    matcher::{StringMatch, StringMatcher},
    normalize::PathRules,
    route::{Domain, Forward, HeaderEdits, Route, RouteMatch, RouteTable, VirtualHost},
};
use leno_proxy::{
    config::{
        ChainMatch, Cluster, Codec, FilterChain, Forwarding, Http2Options, HttpConnectionManager, HttpLimits, Life,
        RouteSource, Routes, SchemeRule, Slot, Terminal, Underscores,
    },
    connection::Direction,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Authority, Sidecar, listener, plain, run, serve};

/// A connection manager that sends everything to one cluster.
pub fn manager(cluster: &Arc<Slot<Cluster>>, rbac: Option<Rbac>) -> HttpConnectionManager {
    let route = Route {
        name: "all".into(),
        matches: RouteMatch::prefix("/"),
        action: leno_engine::route::Action::Forward(Forward::to(cluster.name())),
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        filters: Overrides::default(),
        origins: Box::default(),
    };
    let host = VirtualHost { domains: vec![Domain::Any], routes: vec![route], ..VirtualHost::default() };
    let routes = Routes {
        name: cluster.name().clone(),
        table: RouteTable { hosts: vec![host], ..RouteTable::default() },
        clusters: [(Box::from(&**cluster.name()), Arc::clone(cluster))].into(),
    };
    HttpConnectionManager {
        stat_prefix: Arc::clone(cluster.name()),
        codec: Codec::Auto,
        routes: RouteSource::Inline(Arc::new(routes)),
        filters: rbac.into_iter().map(access).collect(),
        services: HashMap::new(),
        limits: HttpLimits { idle_timeout: Duration::from_secs(5), ..HttpLimits::default() },
        paths: PathRules { normalize: true, ..PathRules::default() },
        hosts: HostRules::default(),
        forwarding: Forwarding::default(),
        upgrades: vec!["websocket".into()],
        http2: Http2Options::downstream(),
        trailers: false,
        underscores: Underscores::default(),
        scheme: SchemeRule::default(),
        local_replies: None,
        access_log: true,
    }
}

/// A filter with these rules.
fn access(rules: Rbac) -> HttpFilter {
    let config = FilterConfig::AccessControl(AccessControl { rules: Some(rules), ..AccessControl::default() }.into());
    HttpFilter { name: "rbac".into(), disabled: false, config }
}

/// A filter that lets bodies of so many bytes through.
pub fn buffer(bytes: u32) -> HttpFilter {
    let config = FilterConfig::Buffer(NonZeroU32::new(bytes).unwrap());
    HttpFilter { name: "buffer".into(), disabled: false, config }
}

/// A chain that ends in a connection manager.
pub fn chain(manager: HttpConnectionManager) -> FilterChain {
    FilterChain {
        name: "http".into(),
        matches: ChainMatch::default(),
        tls: None,
        guards: vec![],
        terminal: Terminal::Http(Arc::new(manager)),
        origins: Box::default(),
        life: Life::default(),
    }
}

/// A sidecar whose application's connections all go to these endpoints; the address to dial.
pub async fn sidecar(endpoints: &[SocketAddr], rbac: Option<Rbac>) -> (Sidecar, SocketAddr) {
    let sidecar = Sidecar::new(&Authority::new(), "client");
    let destination = SocketAddr::from(([10, 96, 0, 1], 80));
    sidecar.set_destination(destination, listener(chain(manager(&plain(endpoints), rbac))));
    let address = sidecar.open(Direction::Outbound, destination).await;
    (sidecar, address)
}

/// Another one, when the first has its name already.
async fn again(endpoints: &[SocketAddr]) -> (Sidecar, SocketAddr) {
    sidecar(endpoints, None).await
}

/// What a scripted server does when the request so far ends like this: answer, and go on or close.
pub type Script = &'static [(&'static str, &'static str)];

/// A server that answers each `(end of request, answer)` of its script in turn on every connection and then closes.
/// What it heard is noted, connection by connection.
pub async fn scripted(script: Script) -> (SocketAddr, Rc<RefCell<Vec<String>>>) {
    let heard: Rc<RefCell<Vec<String>>> = Rc::default();
    let noted = Rc::clone(&heard);
    let address = serve(move |mut stream| {
        let noted = Rc::clone(&noted);
        async move {
            for (end, answer) in script {
                let mut request = String::new();
                while !request.ends_with(end) {
                    let mut piece = [0; 1024];
                    match stream.read(&mut piece).await {
                        Ok(read @ 1..) => request.push_str(&String::from_utf8_lossy(&piece[..read])),
                        Ok(0) | Err(_) => return noted.borrow_mut().push(request + "<closed>"),
                    }
                }
                noted.borrow_mut().push(request);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    (address, heard)
}

/// Sends bytes and reads until what came ends like this.
pub async fn exchange(stream: &mut TcpStream, request: &str, end: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with(end) {
        let mut piece = [0; 1024];
        match stream.read(&mut piece).await {
            Ok(read @ 1..) => answer.push_str(&String::from_utf8_lossy(&piece[..read])),
            other => panic!("{other:?} after {answer:?}, expected the end {end:?}"),
        }
    }
    answer
}

/// Sends bytes and reads to the end of the connection.
pub async fn to_end(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    drop(stream.write_all(request.as_bytes()).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn requests_share_connections_and_hop_by_hop_fields_stay() {
    run(async {
        let (server, heard) = scripted(&[("\r\n\r\n", OK), ("\r\n\r\n", OK)]).await;
        let (_sidecar, address) = sidecar(&[server], None).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET /a?b HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Stay: 2\r\n\
                       X-Forwarded-Client-Cert: forged\r\n\r\n";
        let first = exchange(&mut stream, request, "ok").await;
        assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
        exchange(&mut stream, "GET /second HTTP/1.1\r\nHost: x\r\n\r\n", "ok").await;
        let heard = heard.borrow();
        assert_eq!(heard.len(), 2, "both came over one connection: {heard:?}");
        assert!(heard[0].starts_with("GET /a?b HTTP/1.1\r\nhost: x\r\nX-Stay: 2\r\n"), "{heard:?}");
        for gone in ["X-Hop", "keep-alive", "forged"] {
            assert!(!heard[0].contains(gone), "{gone} was passed on: {heard:?}");
        }
        for set in ["x-request-id: ", "traceparent: 00-", "x-forwarded-proto: http"] {
            assert!(heard[0].contains(set), "{set} is missing: {heard:?}");
        }
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    run(async {
        let (server, heard) = scripted(&[("\r\n\r\n", OK), ("\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n")]).await;
        let (_sidecar, address) = sidecar(&[server], None).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let two = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n";
        let answers = exchange(&mut stream, two, "204 No Content\r\n\r\n").await;
        assert!(answers.starts_with("HTTP/1.1 200"), "{answers}");
        assert!(heard.borrow()[0].starts_with("GET /1") && heard.borrow()[1].starts_with("GET /2"), "{heard:?}");
    });
}

#[test]
fn chunks_and_trailers_pass_as_they_are() {
    run(async {
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-end: 1\r\n\r\n";
        let script: Script = Box::leak(Box::new([("x-t: 1\r\n\r\n", answer)]));
        let (server, heard) = scripted(script).await;
        let (_sidecar, address) = sidecar(&[server], None).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let came = exchange(&mut stream, "3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n", "x-end: 1\r\n\r\n").await;
        assert!(came.ends_with("2\r\nok\r\n0\r\nx-end: 1\r\n\r\n"), "{came}");
        assert!(heard.borrow()[0].ends_with("3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"), "{heard:?}");
    });
}

#[test]
fn a_caller_that_waits_for_100_is_told() {
    run(async {
        let script: Script = &[("\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"), ("body", OK)];
        let (server, _) = scripted(script).await;
        let (_sidecar, address) = sidecar(&[server], None).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
        let interim = exchange(&mut stream, head, "\r\n\r\n").await;
        assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
        exchange(&mut stream, "body", "ok").await;
    });
}

#[test]
fn an_early_answer_ends_the_connection() {
    run(async {
        let script: Script = &[("abc", "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")];
        let (server, _) = scripted(script).await;
        let (_sidecar, address) = sidecar(&[server], None).await;
        let answer = to_end(address, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\nabc").await;
        assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("connection: close"), "{answer}");
    });
}

#[test]
fn head_answers_have_no_body_and_http10_gets_no_chunks() {
    run(async {
        let script: Script = &[("\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"), ("\r\n\r\n", OK)];
        let (server, heard) = scripted(script).await;
        let (_sidecar, address) = sidecar(&[server], None).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        exchange(&mut stream, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "content-length: 1000\r\n\r\n").await;
        exchange(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "ok").await;
        assert_eq!(heard.borrow().len(), 2);

        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n";
        let script: Script = Box::leak(Box::new([("\r\n\r\n", chunked)]));
        let (server, heard) = scripted(script).await;
        let (_sidecar, address) = again(&[server]).await;
        let answer = to_end(address, "GET / HTTP/1.0\r\n\r\n").await;
        assert!(answer.ends_with("\r\n\r\nok!") && !answer.contains("chunked"), "{answer}");
        assert!(heard.borrow()[0].starts_with("GET / HTTP/1.1\r\n"), "{heard:?}");
    });
}

#[test]
fn an_answer_that_ends_with_the_connection_is_passed_on() {
    run(async {
        let (server, _) = scripted(&[("\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nuntil the end")]).await;
        let (_sidecar, address) = sidecar(&[server], None).await;
        let answer = to_end(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.ends_with("until the end") && answer.contains("connection: close"), "{answer}");
    });
}

#[test]
fn a_broken_answer_breaks_the_callers_connection_too() {
    run(async {
        let (server, _) = scripted(&[("\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")]).await;
        let (_sidecar, address) = sidecar(&[server], None).await;
        let answer = to_end(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.ends_with("half"), "{answer}");
    });
}

#[test]
fn upgrades_become_tunnels() {
    run(async {
        let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst";
        let script: Script = Box::leak(Box::new([("\r\n\r\n", switch), ("ping", "pong")]));
        let (server, heard) = scripted(script).await;
        let (_sidecar, address) = sidecar(&[server], None).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let ask = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let answer = exchange(&mut stream, ask, "first").await;
        assert!(answer.starts_with("HTTP/1.1 101") && answer.contains("connection: upgrade"), "{answer}");
        exchange(&mut stream, "ping", "pong").await;
        assert!(heard.borrow()[0].contains("upgrade: websocket\r\n"), "{heard:?}");
    });
}

#[test]
fn a_closed_kept_connection_is_replaced_for_safe_requests_only() {
    run(async {
        // The server closes after each answer without saying so before.
        let (server, heard) = scripted(&[("\r\n\r\n", OK)]).await;
        let (sidecar, address) = sidecar(&[server], None).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        for _ in 0..10 {
            exchange(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "ok").await;
        }
        assert_eq!(heard.borrow().iter().filter(|request| request.starts_with("GET")).count(), 10);
        drop(sidecar);
    });
}

#[test]
fn another_endpoint_is_tried_when_one_cannot_be_reached() {
    run(async {
        let (server, _) = scripted(&[("\r\n\r\n", OK), ("\r\n\r\n", OK), ("\r\n\r\n", OK)]).await;
        let nobody = {
            let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            closed.local_addr().unwrap()
        };
        let (_sidecar, address) = sidecar(&[nobody, server], None).await;
        for _ in 0..8 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            exchange(&mut stream, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "ok").await;
        }
    });
}

#[test]
fn failures_are_answered_with_their_reason() {
    run(async {
        let (_sidecar, address) = sidecar(&[], None).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let answer = exchange(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "ready endpoint\n").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("x-leno-reason: UH"), "{answer}");
        // The connection goes on.
        exchange(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "ready endpoint\n").await;

        let (server, _) = scripted(&[("\r\n\r\n", "no HTTP\r\n\r\n")]).await;
        let (_sidecar, address) = again(&[server]).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let answer = exchange(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\n").await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    });
}

#[test]
fn ambiguous_requests_reach_nobody() {
    run(async {
        let (server, heard) = scripted(&[("\r\n\r\n", OK)]).await;
        let (_sidecar, address) = sidecar(&[server], None).await;
        for (request, status) in [
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"),
            ("GET / HTTP/1.1\nHost: x\n\n", "400"),
            ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501"),
            ("GET / HTTP/1.9\r\nHost: x\r\n\r\n", "505"),
        ] {
            let answer = to_end(address, request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {answer:?}");
            assert!(answer.contains("connection: close"), "{answer:?}");
        }
        let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(70_000));
        let answer = to_end(address, &large).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer:?}");
        assert!(heard.borrow().is_empty(), "{heard:?}");
    });
}

#[test]
fn who_may_not_call_is_told_why() {
    run(async {
        let (server, heard) = scripted(&[("\r\n\r\n", OK)]).await;
        let path = StringMatcher { fits: StringMatch::Prefix("/open".into()), ignore_case: false };
        let policy =
            Policy { name: "p".into(), permissions: vec![Permission::UrlPath(path)], principals: vec![Principal::Any] };
        let rbac = Rbac { action: Action::Allow, policies: vec![policy] };
        let (sidecar, address) = sidecar(&[server], Some(rbac)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let answer = exchange(&mut stream, "GET /closed HTTP/1.1\r\nHost: x\r\n\r\n", "allows it\n").await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("x-leno-denied-by"), "{answer}");
        exchange(&mut stream, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n", "ok").await;
        // What a path means is judged, not how it is written.
        let around = exchange(&mut stream, "GET /open/../closed HTTP/1.1\r\nHost: x\r\n\r\n", "allows it\n").await;
        assert!(around.starts_with("HTTP/1.1 403"), "{around}");
        // Some servers decode slashes before they resolve dots.
        let hidden = "GET /open/%2e.%2fclosed HTTP/1.1\r\nHost: x\r\n\r\n";
        let hidden = exchange(&mut stream, hidden, "resolved\n").await;
        assert!(hidden.starts_with("HTTP/1.1 400"), "{hidden}");
        assert_eq!(heard.borrow().len(), 1);
        assert_eq!(sidecar.denied("access_denied"), 2);
    });
}
