//! Finding out what is spoken where nothing is declared.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use leno_proxy::{
    config::{Inspect, Listener},
    connection::Direction,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    Authority, Sidecar, echo, greeter, listener, meshed, original_dst, plain, run, strict_inbound, talk, tcp_chain,
    tcp_proxy, until,
};

/// What the compiler makes of a port without a protocol; here the chain for HTTP passes bytes as well.
fn detecting(server: std::net::SocketAddr) -> Listener {
    let mut http = tcp_chain(tcp_proxy(plain(&[server])));
    http.matches.application_protocols = vec!["http/1.0".into(), "http/1.1".into(), "h2c".into()];
    Listener {
        name: "detect".into(),
        filter_chains: vec![Arc::new(http)],
        default_filter_chain: Some(Arc::new(tcp_chain(tcp_proxy(plain(&[server]))))),
        introduction: None,
        inspect: Inspect { tls: false, http: true, timeout: Duration::from_secs(5), continue_on_timeout: true },
    }
}

#[test]
fn a_server_that_speaks_first_is_heard_without_a_stall() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "client");
        let server = greeter().await;
        sidecar.set_destination(server, detecting(server));
        let port = sidecar.open(Direction::Outbound, server).await;
        for _ in 0..2 {
            let started = Instant::now();
            let mut stream = TcpStream::connect(port).await.unwrap();
            let mut greeting = [0; 6];
            stream.read_exact(&mut greeting).await.unwrap();
            assert_eq!(&greeting, b"hello\n");
            assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
            stream.write_all(b"and back").await.unwrap();
            let mut answer = [0; 8];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"and back");
        }
    });
}

#[test]
fn bytes_looked_at_are_not_lost() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "client");
        let server = echo().await;
        sidecar.set_destination(server, detecting(server));
        let port = sidecar.open(Direction::Outbound, server).await;
        for parts in [&["GE", "T / HTTP/1.1\r\n\r\n"][..], &["P", "ING\r\n"], &["\u{16}", "\u{3}abc"], &["slow"]] {
            let mut stream = TcpStream::connect(port).await.unwrap();
            for part in parts {
                stream.write_all(part.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            stream.shutdown().await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, parts.concat());
        }
    });
}

#[test]
fn a_client_that_says_nothing_and_leaves_is_forgotten() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "client");
        let server = echo().await;
        sidecar.set_destination(server, detecting(server));
        let port = sidecar.open(Direction::Outbound, server).await;
        drop(TcpStream::connect(port).await.unwrap());
        until(|| sidecar.worker.tasks() == 0).await;
    });
}

/// What the compiler makes of a permissive workload, for bytes.
fn permissive() -> Listener {
    let raw = tcp_chain(tcp_proxy(original_dst()));
    let mut strict = strict_inbound(None);
    strict.default_filter_chain = Some(Arc::new(raw));
    strict.inspect = Inspect { tls: true, http: true, timeout: Duration::from_secs(5), continue_on_timeout: true };
    strict
}

#[test]
fn an_application_that_speaks_first_is_heard_in_plaintext_too() {
    run(async {
        let authority = Authority::new();
        let inbound = Sidecar::new(&authority, "server");
        inbound.set_inbound(permissive());
        let server = greeter().await;
        let port = inbound.open(Direction::Inbound, server).await;
        for _ in 0..2 {
            let started = Instant::now();
            let mut stream = TcpStream::connect(port).await.unwrap();
            let mut greeting = [0; 6];
            stream.read_exact(&mut greeting).await.unwrap();
            assert!(started.elapsed() < Duration::from_secs(4));
            stream.write_all(b"more").await.unwrap();
            stream.read_exact(&mut greeting[..4]).await.unwrap();
            assert_eq!(&greeting[..4], b"more");
        }
        // Mesh TLS that comes late is still mesh TLS.
        let outbound = Sidecar::new(&authority, "client");
        let service = "10.96.0.1:80".parse().unwrap();
        let cluster = meshed(&[port], &["server"]);
        outbound.set_destination(service, listener(tcp_chain(tcp_proxy(cluster))));
        let port = outbound.open(Direction::Outbound, service).await;
        assert_eq!(talk(port, b"x").await.unwrap(), b"hello\nx");
        assert_eq!(inbound.handshakes("ok"), 1);
    });
}
