//! What access policies say means here what it meant there: compiled, taken, judged.

use std::sync::Arc;

use leno_engine::{
    authorization::{Rbac, Verdict},
    filter::{AccessControl, FilterConfig},
    request::SimpleRequest,
};
use leno_model::{
    ObjectRef, ServiceName, Snapshot,
    mesh::{DefaultAccess, MtlsMode},
    policy::{
        AccessPolicy, HeaderMatch, RequestMatch, TextMatch,
        access::{
            AccessAction, AccessOperation, AccessPolicyRule, AccessSource, AccessTarget, AddressBlock, IdentityMatch,
            LabelRequirement,
        },
    },
};

use super::{
    super::super::{Guard, TransportProtocol},
    compiled::{account, http, listener_of, mesh, met, subject},
};

const BUYER: Option<&str> = Some("spiffe://cluster.local/ns/shop/sa/buyer");
const THIEF: Option<&str> = Some("spiffe://cluster.local/ns/dark/sa/thief");

/// What was decided, and what was told besides.
#[derive(Debug, Default, PartialEq)]
struct Decision {
    /// By which policy it is refused, or because [`NONE`] allows it.
    refused: Option<String>,
    would_be_refused: bool,
    audited: Option<String>,
}

const NONE: &str = "none";
const PASSED: Decision = Decision { refused: None, would_be_refused: false, audited: None };

fn refused(by: Option<&str>) -> Decision {
    Decision { refused: Some(by.unwrap_or(NONE).to_owned()), ..Decision::default() }
}

fn decide<'a>(controls: impl Iterator<Item = &'a AccessControl>, check: impl Fn(&Rbac) -> Verdict<'_>) -> Decision {
    let mut decision = Decision::default();
    for control in controls {
        if let Some(shadow) = &control.shadow {
            decision.would_be_refused |= !check(shadow).is_allowed();
        }
        let Some(rules) = &control.rules else { continue };
        let verdict = check(rules);
        if let Some(policy) = rules.told(&verdict) {
            decision.audited = Some(policy.to_owned());
        }
        if let Verdict::Denied(policy) = verdict {
            decision.refused = Some(policy.unwrap_or(NONE).to_owned());
            return decision;
        }
    }
    decision
}

/// What becomes of a request to the pod `store`.
fn request(snapshot: &Snapshot, who: Option<&str>, request: &SimpleRequest) -> Decision {
    let inbound = listener_of(snapshot, "store-1", "inbound");
    let chain = inbound.choose(&met(8080, TransportProtocol::Tls, &["leno-h2"])).unwrap();
    let controls = http(&chain.terminal).filters.iter().filter_map(|filter| match &filter.config {
        FilterConfig::AccessControl(control) => Some(&**control),
        _ => None,
    });
    let names = who.map(Box::from);
    decide(controls, |rules| rules.check(&subject(names.as_slice(), 8080), request))
}

/// What becomes of a connection of bytes to a port of a pod.
fn bytes(snapshot: &Snapshot, pod: &str, port: u16, who: Option<&str>) -> Decision {
    let inbound = listener_of(snapshot, pod, "inbound");
    let chain = inbound.choose(&met(port, TransportProtocol::Tls, &["leno-tcp"])).unwrap();
    let controls = chain.guards.iter().filter_map(|guard| match guard {
        Guard::Access(control) => Some(control),
        Guard::Rate { .. } | Guard::Connections { .. } | Guard::Service(_) => None,
    });
    let names = who.map(Box::from);
    decide(controls, |rules| rules.check_connection(&subject(names.as_slice(), port)))
}

fn policy(name: &str, action: AccessAction, from: Vec<AccessSource>, to: Vec<AccessOperation>) -> AccessPolicy {
    AccessPolicy {
        origin: ObjectRef::new("AccessPolicy", "shop", name),
        targets: vec![AccessTarget::Namespace("shop".into())],
        action,
        dry_run: false,
        tokens: vec![],
        rules: vec![AccessPolicyRule { from, to }],
    }
}

fn path(prefix: &str) -> AccessOperation {
    let path = Some(TextMatch::Prefix(prefix.into()));
    AccessOperation { request: RequestMatch { path, ..RequestMatch::default() }, ..AccessOperation::default() }
}

fn namespace(name: &str) -> AccessSource {
    AccessSource { namespaces: vec![name.into()], ..AccessSource::default() }
}

fn with(mut snapshot: Snapshot, policies: Vec<AccessPolicy>) -> Snapshot {
    snapshot.access_policies = policies.into_iter().map(Arc::new).collect();
    snapshot
}

fn open() -> Snapshot {
    mesh(|mesh| mesh.default_access = DefaultAccess::Allow)
}

fn books() -> SimpleRequest {
    SimpleRequest::new("GET", "/books", "store").with("user-agent", "x")
}

