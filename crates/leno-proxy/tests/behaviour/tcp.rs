//! Bytes without TLS.

use std::time::{Duration, Instant};

use leno_proxy::connection::Direction;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::{
    Authority, Sidecar, echo, greeter, listener, plain, run, serve, talk, tcp_chain, tcp_proxy, until,
};

#[test]
fn bytes_pass_both_ways_and_half_close_is_kept() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "client");
        let server = echo().await;
        sidecar.set_destination(server, listener(tcp_chain(tcp_proxy(plain(&[server])))));
        let port = sidecar.open(Direction::Outbound, server).await;
        let bytes: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
        assert!(talk(port, &bytes).await.unwrap() == bytes);
        until(|| sidecar.worker.tasks() == 0).await;
        let totals = sidecar.totals();
        let (labels, total) = totals.tcp.iter().next().unwrap();
        assert_eq!((total.opened, total.closed, total.sent, total.received), (1, 1, 8_000_000, 8_000_000));
        assert_eq!(&*labels.source.workload, "client");
        assert_eq!(&*labels.service, "test/plain");
        assert_eq!(&*labels.destination.workload, "server");
    });
}

#[test]
fn an_answer_after_the_clients_end_of_stream_arrives() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "client");
        let server = serve(|mut stream| async move {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.write_all(format!("{} bytes", all.len()).as_bytes()).await.unwrap();
        })
        .await;
        sidecar.set_destination(server, listener(tcp_chain(tcp_proxy(plain(&[server])))));
        let port = sidecar.open(Direction::Outbound, server).await;
        assert_eq!(talk(port, b"12345").await.unwrap(), b"5 bytes");
    });
}

#[test]
fn an_endpoint_that_refuses_is_passed_over() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "client");
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let server = echo().await;
        sidecar.set_destination(server, listener(tcp_chain(tcp_proxy(plain(&[gone, server])))));
        let port = sidecar.open(Direction::Outbound, server).await;
        for _ in 0..20 {
            assert_eq!(talk(port, b"x").await.unwrap(), b"x");
        }
    });
}

#[test]
fn without_endpoints_the_connection_is_closed() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "client");
        let nowhere = "10.9.9.9:9".parse().unwrap();
        sidecar.set_destination(nowhere, listener(tcp_chain(tcp_proxy(plain(&[])))));
        let port = sidecar.open(Direction::Outbound, nowhere).await;
        assert_eq!(talk(port, b"").await.unwrap(), b"");
    });
}

#[test]
fn an_idle_connection_is_closed() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "client");
        let server = greeter().await;
        let mut proxy = tcp_proxy(plain(&[server]));
        proxy.idle_timeout = Duration::from_millis(100);
        sidecar.set_destination(server, listener(tcp_chain(proxy)));
        let port = sidecar.open(Direction::Outbound, server).await;
        let mut stream = TcpStream::connect(port).await.unwrap();
        let mut all = Vec::new();
        let started = Instant::now();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"hello\n");
        assert!(started.elapsed() >= Duration::from_millis(100));
    });
}

#[test]
fn a_destination_that_is_not_known_goes_by_the_outbound_listener() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "client");
        let server = echo().await;
        sidecar.set_outbound(listener(tcp_chain(tcp_proxy(crate::support::original_dst()))));
        let port = sidecar.open(Direction::Outbound, server).await;
        assert_eq!(talk(port, b"through").await.unwrap(), b"through");
        // Registry only: no chain at all.
        let mut none = listener(tcp_chain(tcp_proxy(plain(&[]))));
        none.default_filter_chain = None;
        sidecar.set_outbound(none);
        assert_eq!(talk(port, b"").await.unwrap(), b"");
        assert_eq!(sidecar.denied("unknown_destination"), 1);
    });
}
