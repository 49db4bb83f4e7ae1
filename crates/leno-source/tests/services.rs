//! Services, their endpoints and the pods behind them.

use leno_model::{Protocol, ServiceAccountName, ServiceName, WorkloadName};
use leno_source::{Store, assemble};

use crate::{assembled, notes, objects};

const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {leno.dev/inject: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec:
  clusterIP: 10.96.0.7
  selector: {app: cart}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: ledger, port: 7000, appProtocol: tcp}
  - {name: dns, port: 80, protocol: UDP}
---
apiVersion: v1
kind: Service
metadata: {name: pods, namespace: shop}
spec: {clusterIP: None, publishNotReadyAddresses: true, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: cart-1, namespace: shop, labels: {kubernetes.io/service-name: cart}}
addressType: IPv4
endpoints:
- {addresses: [10.244.0.6], conditions: {ready: false}, targetRef: {kind: Pod, name: b, namespace: shop}}
- {addresses: [10.244.0.5], conditions: {ready: true}, targetRef: {kind: Pod, name: a, namespace: shop}}
- {addresses: [10.244.0.7], conditions: {ready: true, terminating: true}, targetRef: {kind: Pod, name: c, namespace: shop}}
- {addresses: [10.244.0.8], conditions: {ready: true}, targetRef: {kind: Pod, name: gone, namespace: shop}}
- {addresses: [10.244.0.9], conditions: {ready: true}, targetRef: {kind: Pod, name: d, namespace: shop}}
- {addresses: [192.0.2.1]}
ports: [{name: http, port: 8080}, {name: ledger, port: 7001}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: pods-1, namespace: shop, labels: {kubernetes.io/service-name: pods}}
addressType: IPv4
endpoints: [{addresses: [10.244.0.6], conditions: {ready: false}}]
ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Pod
metadata:
  name: a
  namespace: shop
  labels: {app: cart, pod-template-hash: 6d4cf}
  ownerReferences: [{kind: ReplicaSet, name: cart-6d4cf, controller: true}]
spec: {serviceAccountName: cart, containers: [{name: cart, command: [cart]}]}
status: {phase: Running, podIP: 10.244.0.5, podIPs: [{ip: 10.244.0.5}, {ip: 'fd00::5'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop, annotations: {leno.dev/inject: disabled}}
spec: {containers: [{name: cart, command: [cart]}]}
status: {phase: Running, podIP: 10.244.0.6}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: shop}
spec: {containers: [{name: cart, command: [cart]}]}
status: {phase: Running, podIP: 10.244.0.7}
---
apiVersion: v1
kind: Pod
metadata: {name: d, namespace: shop, deletionTimestamp: '2026-01-01T00:00:00Z'}
spec: {containers: [{name: cart, command: [cart]}]}
status: {phase: Running, podIP: 10.244.0.9}
---
apiVersion: v1
kind: Pod
metadata: {name: done, namespace: shop}
spec: {containers: [{name: cart, command: [cart]}]}
status: {phase: Succeeded, podIP: 10.244.0.5}
";

#[test]
fn endpoints_know_their_pods_and_only_safe_ones_are_ready() {
    let snapshot = assembled(SHOP).snapshot;
    let cart = &snapshot.services[&ServiceName::new("shop", "cart")];
    let protocols: Vec<_> = cart.ports.iter().map(|port| (port.port, port.protocol)).collect();
    assert_eq!(protocols, [(80, Protocol::Http), (7000, Protocol::Tcp)]);
    let endpoints = &cart.endpoints[&80];
    let seen: Vec<_> = endpoints
        .iter()
        .map(|it| (it.address.to_string(), it.ready, it.meshed, it.workload.as_ref().map(|name| name.name.as_str())))
        .collect();
    let is = |address: &str, ready, meshed, workload| (format!("{address}:8080"), ready, meshed, workload);
    assert_eq!(
        seen,
        [
            is("10.244.0.5", true, true, Some("a")),
            is("10.244.0.6", false, false, Some("b")),
            is("10.244.0.7", false, true, Some("c")),
            // Its pod is not known: nobody is sent there.
            is("10.244.0.8", false, false, None),
            // Its pod is being deleted.
            is("10.244.0.9", false, true, Some("d")),
            // No pod at all, and none is claimed: an outside address.
            is("192.0.2.1", true, false, None),
        ]
    );
    assert_eq!(endpoints[0].service_account, Some(ServiceAccountName::new("shop", "cart")));
    assert_eq!(cart.endpoints[&7000][0].address.port(), 7001);
}

#[test]
fn a_headless_service_may_publish_what_is_not_ready() {
    let snapshot = assembled(SHOP).snapshot;
    let pods = &snapshot.services[&ServiceName::new("shop", "pods")];
    assert!(pods.is_headless());
    let endpoint = &pods.endpoints[&80][0];
    assert!(endpoint.ready);
    assert_eq!(endpoint.workload, Some(WorkloadName::new("shop", "b")));
}

#[test]
fn workloads_are_the_pods_that_run() {
    let snapshot = assembled(SHOP).snapshot;
    let names: Vec<_> = snapshot.workloads.keys().map(|name| name.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let workload = &snapshot.workloads[&WorkloadName::new("shop", "a")];
    assert_eq!((workload.owner.as_str(), workload.addresses.len(), workload.meshed), ("cart", 2, true));
    assert_eq!(snapshot.workloads[&WorkloadName::new("shop", "b")].owner, "b");
}

#[test]
fn an_address_of_two_services_stays_with_the_first() {
    let text = format!(
        "{SHOP}---\napiVersion: v1\nkind: Service\nmetadata: {{name: thief, namespace: shop}}\nspec: {{clusterIP: 10.96.0.7, ports: [{{port: 80}}]}}\n"
    );
    let assembly = assembled(&text);
    assert!(assembly.snapshot.services[&ServiceName::new("shop", "thief")].cluster_ips.is_empty());
    assert!(notes(&assembly)[0].contains("is that of the service shop/cart already"), "{:?}", notes(&assembly));
}

#[test]
fn assembling_is_pure_and_what_did_not_change_stays_the_same_value() {
    let mut objects = objects(SHOP);
    assert_eq!(assemble(&objects), assemble(&objects));
    let mut store = Store::default();
    store.update(&objects);
    let first = store.snapshot().clone();
    assert_eq!(first.version, 1);
    store.update(&objects);
    assert!(std::sync::Arc::ptr_eq(&first, store.snapshot()));
    let key = leno_manifest::ObjectKey::new(leno_manifest::Kind::Pod, "shop", "c");
    objects.remove(&key).unwrap();
    store.update(&objects);
    let second = store.snapshot();
    assert_eq!(second.version, 2);
    let same = |namespace: &str, name: &str| {
        let name = ServiceName::new(namespace, name);
        std::sync::Arc::ptr_eq(&first.services[&name], &second.services[&name])
    };
    assert!(same("shop", "pods"));
    assert!(!same("shop", "cart"));
}