#[test]
fn what_is_denied_is_refused_whatever_allows_it() {
    let deny = policy("no-dark", AccessAction::Deny, vec![namespace("shop")], vec![path("/books")]);
    let snapshot = with(mesh(|_| ()), vec![deny]);
    assert_eq!(request(&snapshot, BUYER, &books()), refused(Some("AccessPolicy shop/no-dark")));
    let buy = SimpleRequest::new("PUT", "/buy/1", "store").with("user-agent", "x");
    assert_eq!(request(&snapshot, BUYER, &buy), PASSED, "SMI allows it, and nobody denies it");
    assert_eq!(request(&snapshot, THIEF, &books()), refused(None));
}

#[test]
fn a_path_is_denied_by_whole_segments() {
    let deny = policy("admin", AccessAction::Deny, vec![], vec![path("/admin")]);
    let snapshot = with(open(), vec![deny]);
    let of = |path: &str| request(&snapshot, BUYER, &SimpleRequest::new("GET", path, "store"));
    for path in ["/admin", "/admin/", "/admin/x", "/admin?x"] {
        assert_eq!(of(path), refused(Some("AccessPolicy shop/admin")), "{path}");
    }
    for path in ["/", "/administrator", "/x/admin"] {
        assert_eq!(of(path), PASSED, "{path}");
    }
}

#[test]
fn a_policy_allows_beside_smi_and_closes_what_was_open() {
    let allow = policy("dark", AccessAction::Allow, vec![namespace("dark")], vec![path("/catalogue")]);
    let catalogue = SimpleRequest::new("GET", "/catalogue/1", "store");
    let snapshot = with(mesh(|_| ()), vec![allow.clone()]);
    assert_eq!(request(&snapshot, THIEF, &catalogue), PASSED);
    assert_eq!(request(&snapshot, THIEF, &books()), refused(None));
    assert_eq!(request(&snapshot, BUYER, &books()), PASSED, "by SMI");
    let snapshot = with(open(), vec![allow]);
    assert_eq!(request(&snapshot, THIEF, &books()), refused(None), "it is closed now");
    let nothing = AccessPolicy { rules: vec![], ..policy("closed", AccessAction::Allow, vec![], vec![]) };
    assert_eq!(request(&with(open(), vec![nothing]), THIEF, &catalogue), refused(None));
    assert_eq!(request(&open(), THIEF, &catalogue), PASSED);
}

#[test]
fn audits_tell_and_change_nothing() {
    let audit = policy("watch", AccessAction::Audit, vec![namespace("shop")], vec![path("/books")]);
    let snapshot = with(mesh(|_| ()), vec![audit]);
    let told = Decision { audited: Some("AccessPolicy shop/watch".into()), ..PASSED };
    assert_eq!(request(&snapshot, BUYER, &books()), told);
    assert_eq!(request(&snapshot, THIEF, &books()), refused(None));
    let refused_and_told = request(&snapshot, BUYER, &SimpleRequest::new("POST", "/books", "store"));
    assert_eq!(refused_and_told, Decision { audited: told.audited, ..refused(None) });
}

#[test]
fn what_is_tried_out_is_told_and_passes() {
    let dry = |policy: AccessPolicy| AccessPolicy { dry_run: true, ..policy };
    let deny = dry(policy("deny", AccessAction::Deny, vec![], vec![path("/books")]));
    let snapshot = with(mesh(|_| ()), vec![deny]);
    assert_eq!(request(&snapshot, BUYER, &books()), Decision { would_be_refused: true, ..PASSED });
    let allow = dry(policy("allow", AccessAction::Allow, vec![namespace("dark")], vec![]));
    let snapshot = with(open(), vec![allow]);
    let buy = SimpleRequest::new("GET", "/other", "store");
    assert_eq!(request(&snapshot, BUYER, &buy), Decision { would_be_refused: true, ..PASSED });
    assert_eq!(request(&snapshot, BUYER, &books()), PASSED, "SMI would let it in");
    assert_eq!(request(&snapshot, THIEF, &buy), PASSED);
}

#[test]
fn bytes_meet_nothing_that_is_asked_of_requests_and_do_not_walk_around_it() {
    let deny = policy("deny", AccessAction::Deny, vec![], vec![path("/books")]);
    let denied = refused(Some("AccessPolicy shop/deny"));
    assert_eq!(bytes(&with(open(), vec![deny]), "ledger-1", 8080, BUYER), denied);
    let allow = policy("allow", AccessAction::Allow, vec![], vec![path("/books")]);
    assert_eq!(bytes(&with(open(), vec![allow]), "ledger-1", 8080, THIEF), refused(None));
    let ports = |ports: &[u16]| AccessOperation { ports: ports.to_vec(), ..AccessOperation::default() };
    let allow = policy("allow", AccessAction::Allow, vec![namespace("shop")], vec![ports(&[8080, 9000])]);
    let snapshot = with(open(), vec![allow]);
    assert_eq!(bytes(&snapshot, "ledger-1", 8080, BUYER), PASSED);
    assert_eq!(bytes(&snapshot, "ledger-1", 9000, BUYER), PASSED, "a port that no service leads to");
    assert_eq!(bytes(&snapshot, "ledger-1", 9001, BUYER), refused(None));
    assert_eq!(bytes(&snapshot, "ledger-1", 8080, THIEF), refused(None));
}

