//! The semantics of TrafficPolicy: targets, precedence, conflicts.

use leno_model::{Protocol, ServiceAccountName, ServiceName, policy::traffic::Timeouts};
use leno_source::{Assembly, AttachmentReason};

use crate::{assembled, notes, wrong};

const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: tcp-admin, port: 81}]}
---
apiVersion: v1
kind: Service
metadata: {name: bytes, namespace: shop}
spec: {ports: [{name: tcp, port: 80}]}
---
";

fn policy(name: &str, made: &str, spec: &str) -> String {
    format!(
        "apiVersion: policy.leno.dev/v1alpha1\nkind: TrafficPolicy\n\
         metadata: {{name: {name}, namespace: shop, creationTimestamp: \"{made}\"}}\nspec: {spec}\n---\n"
    )
}

const CART: &str = "targetRefs: [{kind: Service, name: cart}]";
const OLD: &str = "2026-01-01T00:00:00Z";
const NEW: &str = "2026-02-01T00:00:00Z";

fn standing(assembly: &Assembly, name: &str) -> Vec<(AttachmentReason, String)> {
    let of = assembly.attachments.iter().filter(|it| it.policy.name == name);
    of.map(|it| (it.reason, it.message.clone())).collect()
}

fn request_seconds(assembly: &Assembly, port: u16, caller: Option<&str>) -> Option<u64> {
    let caller = caller.map(|name| ServiceAccountName::new("shop", name));
    let settings = assembly.snapshot.traffic(&ServiceName::new("shop", "cart"), port, caller.as_ref());
    settings.timeouts.and_then(|Timeouts { request, .. }| request).map(|it| it.as_secs())
}

#[test]
fn the_exacter_the_older_and_the_first_by_name_win() {
    let assembly = assembled(&format!(
        "{SERVICES}{}{}{}{}{}",
        policy("whole", OLD, &format!("{{{CART}, timeouts: {{request: 1s}}, retries: {{on: [5xx]}}}}")),
        policy("port", NEW, "{targetRefs: [{kind: Service, name: cart, sectionName: http}], timeouts: {request: 2s}}"),
        policy(
            "caller",
            NEW,
            "{targetRefs: [{kind: Service, name: cart, sectionName: '80'}], from: [{serviceAccount: web}], timeouts: {request: 3s}}"
        ),
        policy("later", NEW, &format!("{{{CART}, timeouts: {{request: 4s}}, connections: {{maxConnections: 1}}}}")),
        policy("also", NEW, &format!("{{{CART}, outlierDetection: {{consecutive5xx: 1}}}}")),
    ));
    assert_eq!(wrong(&assembly), [""; 0]);
    assert_eq!(request_seconds(&assembly, 81, None), Some(1));
    assert_eq!(request_seconds(&assembly, 80, None), Some(2));
    assert_eq!(request_seconds(&assembly, 80, Some("web")), Some(3));
    let settings = assembly.snapshot.traffic(&ServiceName::new("shop", "cart"), 80, None);
    assert!(settings.retries.is_some() && settings.outlier_detection.is_some());
    assert_eq!(settings.connections, None, "a policy in conflict is not in force at all");
    let message = "TrafficPolicy shop/whole speaks of the same, also of timeouts, and wins".to_owned();
    assert_eq!(standing(&assembly, "later"), [(AttachmentReason::Conflicted, message)]);
    let message = "in force for port 80 of Service shop/cart".to_owned();
    assert_eq!(standing(&assembly, "port"), [(AttachmentReason::Accepted, message)]);
    assert_eq!(notes(&assembly).len(), 1, "{:?}", notes(&assembly));
}

#[test]
fn targets_that_are_not_there_are_told() {
    let spec = "{targetRefs: [{kind: Service, name: other}, {kind: Service, name: cart, sectionName: grpc}], retries: {on: [5xx]}}";
    let assembly = assembled(&format!("{SERVICES}{}", policy("lost", OLD, spec)));
    let reasons: Vec<_> = standing(&assembly, "lost").into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, [AttachmentReason::TargetNotFound; 2]);
    let notes = notes(&assembly);
    assert!(notes[0].contains("the Service shop/other, which is not there"), "{notes:?}");
    assert!(notes[1].contains("the port grpc of the Service shop/cart, which has none such"), "{notes:?}");
    assert!(assembly.snapshot.traffic_policies.is_empty());
}

#[test]
fn a_policy_says_what_is_spoken() {
    let assembly = assembled(&format!(
        "{SERVICES}{}",
        policy("grpc", OLD, "{targetRefs: [{kind: Service, name: bytes}], protocol: HTTP2}")
    ));
    let service = &assembly.snapshot.services[&ServiceName::new("shop", "bytes")];
    assert_eq!(service.ports[0].protocol, Protocol::Http2);
}

#[test]
fn what_changes_nothing_is_told() {
    let spec = "{targetRefs: [{kind: Service, name: bytes}], retries: {on: [5xx]}, timeouts: {idle: 1s, request: 1s}}";
    let assembly = assembled(&format!("{SERVICES}{}", policy("idle", OLD, spec)));
    let notes = notes(&assembly);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("spec.retries changes nothing for shop/bytes"), "{notes:?}");
    assert!(notes[1].contains("spec.timeouts.request changes nothing for shop/bytes"), "{notes:?}");
    let spec = format!("{{{CART}, mirror: {{service: other, port: 80}}}}");
    let notes = self::notes(&assembled(&format!("{SERVICES}{}", policy("lost", OLD, &spec))));
    assert!(
        notes[0].contains("spec.mirror copies nothing: there is no Service shop/other with a port 80"),
        "{notes:?}"
    );
}
