//! Whole resources, compared with files under `tests/golden`. `UPDATE_GOLDEN=1` writes them.

use std::{fs, num::NonZeroU32, path::PathBuf};

use leno_compiler::{Client, Kind, Scope, resource, trust_bundle};
use leno_model::{
    Protocol, Snapshot,
    mesh::{DefaultAccess, MtlsMode, OutboundPolicy},
    policy::authorization::Ports,
};

use crate::{
    explain::explain,
    mesh::{add_service, add_workload, bookstore, configure, get, rule, scope, split},
};

/// Compares the resources (kind, name) for a client with the golden file of the case.
pub(crate) fn golden(case: &str, snapshot: &Snapshot, scope: &Scope, wanted: &[(Kind, &str)]) {
    let mut text = String::new();
    for (kind, name) in wanted {
        text.push_str(&format!("=== {kind:?} {name}\n"));
        match resource(snapshot, scope, *kind, name) {
            Some(any) => text.push_str(&explain(&any)),
            None => text.push_str("none\n"),
        }
        text.push('\n');
    }
    compare(case, &text);
}

fn compare(case: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{case}.txt"));
    #[expect(clippy::disallowed_methods, reason = "the switch that every golden test has")]
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        fs::write(&path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if expected != text {
        let line = expected.lines().zip(text.lines()).position(|(a, b)| a != b);
        let line = line.unwrap_or_else(|| expected.lines().count().min(text.lines().count()));
        panic!(
            "{} differs from line {} on (UPDATE_GOLDEN=1 writes it):\n- {:?}\n+ {:?}",
            path.display(),
            line + 1,
            expected.lines().nth(line),
            text.lines().nth(line)
        );
    }
}

#[test]
fn a_split_service_of_http() {
    golden(
        "split-http",
        &bookstore(),
        &scope("buyer-1"),
        &[
            (Kind::Listener, "outbound/10.96.0.10:80"),
            (Kind::Route, "outbound/shop/store:80"),
            (Kind::Cluster, "outbound/shop/store-v1:80"),
            (Kind::Endpoint, "outbound/shop/store-v1:80"),
            (Kind::Cluster, "outbound/shop/store:80"),
        ],
    );
}

#[test]
fn a_split_of_some_requests() {
    let mut snapshot = bookstore();
    let mut firefox = get("/books");
    firefox.methods = vec!["GET".into(), "HEAD".into()];
    firefox.headers = vec![("user-agent".into(), ".*Firefox.*".into())];
    snapshot.traffic_splits = vec![split("firefox", "store", &[("store-v2", 1)], vec![firefox, get("/new/.*")])];
    golden("split-matches", &snapshot, &scope("buyer-1"), &[(Kind::Route, "outbound/shop/store:80")]);
}

#[test]
fn a_route_that_says_everything() {
    let mut snapshot = bookstore();
    snapshot.routes = vec![crate::route::everything()];
    golden(
        "route",
        &snapshot,
        &scope("buyer-1"),
        &[(Kind::Route, "outbound/shop/store:80"), (Kind::Listener, "outbound/10.96.0.10:80")],
    );
}

#[test]
fn a_service_of_bytes_and_one_that_is_found_out() {
    let mut snapshot = bookstore();
    snapshot.traffic_splits = vec![split("ledgers", "ledger", &[("ledger", 1), ("other-ledger", 2)], vec![])];
    add_service(&mut snapshot, "other-ledger", "10.96.0.15", &[(7000, 7001, Protocol::Tcp)], &["ledger"]);
    golden(
        "bytes",
        &snapshot,
        &scope("warehouse-1"),
        &[
            (Kind::Listener, "outbound/10.96.0.14:7000"),
            (Kind::Route, "outbound/shop/ledger:7000"),
            (Kind::Listener, "outbound/10.96.0.13:80"),
        ],
    );
}

#[test]
fn pods_dialled_by_their_own_address() {
    let mut snapshot = bookstore();
    add_workload(&mut snapshot, "plain", "10.244.0.7");
    let name = leno_model::WorkloadName::new("shop", "plain-1");
    std::sync::Arc::make_mut(snapshot.workloads.get_mut(&name).unwrap()).meshed = false;
    golden(
        "direct",
        &snapshot,
        &scope("buyer-1"),
        &[
            (Kind::Listener, "outbound/10.244.0.5:8080"),
            (Kind::Cluster, "direct/10.244.0.5:8080"),
            (Kind::Listener, "outbound/10.244.0.6:7000"),
            (Kind::Cluster, "direct/10.244.0.7:9999"),
            (Kind::Cluster, "direct/10.244.9.9:1"),
        ],
    );
}

#[test]
fn inbound_in_strict_mode() {
    let mut snapshot = bookstore();
    snapshot.access_rules.push(rule(
        "both",
        "warehouse",
        &["buyer"],
        Some(vec![get("/stock")]),
        Some(Ports::Only(vec![8080])),
    ));
    snapshot.access_rules.push(rule("bytes", "warehouse", &["ledger"], None, Some(Ports::All)));
    golden("inbound-strict", &snapshot, &scope("warehouse-1"), &[(Kind::Listener, "inbound")]);
}

#[test]
fn inbound_of_a_port_of_bytes_and_one_of_http() {
    golden("inbound-bytes", &bookstore(), &scope("ledger-1"), &[(Kind::Listener, "inbound")]);
    golden("inbound-http", &bookstore(), &scope("store-v1-1"), &[(Kind::Listener, "inbound")]);
}

#[test]
fn inbound_in_permissive_mode_with_everything_allowed() {
    let mut snapshot = bookstore();
    configure(&mut snapshot, |mesh| {
        mesh.mtls = MtlsMode::Permissive;
        mesh.default_access = DefaultAccess::Allow;
        mesh.access_log = false;
        mesh.max_request_bytes = NonZeroU32::new(1 << 20);
    });
    golden("inbound-permissive", &snapshot, &scope("warehouse-1"), &[(Kind::Listener, "inbound")]);
}

#[test]
fn what_the_mesh_does_not_know() {
    let mut snapshot = bookstore();
    let wanted = [
        (Kind::Listener, "outbound"),
        (Kind::Cluster, "passthrough"),
        (Kind::Cluster, "inbound"),
        (Kind::Cluster, "blackhole"),
        (Kind::Listener, "outbound/1.2.3.4:80"),
        (Kind::Listener, "outbound/10.96.0.10:81"),
        (Kind::Cluster, "outbound/shop/nothing:80"),
        (Kind::Endpoint, "outbound/shop/store:81"),
    ];
    golden("unknown-allowed", &snapshot, &scope("buyer-1"), &wanted);
    configure(&mut snapshot, |mesh| mesh.outbound_policy = OutboundPolicy::RegistryOnly);
    golden("unknown-refused", &snapshot, &scope("buyer-1"), &wanted[..1]);
}

#[test]
fn a_grpc_library() {
    let scope = Scope { client: Client::Grpc, ..scope("buyer-1") };
    golden(
        "grpc",
        &bookstore(),
        &scope,
        &[
            (Kind::Listener, "store.shop.svc.cluster.local:80"),
            (Kind::Cluster, "outbound/shop/store:80"),
            (Kind::Listener, "ledger.shop:7000"),
            (Kind::Listener, "inbound"),
        ],
    );
}

#[test]
fn the_trust_bundle() {
    compare("trust-bundle", &explain(&trust_bundle("roots")));
}
