//! Active health checks: who is asked, and who gets requests.

use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use leno_engine::resilience::health::HealthCheck;
use leno_proxy::config::{Cluster, HealthChecker, Question, Slot, health_check::HttpQuestion};

use crate::{
    http1::manager,
    http2::{Asked, answer, answered, ask, backend, dial, get, with},
    support::{checked, run, until},
};

/// Often enough for a test.
fn often() -> HealthCheck {
    let often = Duration::from_millis(20);
    HealthCheck { no_traffic_interval: often, ..HealthCheck::new(Duration::from_secs(2), often, 1, 1) }
}

fn cluster(backends: &[SocketAddr], question: Question) -> Arc<Slot<Cluster>> {
    checked(backends, HealthChecker::new(often(), question))
}

/// A backend whose gRPC health service answers so, and which names itself in all else.
async fn grpc(status: u8, name: &'static str) -> SocketAddr {
    let (address, _) = backend(move |mut asked: Asked| async move {
        if asked.request.uri().path() != "/grpc.health.v1.Health/Check" {
            return answer(&mut asked.respond, 200, name);
        }
        assert_eq!(asked.request.uri().authority().unwrap(), "health");
        let request = asked.request.body_mut().data().await.unwrap().unwrap();
        assert_eq!(&request[5..], b"\x0a\x04shop", "the service is asked for");
        let mut stream = asked.respond.send_response(Response::new(()), false).unwrap();
        stream.send_data(Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 8, status]), false).unwrap();
        stream.send_trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())])).unwrap();
    })
    .await;
    address
}

#[test]
fn only_who_serves_gets_requests() {
    run(async {
        let backends = [grpc(1, "well").await, grpc(2, "unwell").await, grpc(1, "well").await];
        let question = Question::Grpc { service: "shop".into(), authority: "health".into() };
        let (_sidecar, address) = with(manager(&cluster(&backends, question), None)).await;
        let client = dial(address).await;
        for _ in 0..20 {
            assert_eq!(answered(ask(&client, get("/")).await).await.1, "well");
        }
    });
}

#[test]
fn who_recovers_gets_requests_again() {
    run(async {
        let well = Rc::new(Cell::new(true));
        let says = Rc::clone(&well);
        let (address, _) = backend(move |mut asked: Asked| {
            let status = if asked.request.uri().path() == "/healthz" && !says.get() { 503 } else { 200 };
            async move { answer(&mut asked.respond, status, "it") }
        })
        .await;
        let question = Question::Http(Box::new(HttpQuestion {
            method: Method::GET,
            host: "health".into(),
            path: "/healthz".into(),
            headers: HeaderMap::new(),
            http2: true,
            expected: vec![200..201, 204..205],
            retriable: vec![],
        }));
        let cluster = cluster(&[address], question);
        let (_sidecar, address) = with(manager(&cluster, None)).await;
        let client = dial(address).await;
        let status = async || answered(ask(&client, get("/")).await).await.0;
        assert_eq!(status().await, 200);
        let set = cluster.get().unwrap().endpoints(address).await;
        well.set(false);
        until(|| !set.endpoints[0].is_healthy()).await;
        assert_eq!(status().await, 503, "there is nobody else");
        well.set(true);
        until(|| set.endpoints[0].is_healthy()).await;
        assert_eq!(status().await, 200);
    });
}
