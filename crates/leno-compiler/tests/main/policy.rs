//! Access and egress policies, in the words of Envoy. (What they let in is judged where they are taken, in the proxy.)

use std::{num::NonZeroU32, sync::Arc};

use leno_compiler::{Client, Kind, Scope, affected, depends_on_caller, names, resource};
use leno_model::{
    ObjectRef, SecretName, ServiceName, Snapshot,
    mesh::OutboundPolicy,
    policy::{
        AccessPolicy, Authorizer, AuthorizerProtocol, EgressPolicy, RequestMatch, TextMatch, TrafficSettings,
        access::{
            AccessAction, AccessOperation, AccessPolicyRule, AccessSource, AccessTarget, AddressBlock, ClaimMatch,
            IdentityMatch, LabelRequirement, TokenIssuer, TokenKeys, TokenMatch, TokenPlace,
        },
        egress::{EgressPort, EgressProtocol, HostMatch},
        traffic::{ClientCertificate, Roots},
    },
};

use crate::{
    golden::golden,
    mesh::{account, bookstore, configure, scope},
    traffic::{client_settings, origination},
};

/// An access policy that uses everything there is.
pub(crate) fn access(name: &str, action: AccessAction, dry_run: bool, target: AccessTarget) -> Arc<AccessPolicy> {
    let source = AccessSource {
        identities: vec![IdentityMatch::Any, IdentityMatch::Prefix("spiffe://cluster.local/ns/shop/".into())],
        namespaces: vec!["front".into()],
        service_accounts: vec![account("buyer")],
        blocks: vec![AddressBlock {
            range: ("10.0.0.0".parse().unwrap(), 8),
            except: vec![("10.1.0.0".parse().unwrap(), 16)],
        }],
        tokens: vec![TokenMatch {
            issuer: "https://id.example".into(),
            claims: vec![ClaimMatch {
                path: vec!["realm".into(), "roles".into()],
                values: vec!["admin".into(), "root".into()],
            }],
        }],
    };
    let keys = TokenKeys::Service(crate::mesh::service_name("id"), 80, "/keys".into());
    let places = vec![
        TokenPlace::Header("x-token".into()),
        TokenPlace::QueryParameter("token".into()),
        TokenPlace::Cookie("token".into()),
    ];
    let issuer = TokenIssuer {
        issuer: "https://id.example".into(),
        audiences: vec!["shop".into()],
        keys,
        places,
        forward: true,
    };
    let other = TokenIssuer {
        issuer: "other".into(),
        audiences: vec![],
        keys: TokenKeys::Inline(r#"{"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":"c2VjcmV0"}]}"#.into()),
        places: vec![],
        forward: false,
    };
    let path = Some(TextMatch::Prefix("/admin".into()));
    let request = RequestMatch { path, methods: vec!["GET".into()], headers: vec![] };
    let operation = AccessOperation { ports: vec![8080], request };
    Arc::new(AccessPolicy {
        origin: ObjectRef::new("AccessPolicy", "shop", name),
        targets: vec![target],
        action,
        dry_run,
        tokens: vec![issuer, other],
        rules: vec![AccessPolicyRule { from: vec![source], to: vec![operation] }, AccessPolicyRule::default()],
    })
}

pub(crate) fn egress(name: &str, account: &str, protocol: EgressProtocol, hosts: &[&str]) -> Arc<EgressPolicy> {
    let host = |text: &&str| match text.strip_prefix('*') {
        Some(domain) => HostMatch::Below(domain.into()),
        None => HostMatch::Exact((*text).into()),
    };
    let number = match protocol {
        EgressProtocol::Http => 80,
        EgressProtocol::Tls => 443,
        EgressProtocol::Tcp => 5432,
    };
    let client = client_settings();
    let settings = TrafficSettings {
        retries: client.retries,
        timeouts: client.timeouts,
        connections: client.connections,
        ..TrafficSettings::default()
    };
    Arc::new(EgressPolicy {
        origin: ObjectRef::new("EgressPolicy", "shop", name),
        accounts: vec![account.into()],
        ports: vec![EgressPort { number, protocol }],
        hosts: hosts.iter().map(host).collect(),
        blocks: if hosts.is_empty() { vec![("192.0.2.0".parse().unwrap(), 24)] } else { vec![] },
        requests: vec![RequestMatch { methods: vec!["GET".into()], ..RequestMatch::default() }],
        settings,
        tls_port: None,
    })
}

fn shop() -> AccessTarget {
    AccessTarget::Namespace("shop".into())
}

pub(crate) fn with_access() -> Snapshot {
    let mut snapshot = bookstore();
    snapshot.access_policies = vec![
        access("deny", AccessAction::Deny, false, shop()),
        access("maybe", AccessAction::Deny, true, shop()),
        access("watch", AccessAction::Audit, false, shop()),
        access("allow", AccessAction::Allow, false, shop()),
    ];
    snapshot
}

/// A service that is asked.
pub(crate) fn authorizer(protocol: AuthorizerProtocol, body: u32) -> Authorizer {
    Authorizer {
        service: crate::mesh::service_name("store-v1"),
        port: 80,
        protocol,
        body: NonZeroU32::new(body),
        timeout: std::time::Duration::from_secs(1),
        open_on_error: body > 0,
    }
}

/// Policies that ask a service: about some requests, about all, and one that is only tried out.
pub(crate) fn with_authorizers() -> Snapshot {
    let lists = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let grpc = authorizer(AuthorizerProtocol::Grpc { headers: lists(&["x-user", "cookie"]) }, 1024);
    let http = |response_headers| AuthorizerProtocol::Http {
        path: "/check".into(),
        headers: lists(&["x-user"]),
        response_headers,
    };
    let some = authorizer(http(lists(&["x-role"])), 10);
    let all = authorizer(http(Vec::new()), 0);
    let mut snapshot = bookstore();
    snapshot.access_policies = vec![
        access("ask", AccessAction::External(Box::new(grpc)), false, shop()),
        access("deny", AccessAction::Deny, false, shop()),
        access("maybe", AccessAction::External(Box::new(some)), true, shop()),
    ];
    let everything = AccessPolicy {
        rules: vec![AccessPolicyRule::default()],
        ..(*access("whole", AccessAction::External(Box::new(all)), false, shop())).clone()
    };
    snapshot.access_policies.push(Arc::new(everything));
    snapshot
}

pub(crate) fn with_egress() -> Snapshot {
    let mut snapshot = bookstore();
    snapshot.egress_policies = vec![
        egress("again", "buyer", EgressProtocol::Tls, &["pay.example", "other.example"]),
        egress("bytes", "buyer", EgressProtocol::Tcp, &[]),
        egress("ledger", "ledger", EgressProtocol::Tcp, &[]),
        egress("pay", "buyer", EgressProtocol::Tls, &["pay.example", "*.pay.example"]),
        egress("web", "buyer", EgressProtocol::Http, &["web.example", "*.web.example"]),
    ];
    snapshot
}

#[test]
fn access_policies_of_requests_and_of_bytes() {
    golden("access-policy-http", &with_access(), &scope("store-v1-1"), &[(Kind::Listener, "inbound")]);
    golden("access-policy-bytes", &with_access(), &scope("ledger-1"), &[(Kind::Listener, "inbound")]);
    golden("access-external-http", &with_authorizers(), &scope("store-v1-1"), &[(Kind::Listener, "inbound")]);
    golden("access-external-bytes", &with_authorizers(), &scope("ledger-1"), &[(Kind::Listener, "inbound")]);
}

#[test]
fn the_sidecar_speaks_tls_to_what_is_outside() {
    let mut snapshot = bookstore();
    let mut policy = EgressPolicy::clone(&egress("web", "buyer", EgressProtocol::Http, &["web.example"]));
    let secret = SecretName::new("shop", "caller");
    policy.settings.tls = Some(origination(Roots::System, Some(ClientCertificate::Secret(secret.clone()))));
    policy.tls_port = Some(443);
    snapshot.egress_policies = vec![Arc::new(policy)];
    golden("egress-tls", &snapshot, &scope("buyer-1"), &[(Kind::Cluster, "egress/shop/web")]);
    assert!(snapshot.shows_secret(&account("buyer"), &secret) && !snapshot.shows_secret(&account("ledger"), &secret));
    let change = affected(&snapshot, &bookstore());
    assert!(change.touches(&scope("buyer-1"), Kind::Secret, "client-certificate/shop/caller"));
}

#[test]
fn egress_policies_where_the_rest_is_refused_and_where_it_is_not() {
    let mut snapshot = with_egress();
    let wanted = [(Kind::Listener, "outbound"), (Kind::Cluster, "egress/shop/pay"), (Kind::Cluster, "egress/shop/no")];
    golden("egress-allowed", &snapshot, &scope("buyer-1"), &wanted[..1]);
    configure(&mut snapshot, |mesh| mesh.outbound_policy = OutboundPolicy::RegistryOnly);
    golden("egress-refused", &snapshot, &scope("buyer-1"), &wanted);
}

#[test]
fn each_caller_has_its_own_way_out() {
    let snapshot = with_egress();
    assert!(depends_on_caller(&snapshot, Kind::Listener, "outbound"));
    assert!(!depends_on_caller(&bookstore(), Kind::Listener, "outbound"));
    let of = |pod| resource(&snapshot, &scope(pod), Kind::Listener, "outbound");
    assert_ne!(of("buyer-1"), of("ledger-1"));
    assert_eq!(of("warehouse-1"), resource(&bookstore(), &scope("warehouse-1"), Kind::Listener, "outbound"));
    let envoy = Scope { client: Client::Envoy, ..scope("ledger-1") };
    let clusters = names(&snapshot, &envoy, Kind::Cluster);
    assert!(clusters.contains("egress/shop/ledger") && !clusters.contains("egress/shop/pay"), "{clusters:?}");
}

#[test]
fn a_policy_touches_those_whom_it_protects() {
    let old = bookstore();
    let inbound = |new: &Snapshot, pod| affected(&old, new).touches(&scope(pod), Kind::Listener, "inbound");
    let with = |target| {
        let policies = vec![access("deny", AccessAction::Deny, false, target)];
        Snapshot { access_policies: policies, ..old.clone() }
    };
    let of_service = with(AccessTarget::Service(ServiceName::new("shop", "store"), None));
    assert!(inbound(&of_service, "store-v1-1") && inbound(&of_service, "store-v2-1"));
    assert!(!inbound(&of_service, "ledger-1"));
    assert!(inbound(&with(shop()), "ledger-1"));
    let labelled = with(AccessTarget::Labels("shop".into(), vec![LabelRequirement::Exists("app".into())]));
    assert!(!inbound(&labelled, "ledger-1"));
    let change = affected(&with_egress(), &bookstore());
    for (kind, name) in [(Kind::Listener, "outbound"), (Kind::Cluster, "egress/shop/pay")] {
        assert!(change.touches(&scope("buyer-1"), kind, name), "{name}");
    }
    assert!(!change.touches(&scope("buyer-1"), Kind::Listener, "inbound") && change.touches_names());
}
