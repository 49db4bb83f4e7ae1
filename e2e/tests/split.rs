//! Traffic split by weight and by header.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, client, mesh_config, meshed_namespace, service, service_with, traffic_split},
    wait,
};

fn manifests() -> Vec<String> {
    let mut shop = meshed_namespace("shop") + &client("shop", "client", "") + &mesh_config("defaultAccess: Allow");
    for name in ["v1", "v2"] {
        let mut server = Echo::new("shop", name);
        server.labels = "root: all";
        shop += &server.yaml();
        shop += &service("shop", name, name, &[HTTP]);
    }
    vec![shop + &service_with("shop", "server", "root: all", "", &[HTTP])]
}

/// How many of `count` answers came from v1, by one client over one connection.
fn share(mesh: &Mesh, count: u32) -> (u64, u64) {
    let count_text = count.to_string();
    let output =
        mesh.exec("shop/client", &["leno", "demo", "echo", "load", "http://server.shop/", "--count", &count_text]);
    let seen: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(seen["statuses"], serde_json::json!({ "200": count }), "{seen}");
    let of = |version: &str| {
        let pods = seen["pods"].as_object().into_iter().flatten();
        pods.filter(|(pod, _)| pod.starts_with(version)).filter_map(|(_, count)| count.as_u64()).sum()
    };
    (of("v1"), of("v2"))
}

/// Weights are shares; 0 sends nothing; they need not sum to 100; an edit takes effect without a lost request.
#[test]
fn weights_are_shares() {
    let mesh = Mesh::up(&manifests());
    for (v1, v2, low, high) in [(75, 25, 650, 850), (1000, 500, 570, 760), (1, 0, 1000, 1000), (0, 7, 0, 0)] {
        let backends = [format!("{{ service: v1, weight: {v1} }}"), format!("{{ service: v2, weight: {v2} }}")];
        mesh.apply(&traffic_split("shop", "server", &[&backends[0], &backends[1]]));
        // The edit is in force when the share is right; 1,000 requests put 5 standard deviations inside the bounds.
        let (one, two) =
            wait::until(&format!("{v1}/{v2}"), || share(&mesh, 1000), |(one, _)| (low..=high).contains(one));
        assert_eq!(one + two, 1000);
    }
}

/// Requests that fit a match are split, the others go to the root itself.
#[test]
fn a_header_chooses_the_canary() {
    let mut manifests = manifests();
    manifests.push(
        "---\napiVersion: specs.smi-spec.io/v1alpha4\nkind: HTTPRouteGroup\nmetadata: { name: beta, namespace: shop }\n\
         spec: { matches: [ { name: beta, headers: { x-beta: \"yes\" } } ] }\n\
         ---\napiVersion: split.smi-spec.io/v1alpha4\nkind: TrafficSplit\nmetadata: { name: beta, namespace: shop }\n\
         spec: { service: server, matches: [ { kind: HTTPRouteGroup, name: beta } ], backends: [ { service: v2, weight: 1 } ] }\n"
            .to_owned(),
    );
    let mesh = Mesh::up(&manifests);
    let mut plain = std::collections::BTreeSet::new();
    wait::until(
        "requests without the header reach both",
        || {
            plain.insert(mesh.curl("shop/client", &["http://server.shop/"]).pod());
            plain.clone()
        },
        |seen| seen.len() == 2,
    );
    for _ in 0..20 {
        let reply = mesh.curl("shop/client", &["-H", "x-beta: yes", "http://server.shop/"]);
        assert!(reply.pod().starts_with("v2"), "{reply:?}");
    }
}

/// A backend that does not exist yet gets its share of errors only as far as the specification says: it is skipped.
#[test]
fn an_unknown_backend_is_named_on_the_object() {
    let mut manifests = manifests();
    manifests.push(traffic_split("shop", "server", &["{ service: v1, weight: 1 }", "{ service: later, weight: 1 }"]));
    let mesh = Mesh::up(&manifests);
    let (one, two) = share(&mesh, 50);
    assert_eq!((one, two), (50, 0));
}