#[test]
fn a_policy_protects_what_it_targets() {
    let deny = |target| AccessPolicy { targets: vec![target], ..policy("deny", AccessAction::Deny, vec![], vec![]) };
    let service = |name: &str, port| AccessTarget::Service(ServiceName::new("shop", name), port);
    let denied = refused(Some("AccessPolicy shop/deny"));
    let decided = |target| bytes(&with(open(), vec![deny(target)]), "ledger-1", 8080, BUYER);
    assert_eq!(decided(service("ledger", None)), denied);
    assert_eq!(decided(service("ledger", Some(80))), denied);
    assert_eq!(decided(service("ledger", Some(81))), PASSED);
    assert_eq!(decided(service("store", None)), PASSED);
    let of_service = with(open(), vec![deny(service("ledger", None))]);
    assert_eq!(bytes(&of_service, "ledger-1", 9000, BUYER), PASSED, "only the ports of the service");
    assert_eq!(decided(AccessTarget::Namespace("other".into())), PASSED);
    let labels = |requirement| AccessTarget::Labels("shop".into(), vec![requirement]);
    assert_eq!(decided(labels(LabelRequirement::Absent("app".into()))), denied);
    assert_eq!(decided(labels(LabelRequirement::Exists("app".into()))), PASSED);
    assert_eq!(decided(labels(LabelRequirement::NotIn("app".into(), vec!["x".into()]))), denied);
    assert_eq!(decided(labels(LabelRequirement::In("app".into(), vec!["x".into()]))), PASSED);
}

#[test]
fn of_each_list_of_a_source_one_must_fit() {
    let decided = |source: AccessSource, who| {
        let allow = policy("allow", AccessAction::Allow, vec![source], vec![]);
        request(&with(open(), vec![allow]), who, &SimpleRequest::new("GET", "/", "store")) == PASSED
    };
    let identities = |all: Vec<IdentityMatch>| AccessSource { identities: all, ..AccessSource::default() };
    assert!(decided(identities(vec![IdentityMatch::Any]), THIEF));
    assert!(!decided(identities(vec![IdentityMatch::Any]), None));
    assert!(decided(identities(vec![IdentityMatch::Exact(THIEF.unwrap().into())]), THIEF));
    assert!(!decided(identities(vec![IdentityMatch::Prefix("spiffe://cluster.local/ns/shop/".into())]), THIEF));
    let both = AccessSource {
        namespaces: vec!["shop".into()],
        service_accounts: vec![account("clerk")],
        ..Default::default()
    };
    assert!(!decided(both, BUYER));
    // Callers of these tests are 10.244.0.2.
    let block = |except: &[&str]| AddressBlock {
        range: ("10.0.0.0".parse().unwrap(), 8),
        except: except.iter().map(|it| (it.parse().unwrap(), 32)).collect(),
    };
    let blocks = |block| AccessSource { blocks: vec![block], ..AccessSource::default() };
    assert!(decided(blocks(block(&[])), None));
    assert!(!decided(blocks(block(&["10.244.0.2"])), None));
}

#[test]
fn headers_and_methods_are_asked_for_too() {
    let mut operation = path("/");
    operation.request.methods = vec!["GET".into(), "HEAD".into()];
    operation.request.headers = vec![
        HeaderMatch { name: "x-any".into(), value: None },
        HeaderMatch { name: "x-one".into(), value: Some(TextMatch::Regex("a+".into())) },
    ];
    let snapshot = with(open(), vec![policy("allow", AccessAction::Allow, vec![], vec![operation])]);
    let good = || SimpleRequest::new("HEAD", "/x", "store").with("x-any", "").with("x-one", "aaa");
    assert_eq!(request(&snapshot, BUYER, &good()), PASSED);
    for other in [
        SimpleRequest::new("POST", "/x", "store").with("x-any", "").with("x-one", "a"),
        SimpleRequest::new("GET", "/x", "store").with("x-one", "a"),
        SimpleRequest::new("GET", "/x", "store").with("x-any", "").with("x-one", "ab"),
    ] {
        assert_eq!(request(&snapshot, BUYER, &other), refused(None), "{other:?}");
    }
}

#[test]
fn plaintext_meets_policies_too() {
    let deny = policy("deny", AccessAction::Deny, vec![], vec![]);
    let mut snapshot = with(open(), vec![deny]);
    Arc::make_mut(&mut snapshot.mesh).mtls = MtlsMode::Permissive;
    let inbound = listener_of(&snapshot, "store-1", "inbound");
    for protocols in [&["http/1.1"][..], &[]] {
        let chain = inbound.choose(&met(8080, TransportProtocol::Raw, protocols)).unwrap();
        let guarded = match &chain.terminal {
            super::super::super::Terminal::Http(manager) => !manager.filters.is_empty(),
            super::super::super::Terminal::Tcp(_) => !chain.guards.is_empty(),
        };
        assert!(guarded, "{protocols:?}");
    }
}
