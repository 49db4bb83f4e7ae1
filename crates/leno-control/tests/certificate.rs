//! Who gets a certificate, and what it opens.

use std::time::{Duration, SystemTime};

use leno_model::{ServiceAccountName, WorkloadName};
use leno_tls::{PrivateKey, Svid};
use leno_xds::{
    ResourceType,
    client::{ClientState, Connection},
};
use tonic::Code;

use crate::world::{Proxy, World, within};

#[tokio::test]
async fn a_certificate_names_whom_the_token_names_and_nobody_else() {
    let world = World::start().await;
    let key = PrivateKey::generate().unwrap();
    let chain = world.sign(&key, &world.token("cart-5", "cart")).await.unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!(chain[1], world.root_pem());
    let svid = Svid::new(&key, &chain.concat()).unwrap();
    assert_eq!(svid.id().to_string(), "spiffe://cluster.local/ns/shop/sa/cart", "and not what the request asked for");
    assert!(world.metrics().await.contains("leno_control_certificates_total{result=\"issued\"} 1"));
    let proxies = world.get("/api/proxies").await;
    let expires = proxies[0]["certificate_expires"].as_f64().unwrap();
    let in_a_day = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() + 24.0 * 3600.0;
    assert!((expires - in_a_day).abs() < 60.0, "{expires}");
}

#[tokio::test]
async fn without_a_good_token_there_is_no_certificate() {
    let world = World::start().await;
    let key = PrivateKey::generate().unwrap();
    let expired = world
        .tokens
        .sign(
            &WorkloadName::new("shop", "cart-5"),
            &ServiceAccountName::new("shop", "cart"),
            Duration::from_secs(60),
            SystemTime::now() - Duration::from_secs(3600),
        )
        .unwrap();
    for token in ["", "nonsense", &expired] {
        let status = world.sign(&key, token).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    }
    assert!(world.metrics().await.contains("leno_control_certificates_total{result=\"unauthenticated\"} 3"));
}

#[tokio::test]
async fn discovery_demands_the_certificate_of_the_very_workload() {
    let world = World::start().await;
    let cart = world.certificate("cart-5", "cart").await;
    let thief = world.certificate("thief-1", "thief").await;
    for (node, identity, reason) in [
        ("shop/cart-5", None, "a client certificate is needed"),
        ("shop/cart-5", Some(thief), "workload shop/cart-5 runs as shop/cart"),
        ("bank/vault-1", Some(cart.clone()), "cannot be workload bank/vault-1"),
        ("nonsense", Some(cart.clone()), "expected NAMESPACE/POD"),
    ] {
        let proxy = Proxy::start(&world, node, identity);
        proxy.subscribe(ResourceType::Listener, &["inbound"]).await;
        let mut state = proxy.handle.state();
        let refused = |state: &ClientState| matches!(&state.connection, Connection::Disconnected { error, .. } if error.contains(reason));
        within(reason, state.wait_for(refused)).await.unwrap();
    }
    let mut proxy = Proxy::start(&world, "shop/cart-5", Some(cart));
    proxy.subscribe(ResourceType::Listener, &["inbound"]).await;
    assert_eq!(proxy.names().await.0, ["inbound"]);
}

#[tokio::test]
async fn a_workload_that_is_not_known_yet_gets_its_own_once_it_is() {
    let world = World::start().await;
    let mut proxy = world.proxy("new-1", "cart").await;
    proxy.subscribe(ResourceType::Listener, &["inbound"]).await;
    assert_eq!(proxy.names().await, (vec![], vec!["inbound".to_owned()]));
    world.write(
        "new",
        r#"
apiVersion: v1
kind: Pod
metadata: {name: new-1, namespace: shop}
spec: {serviceAccountName: cart, containers: [{name: c, image: x}]}
status: {phase: Running, podIP: 10.244.0.9, podIPs: [{ip: 10.244.0.9}], conditions: [{type: Ready, status: "True"}]}
"#,
    );
    assert_eq!(proxy.names().await.0, ["inbound"]);
}

#[tokio::test]
async fn a_certificate_from_elsewhere_does_not_get_through_the_handshake() {
    let (world, elsewhere) = (World::start().await, World::start().await);
    let foreign = elsewhere.certificate("cart-5", "cart").await;
    let proxy = Proxy::start(&world, "shop/cart-5", Some(foreign));
    proxy.subscribe(ResourceType::Listener, &["inbound"]).await;
    let mut state = proxy.handle.state();
    let lost = within("refused", state.wait_for(|s| matches!(s.connection, Connection::Disconnected { .. }))).await;
    drop(lost.unwrap());
    assert!(world.get("/api/proxies").await[0]["connected"] == false);
}
