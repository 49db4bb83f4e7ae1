//! Limits that sidecars count together in the control plane.

use std::process::{Child, Command, Stdio};

use leno_proto::envoy::{
    extensions::common::ratelimit::v3::{
        RateLimitDescriptor,
        rate_limit_descriptor::{Entry, RateLimitOverride},
    },
    service::ratelimit::v3::{
        RateLimitRequest, rate_limit_response::Code, rate_limit_service_client::RateLimitServiceClient,
    },
};
use leno_tls::Identity;
use tonic::Status;

use crate::world::{World, within};

/// One hit on a limit of two a year.
async fn hit(world: &World, identity: Option<&Identity>, domain: &str) -> Result<Code, Status> {
    let descriptor = RateLimitDescriptor {
        entries: vec![Entry { key: "limit".into(), value: "all".into() }],
        limit: Some(RateLimitOverride { requests_per_unit: 2, unit: 6 }),
        ..Default::default()
    };
    let question = RateLimitRequest { domain: domain.into(), descriptors: vec![descriptor], hits_addend: 0 };
    let mut client = RateLimitServiceClient::new(world.channel(identity).await);
    let answer = within("an answer", client.should_rate_limit(question)).await?;
    Ok(answer.into_inner().overall_code())
}

#[tokio::test]
async fn workloads_of_a_namespace_are_counted_together_and_others_apart() {
    let world = World::start().await;
    let (cart, other) = (world.certificate("cart-5", "cart").await, world.certificate("cart-6", "cart").await);
    let stranger = world.certificate_in("elsewhere", "thief-1", "thief").await;
    let mut codes = Vec::new();
    for (identity, domain) in [(&stranger, "shop"), (&stranger, "shop"), (&cart, "shop"), (&other, "shop")] {
        codes.push(hit(&world, Some(identity), domain).await.unwrap());
    }
    assert_eq!(codes, [Code::Ok; 4], "nobody uses up what another namespace may have");
    assert_eq!(hit(&world, Some(&cart), "shop").await.unwrap(), Code::OverLimit);
    assert_eq!(hit(&world, Some(&cart), "other").await.unwrap(), Code::Ok);
    let told = world.metrics().await;
    let line = "leno_ratelimit_decisions_total{domain=\"\",rule=\"override\",outcome=\"over_limit\"} 1";
    assert!(told.contains(line), "{told}");
}

#[tokio::test]
async fn only_workloads_with_a_certificate_are_answered() {
    let world = World::start().await;
    let status = hit(&world, None, "shop").await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unauthenticated, "{status}");
    let cart = world.certificate("cart-5", "cart").await;
    let status = hit(&world, Some(&cart), "").await.unwrap_err();
    assert!(status.message().contains("domain is empty"), "{status}");
}

/// A Redis, ended when dropped.
struct Redis(Child);

impl Redis {
    fn start(port: u16, folder: &std::path::Path) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder);
        Self(command.stdout(Stdio::null()).spawn().expect("redis-server starts"))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Asks until it is counted; the first answer.
async fn counted(world: &World, identity: &Identity, domain: &str) -> Code {
    loop {
        match hit(world, Some(identity), domain).await {
            Ok(code) => return code,
            Err(status) => assert_eq!(status.code(), tonic::Code::Unavailable, "{status}"),
        }
    }
}

#[tokio::test]
#[ignore = "needs Redis: cargo xtask test"]
async fn replicas_count_together_in_redis() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("redis://127.0.0.1:{port}");
    let worlds = [World::with(&["--redis", &url]).await, World::with(&["--redis", &url]).await];
    let carts = [worlds[0].certificate("cart-5", "cart").await, worlds[1].certificate("cart-6", "cart").await];
    let status = hit(&worlds[0], Some(&carts[0]), "early").await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "it runs without Redis, and says that it cannot count");
    let _redis = Redis::start(port, worlds[0].folder.path());
    let mut codes = Vec::new();
    for index in [0, 1, 0, 1] {
        codes.push(within("it is counted", counted(&worlds[index], &carts[index], "late")).await);
    }
    assert_eq!(codes, [Code::Ok, Code::Ok, Code::OverLimit, Code::OverLimit]);
    let error = World::try_with(&["--redis", "http://nowhere"]).await.err().expect("it is no address of Redis");
    assert!(format!("{error:#}").contains("--redis"), "{error:#}");
}
