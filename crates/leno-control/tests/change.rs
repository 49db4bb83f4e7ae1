//! From a change of a file to the proxies that it concerns.

use leno_proto::{
    any,
    v3::{endpoint::ClusterLoadAssignment, tls::Secret},
};
use leno_xds::ResourceType::{Cluster, Endpoint, Listener, Route, Secret as Secrets};

use crate::world::{Proxy, World, endpoints, within};

const CART: &str = "outbound/shop/cart:80";

#[tokio::test]
async fn a_sidecar_gets_what_its_connections_need_and_follows_endpoints() {
    let world = World::start().await;
    world.write("cart", &endpoints(&[(5, true), (6, false)]));
    let mut proxy = world.proxy("cart-5", "cart").await;
    proxy.subscribe(Secrets, &["trust-bundle"]).await;
    let bundle: Secret = any::unpack(&proxy.next().await.resources[0].body).unwrap();
    assert_eq!(bundle.name, "trust-bundle");
    proxy.subscribe(Listener, &["inbound", "outbound", "outbound/10.96.0.7:80", "outbound/10.96.0.8:80"]).await;
    let (mut told, absent) = proxy.names().await;
    told.sort();
    assert_eq!(told, ["inbound", "outbound", "outbound/10.96.0.7:80"]);
    assert_eq!(absent, ["outbound/10.96.0.8:80"]);
    proxy.subscribe(Route, &[CART]).await;
    assert_eq!(proxy.names().await.0, [CART]);
    proxy.subscribe(Cluster, &[CART]).await;
    assert_eq!(proxy.names().await.0, [CART]);
    proxy.subscribe(Endpoint, &[CART]).await;
    addresses(&mut proxy, 1).await;

    // The second pod becomes ready: nothing but endpoints changes, as its service account is known already.
    world.write("cart", &endpoints(&[(5, true), (6, true)]));
    addresses(&mut proxy, 2).await;
    world.write("cart", &endpoints(&[(6, true)]));
    addresses(&mut proxy, 1).await;
    assert!(world.metrics().await.contains("leno_control_convergence_seconds_count{type=\"endpoint\"}"));
}

/// Waits until the cart has this many endpoints.
async fn addresses(proxy: &mut Proxy, expected: usize) {
    loop {
        let update = proxy.next().await;
        if update.resource_type != Endpoint {
            continue;
        }
        let assignment: ClusterLoadAssignment = any::unpack(&update.resources[0].body).unwrap();
        let found: usize = assignment.endpoints.iter().map(|locality| locality.lb_endpoints.len()).sum();
        if found == expected {
            return;
        }
    }
}

#[tokio::test]
async fn what_does_not_concern_a_proxy_does_not_reach_it() {
    let world = World::start().await;
    let mut proxy = world.proxy("cart-5", "cart").await;
    proxy.subscribe(Listener, &["inbound"]).await;
    proxy.next().await;
    world.write(
        "other",
        r#"
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec: {clusterIP: 10.96.0.99, ports: [{name: http, port: 80}]}
"#,
    );
    assert!(proxy.silent().await);
    assert_eq!(world.get("/api/mesh").await["services"], 2);
}

#[tokio::test]
async fn a_broken_file_keeps_the_last_good_state_and_is_reported() {
    let world = World::start().await;
    world.write("cart", &endpoints(&[(5, true)]));
    let mut proxy = world.proxy("cart-5", "cart").await;
    proxy.subscribe(Endpoint, &[CART]).await;
    addresses(&mut proxy, 1).await;
    world.write("cart", &endpoints(&[(5, true)]).replace("10.244.0.5", "not-an-address"));
    assert!(proxy.silent().await);
    let status = world.get("/api/objects/status").await;
    let invalid = status["invalid"].as_array().unwrap();
    assert!(invalid[0]["value"].as_str().unwrap().contains("not-an-address"), "{status}");
    world.delete("cart");
    world.write("cart", &endpoints(&[(5, true), (6, true)]));
    addresses(&mut proxy, 2).await;
}

#[tokio::test]
async fn what_a_proxy_was_told_is_shown() {
    let world = World::start().await;
    let mut proxy = world.proxy("cart-5", "cart").await;
    proxy.subscribe(Listener, &["inbound", "outbound/10.96.0.7:80"]).await;
    proxy.next().await;
    proxy.subscribe(Cluster, &[CART]).await;
    proxy.next().await;
    within("acknowledged", async {
        while world.get("/api/proxies").await[0]["stale"] == true {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    let proxies = world.get("/api/proxies").await;
    let it = &proxies[0];
    assert_eq!((&it["namespace"], &it["pod"], &it["connected"]), (&"shop".into(), &"cart-5".into(), &true.into()));
    assert_eq!(
        (&it["protocol"], &it["refusing"], &it["service_account"]),
        (&"delta".into(), &false.into(), &"cart".into())
    );
    assert_eq!(it["types"][0]["type"], "cluster");
    assert_eq!(it["types"][0]["version_acknowledged"], it["types"][0]["version_sent"]);
    let config = world.get("/api/config/shop/cart-5").await;
    let resources = config["resources"].as_array().unwrap();
    let shown: Vec<_> = resources.iter().map(|resource| resource["name"].as_str().unwrap()).collect();
    assert_eq!(shown, [CART, "inbound", "outbound/10.96.0.7:80"]);
    for resource in resources {
        assert_eq!(resource["resource"]["name"], resource["name"], "{resource}");
    }
    assert!(world.get("/api/config/shop/none").await["message"].as_str().unwrap().contains("shop/none"));
    assert_eq!(world.get("/nowhere").await["message"], "there is no such path");
}

#[tokio::test]
async fn a_restarted_control_plane_resends_nothing_that_is_unchanged() {
    let world = World::start().await;
    world.write("cart", &endpoints(&[(5, true)]));
    let mut proxy = world.proxy("cart-5", "cart").await;
    proxy.subscribe(Endpoint, &[CART]).await;
    addresses(&mut proxy, 1).await;
    proxy.subscribe(Listener, &["inbound"]).await;
    proxy.next().await;
    let world = within("a restart", world.restart()).await;
    let mut state = proxy.handle.state();
    within("connected again", state.wait_for(|state| state.streams == 2 && state.is_connected())).await.unwrap();
    assert!(proxy.silent().await);
    world.write("cart", &endpoints(&[(5, true), (6, true)]));
    addresses(&mut proxy, 2).await;
    // It did not issue the certificate, but it has seen it.
    assert!(world.get("/api/proxies").await[0]["certificate_expires"].is_f64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_reaches_two_hundred_proxies_at_once() {
    let world = World::start().await;
    world.write("cart", &endpoints(&[(5, true)]));
    let identity = world.certificate("cart-5", "cart").await;
    let mut proxies = Vec::new();
    for _ in 0..200 {
        let proxy = Proxy::start(&world, "shop/cart-5", Some(identity.clone()));
        proxy.subscribe(Endpoint, &[CART]).await;
        proxies.push(proxy);
    }
    for proxy in &mut proxies {
        addresses(proxy, 1).await;
    }
    let started = std::time::Instant::now();
    world.write("cart", &endpoints(&[(5, true), (6, true)]));
    for proxy in &mut proxies {
        addresses(proxy, 2).await;
    }
    let took = started.elapsed();
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
}
