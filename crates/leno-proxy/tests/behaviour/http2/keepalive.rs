//! Pings, and the longest lives of connections and streams.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use leno_proxy::config::{Cluster, Http2Keepalive, HttpLimits, HttpProtocol, UpstreamHttp};
use tokio::io::AsyncReadExt as _;

use super::{Asked, answer, answered, ask, backend, dial, get, with};
use crate::{
    http1::{exchange, manager},
    support::{copied, run, serve, speaking},
};

const SHORT: Duration = Duration::from_millis(50);

fn pings() -> Http2Keepalive {
    Http2Keepalive { interval: Some(SHORT), timeout: SHORT, jitter: 0.0, idle: None }
}

#[test]
fn an_endpoint_that_answers_no_pings_is_given_up() {
    run(async {
        let silent = serve(|mut stream| async move {
            let mut piece = [0; 1024];
            while matches!(stream.read(&mut piece).await, Ok(1..)) {}
        })
        .await;
        let slot = speaking(silent, HttpProtocol::Http2);
        let mut http = UpstreamHttp::default();
        http.http2.keepalive = Some(pings());
        slot.set(Arc::new(Cluster { http, ..copied(&slot.get().unwrap()) }));
        let (_sidecar, address) = with(manager(&slot, None)).await;
        let (status, _) = answered(ask(&dial(address).await, get("/")).await).await;
        assert_eq!(status, 503);
    });
}

#[test]
fn connections_serve_so_many_requests() {
    run(async {
        let (server, _) = backend(|Asked { mut respond, .. }| async move { answer(&mut respond, 200, "ok") }).await;
        let mut manager = manager(&speaking(server, HttpProtocol::Http2), None);
        manager.limits = HttpLimits { max_requests: NonZeroU32::new(2), ..HttpLimits::default() };
        let (_sidecar, address) = with(manager).await;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let first = exchange(&mut stream, request, "0\r\n\r\n").await;
        let second = exchange(&mut stream, request, "0\r\n\r\n").await;
        assert!(!first.contains("connection: close") && second.contains("connection: close"), "{first}{second}");
        let client = dial(address).await;
        for _ in 0..2 {
            assert_eq!(answered(ask(&client, get("/")).await).await.1, "ok");
        }
        // GOAWAY: the connection takes no third.
        let refused = match client.clone().ready().await {
            Err(_) => true,
            Ok(mut ready) => match ready.send_request(get("/"), true) {
                Err(_) => true,
                Ok((response, _)) => response.await.is_err(),
            },
        };
        assert!(refused);
    });
}
