//! Limits that sidecars count together in the control plane.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

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
use tonic::{Status, transport::Channel};

use crate::world::{World, within};

type Client = RateLimitServiceClient<Channel>;

/// A connection, with a client certificate or without.
pub(crate) async fn client(world: &World, identity: Option<&Identity>) -> Client {
    RateLimitServiceClient::new(world.channel(identity).await)
}

/// One hit on a limit of two a year.
pub(crate) async fn hit(client: &mut Client, domain: &str) -> Result<Code, Status> {
    let descriptor = RateLimitDescriptor {
        entries: vec![Entry { key: "limit".into(), value: "all".into() }],
        limit: Some(RateLimitOverride { requests_per_unit: 2, unit: 6 }),
        ..Default::default()
    };
    let question = RateLimitRequest { domain: domain.into(), descriptors: vec![descriptor], hits_addend: 0 };
    let answer = within("an answer", client.should_rate_limit(question)).await?;
    Ok(answer.into_inner().overall_code())
}

#[tokio::test]
async fn workloads_of_a_namespace_are_counted_together_and_others_apart() {
    let world = World::start().await;
    let (cart, other) = (world.certificate("cart-5", "cart").await, world.certificate("cart-6", "cart").await);
    let stranger = world.certificate_in("elsewhere", "thief-1", "thief").await;
    let mut codes = Vec::new();
    for identity in [&stranger, &stranger, &cart, &other] {
        codes.push(hit(&mut client(&world, Some(identity)).await, "shop").await.unwrap());
    }
    assert_eq!(codes, [Code::Ok; 4], "nobody uses up what another namespace may have");
    let mut cart = client(&world, Some(&cart)).await;
    assert_eq!(hit(&mut cart, "shop").await.unwrap(), Code::OverLimit);
    assert_eq!(hit(&mut cart, "other").await.unwrap(), Code::Ok);
    let told = world.metrics().await;
    let line = "leno_ratelimit_decisions_total{domain=\"\",rule=\"override\",outcome=\"over_limit\"} 1";
    assert!(told.contains(line), "{told}");
}

#[tokio::test]
async fn only_workloads_with_a_certificate_are_answered() {
    let world = World::start().await;
    let status = hit(&mut client(&world, None).await, "shop").await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unauthenticated, "{status}");
    let cart = world.certificate("cart-5", "cart").await;
    let status = hit(&mut client(&world, Some(&cart)).await, "").await.unwrap_err();
    assert!(status.message().contains("domain is empty"), "{status}");
}

#[tokio::test]
async fn workloads_of_another_trust_domain_are_refused() {
    let world = World::start().await;
    let cart = world.certificate("cart-5", "cart").await;
    let mut cart = client(&world, Some(&cart)).await;
    assert_eq!(hit(&mut cart, "before").await.unwrap(), Code::Ok);
    world.write(
        "mesh",
        "apiVersion: policy.leno.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: leno}\nspec: {trustDomain: other.example}\n",
    );
    let refused = async {
        loop {
            match hit(&mut cart, "after").await {
                Ok(_) => pause().await,
                Err(status) => return status,
            }
        }
    };
    let status = within("the other trust domain counts", refused).await;
    assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status}");
    assert!(status.message().contains("is not of trust domain other.example"), "{status}");
}

/// A pause between two questions.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// A Redis, ended when dropped.
struct Redis(Child);

impl Redis {
    fn start(socket: &Path, folder: &Path) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(socket).arg("--dir").arg(folder);
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
async fn counted(client: &mut Client, domain: &str) -> Code {
    loop {
        match hit(client, domain).await {
            Ok(code) => return code,
            Err(status) => assert_eq!(status.code(), tonic::Code::Unavailable, "{status}"),
        }
        pause().await;
    }
}

#[tokio::test]
#[ignore = "needs Redis: cargo xtask test"]
async fn replicas_count_together_in_redis() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis");
    let url = format!("redis+unix://{}", socket.display());
    let worlds = [World::with(&["--redis", &url]).await, World::with(&["--redis", &url]).await];
    let identities = [worlds[0].certificate("cart-5", "cart").await, worlds[1].certificate("cart-6", "cart").await];
    let mut carts = [client(&worlds[0], Some(&identities[0])).await, client(&worlds[1], Some(&identities[1])).await];
    let status = hit(&mut carts[0], "early").await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "it runs without Redis, and says that it cannot count");
    let _redis = Redis::start(&socket, folder.path());
    let mut codes = Vec::new();
    for index in [0, 1, 0, 1] {
        codes.push(within("it is counted", counted(&mut carts[index], "late")).await);
    }
    assert_eq!(codes, [Code::Ok, Code::Ok, Code::OverLimit, Code::OverLimit]);
    let error = World::try_with(&["--redis", "http://nowhere"]).await.err().expect("it is no address of Redis");
    assert!(format!("{error:#}").contains("--redis"), "{error:#}");
}
