//! What is bounded, and how who comes too much is told.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use leno_engine::{
    filter::{
        Abort, AbortStatus, Delay, Fault, FilterConfig, HttpFilter, LimitedStatus, Limiter, LocalRateLimit,
        TokenBucket,
        rate_limit::{RateLimitAction, RateLimitRule, VirtualHostLimits},
    },
    fraction::Fraction,
    route::{HeaderEdits, PathMatch},
};
use leno_proxy::{
    config::{HttpConnectionManager, HttpLimits, RouteSource, Routes, Thresholds},
    connection::Direction,
    telemetry::decision::{FilterDecision, FilterName},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    http1::{OK, Script, buffer, chain, exchange, manager, scripted, to_end},
    support::{self, Authority, Sidecar, listener, plain, run, serve, tcp_chain, tcp_proxy},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

fn destination() -> SocketAddr {
    SocketAddr::from(([10, 96, 0, 1], 80))
}

/// A sidecar with this connection manager; the address to dial.
async fn with(manager: HttpConnectionManager) -> (Sidecar, SocketAddr) {
    let sidecar = Sidecar::new(&Authority::new(), "client");
    sidecar.set_destination(destination(), listener(chain(manager)));
    let address = sidecar.open(Direction::Outbound, destination()).await;
    (sidecar, address)
}

/// A server that answers a connection's request only when its body's last byte, which is sent apart, has come.
const HELD: Script = &[("\r\n\r\n!", OK)];

/// Begins a request that is under way until `!` is sent.
async fn begin(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n").await.unwrap();
    stream
}

#[test]
fn requests_above_the_threshold_are_refused_until_others_end() {
    run(async {
        let (server, heard) = scripted(HELD).await;
        let thresholds = Thresholds { max_requests: 1, ..Thresholds::default() };
        let (cluster, endpoint) = support::bounded(server, thresholds);
        let (_sidecar, address) = with(manager(&cluster, None)).await;
        let mut first = begin(address).await;
        support::until(|| endpoint.active() == 1).await;
        let mut second = TcpStream::connect(address).await.unwrap();
        let refused = exchange(&mut second, GET, "already\n").await;
        assert!(
            refused.starts_with("HTTP/1.1 503") && refused.contains("x-leno-reason: UO upstream_overflow"),
            "{refused}"
        );
        exchange(&mut first, "!", "ok").await;
        assert_eq!(heard.borrow().len(), 1, "what was refused went nowhere: {heard:?}");
        let mut third = begin(address).await;
        exchange(&mut third, "!", "ok").await;
    });
}

#[test]
fn requests_wait_for_a_connection_when_that_is_what_is_bounded() {
    run(async {
        let (server, heard) = scripted(HELD).await;
        let thresholds = Thresholds { max_connections: 1, ..Thresholds::default() };
        let (_sidecar, address) = with(manager(&support::bounded(server, thresholds).0, None)).await;
        let (mut first, mut second) = (begin(address).await, begin(address).await);
        second.write_all(b"!").await.unwrap();
        exchange(&mut first, "!", "ok").await;
        exchange(&mut second, "", "ok").await;
        assert_eq!(heard.borrow().iter().filter(|heard| heard.ends_with('!')).count(), 2, "{heard:?}");
    });
}

#[test]
fn connections_of_bytes_above_the_threshold_are_closed() {
    run(async {
        let server = serve(|mut stream| async move {
            let mut piece = [0; 16];
            while let Ok(read @ 1..) = stream.read(&mut piece).await {
                stream.write_all(&piece[..read]).await.unwrap();
            }
        })
        .await;
        let sidecar = Sidecar::new(&Authority::new(), "client");
        let (cluster, _) = support::bounded(server, Thresholds { max_connections: 1, ..Thresholds::default() });
        sidecar.set_destination(destination(), listener(tcp_chain(tcp_proxy(cluster))));
        let address = sidecar.open(Direction::Outbound, destination()).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        exchange(&mut first, "hello", "hello").await;
        assert_eq!(to_end(address, "hello").await, "");
        drop(first);
        let again = async {
            loop {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(b"x").await.unwrap();
                if matches!(stream.read(&mut [0; 1]).await, Ok(1)) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), again).await.unwrap();
    });
}

#[test]
fn a_connection_above_the_limit_is_told_so() {
    run(async {
        let (server, heard) = scripted(&[("\r\n\r\n", OK)]).await;
        let (sidecar, _) = with(manager(&plain(&[server]), None)).await;
        let address = sidecar.open_shed(Direction::Outbound, destination()).await;
        let answer = to_end(address, GET).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        for part in ["x-leno-reason: OM overload\r\n", "connection: close\r\n"] {
            assert!(answer.contains(part), "{part} is missing: {answer}");
        }
        assert!(heard.borrow().is_empty());
    });
}

#[test]
fn bytes_above_the_limit_reach_nobody() {
    run(async {
        let (server, heard) = scripted(&[("x", "y")]).await;
        let sidecar = Sidecar::new(&Authority::new(), "client");
        sidecar.set_destination(destination(), listener(tcp_chain(tcp_proxy(plain(&[server])))));
        let address = sidecar.open_shed(Direction::Outbound, destination()).await;
        assert_eq!(to_end(address, "x").await, "");
        assert!(heard.borrow().is_empty(), "{heard:?}");
    });
}

#[test]
fn a_request_that_takes_too_long_to_arrive_is_given_up() {
    run(async {
        let (server, _) = scripted(HELD).await;
        let limits = HttpLimits { request_timeout: Duration::from_millis(50), ..HttpLimits::default() };
        let manager = HttpConnectionManager { limits, ..manager(&plain(&[server]), None) };
        let (_sidecar, address) = with(manager).await;
        let answer = to_end(address, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
    });
}

#[test]
fn bodies_above_the_limit_are_refused() {
    run(async {
        let (server, heard) = scripted(&[("12345", OK)]).await;
        let filters = vec![buffer(5)];
        let manager = HttpConnectionManager { filters, ..manager(&plain(&[server]), None) };
        let (_sidecar, address) = with(manager).await;
        let fits = to_end(address, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\n12345");
        assert!(fits.await.starts_with("HTTP/1.1 200"));
        let before = heard.borrow().len();
        let said = to_end(address, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n").await;
        assert!(said.starts_with("HTTP/1.1 413") && said.contains("body_too_large"), "{said}");
        assert_eq!(heard.borrow().len(), before, "what says to be too large goes nowhere");
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let unsaid = to_end(address, &format!("{head}3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")).await;
        assert!(unsaid.starts_with("HTTP/1.1 413"), "{unsaid}");
    });
}

#[test]
fn connect_is_refused_unless_it_is_an_upgrade_that_is_passed_on() {
    run(async {
        let script: Script = &[("\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"), ("ping", "pong")];
        let (server, heard) = scripted(script).await;
        let connect = "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n";
        let to_connect = |upgrades: &[&str]| {
            let mut manager = manager(&plain(&[server]), None);
            manager.upgrades.extend(upgrades.iter().map(|name| (*name).into()));
            let RouteSource::Inline(routes) = &manager.routes else { panic!("routes are inline") };
            let mut table = routes.table.clone();
            table.hosts[0].routes[0].matches.path = PathMatch::Connect;
            let clusters = routes.clusters.clone();
            manager.routes = RouteSource::Inline(Arc::new(Routes { name: "connect".into(), table, clusters }));
            manager
        };
        let (_one, address) = with(to_connect(&[])).await;
        let refused = to_end(address, connect).await;
        assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("upgrade_refused"), "{refused}");
        assert!(heard.borrow().is_empty());
        // A prefix does not stand for what has no path.
        let (_two, address) = with(manager(&plain(&[server]), None)).await;
        let unrouted = to_end(address, connect).await;
        assert!(unrouted.starts_with("HTTP/1.1 404"), "{unrouted}");
        let (_three, address) = with(to_connect(&["connect"])).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let answer = exchange(&mut stream, connect, "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        exchange(&mut stream, "ping", "pong").await;
        assert!(heard.borrow()[0].starts_with("CONNECT db:5432 HTTP/1.1\r\n"), "{heard:?}");
    });
}

#[test]
fn paths_go_on_in_the_form_that_they_are_judged_by() {
    run(async {
        let (server, heard) = scripted(&[("\r\n\r\n", OK), ("\r\n\r\n", OK)]).await;
        let (_sidecar, address) = with(manager(&plain(&[server]), None)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        exchange(&mut stream, "GET /public/%2E./x/.././admin?a=/../b HTTP/1.1\r\nHost: x\r\n\r\n", "ok").await;
        exchange(&mut stream, "GET /as/it%20is HTTP/1.1\r\nHost: x\r\n\r\n", "ok").await;
        assert!(heard.borrow()[0].starts_with("GET /admin?a=/../b HTTP/1.1"), "{heard:?}");
        assert!(heard.borrow()[1].starts_with("GET /as/it%20is HTTP/1.1"), "{heard:?}");
    });
}

#[test]
fn what_limits_and_faults_decide_is_counted() {
    run(async {
        let kind = vec![("kind".to_owned(), "any".to_owned())];
        let limit = LocalRateLimit {
            stat_prefix: "limit".into(),
            status: LimitedStatus::default(),
            limiter: Arc::new(Limiter::new(
                None,
                vec![(kind, TokenBucket::new(1, 1, Duration::from_secs(3600)))],
                1,
                false,
            )),
            by_connection: false,
            rules: vec![RateLimitRule {
                actions: vec![RateLimitAction::Generic { key: "kind".into(), value: "any".into() }],
                ..RateLimitRule::default()
            }],
            stage: 0,
            virtual_host: VirtualHostLimits::default(),
            enabled: Fraction::ALL,
            enforced: Fraction::ALL,
            unenforced_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
            tells: false,
            exhausted: false,
        };
        let fault = Fault {
            headers: vec![],
            cluster: None,
            nodes: vec![],
            delay: Some((Delay::Fixed(Duration::from_millis(1)), Fraction::ALL)),
            abort: Some((Abort::Fixed(AbortStatus::Http(500)), Fraction::ALL)),
            body: "".into(),
            max_active: None,
            active: Arc::default(),
        };
        let mut manager = manager(&plain(&["127.0.0.1:9".parse().unwrap()]), None);
        for config in [FilterConfig::LocalRateLimit(Arc::new(limit)), FilterConfig::Fault(Arc::new(fault))] {
            manager.filters.push(HttpFilter { name: "it".into(), disabled: false, config });
        }
        let (sidecar, address) = with(manager).await;
        for status in ["HTTP/1.1 500", "HTTP/1.1 429"] {
            let answer = to_end(address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
            assert!(answer.starts_with(status), "{answer}");
        }
        let totals = sidecar.totals().decisions;
        let counted = |filter: FilterName, decision: FilterDecision| totals[filter as usize][decision as usize];
        assert_eq!(counted(FilterName::LocalRateLimit, FilterDecision::Allowed), 1);
        assert_eq!(counted(FilterName::LocalRateLimit, FilterDecision::OverLimit), 1);
        assert_eq!(counted(FilterName::Fault, FilterDecision::Delayed), 1);
        assert_eq!(counted(FilterName::Fault, FilterDecision::Aborted), 1);
        assert_eq!(totals.iter().flatten().sum::<u64>(), 4);
    });
}
