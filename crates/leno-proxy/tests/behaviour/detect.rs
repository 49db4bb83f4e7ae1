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

use crate::support::{Authority, Sidecar, echo, greeter, plain, run, tcp_chain, tcp_proxy, until};

/// What the compiler makes of a port without a protocol; here the chain for HTTP passes bytes as well.
fn detecting(server: std::net::SocketAddr) -> Listener {
    let mut http = tcp_chain(tcp_proxy(plain(&[server])));
    http.matches.application_protocols = vec!["http/1.0".into(), "http/1.1".into(), "h2c".into()];
    Listener {
        name: "detect".into(),
        filter_chains: vec![Arc::new(http)],
        default_filter_chain: Some(Arc::new(tcp_chain(tcp_proxy(plain(&[server]))))),
        inspect: Inspect {
            tls: false,
            http: true,
            timeout: Duration::from_secs(5),
            continue_on_timeout: true,
        },
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
            assert!(
                started.elapsed() < Duration::from_secs(1),
                "{:?}",
                started.elapsed()
            );
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
        for parts in [
            &["GE", "T / HTTP/1.1\r\n\r\n"][..],
            &["P", "ING\r\n"],
            &["\u{16}", "\u{3}abc"],
            &["slow"],
        ] {
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
