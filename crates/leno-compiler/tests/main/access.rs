//! SMI access semantics: who gets in, by evaluating the compiled RBAC.

use leno_compiler::{Kind, resource};
use leno_model::{
    Protocol, Snapshot,
    mesh::DefaultAccess,
    policy::{HttpMatch, authorization::Ports},
};
use leno_proto::{
    any::unpack,
    google::protobuf::Any,
    v3::{
        http_connection_manager::{HttpConnectionManager, http_filter},
        http_rbac,
        listener::{Filter, FilterChain, Listener, filter},
        matcher::{self, string_matcher::MatchPattern},
        network_rbac,
        rbac::{self, permission::Rule, principal::Identifier},
        route::header_matcher::HeaderMatchSpecifier,
    },
};

use crate::mesh::{add_service, add_workload, configure, get, rule, scope};

/// One caller's request or connection.
struct Call<'a> {
    source: &'a str,
    port: u16,
    method: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
}

const BUY: Call<'static> = Call { source: "buyer", port: 8080, method: "GET", path: "/books", headers: &[] };

/// A server `store` with an HTTP port 8080, a port of bytes 7000 and an undeclared port 9000.
fn mesh() -> Snapshot {
    let mut snapshot = Snapshot::default();
    add_workload(&mut snapshot, "store", "10.244.0.3");
    let ports = [(80, 8080, Protocol::Http), (7000, 7000, Protocol::Tcp), (9000, 9000, Protocol::Detect)];
    add_service(&mut snapshot, "store", "10.96.0.3", &ports, &["store"]);
    snapshot
}

fn config(filter: &Filter) -> &Any {
    match filter.config_type.as_ref().unwrap() {
        filter::ConfigType::TypedConfig(config) => config,
        other @ filter::ConfigType::ConfigDiscovery(_) => panic!("{other:?}"),
    }
}

/// The chain that takes this ALPN on this port.
fn chain(snapshot: &Snapshot, port: u16, alpn: &str) -> Option<FilterChain> {
    let any = resource(snapshot, &scope("store-1"), Kind::Listener, "inbound").unwrap();
    let chains = unpack::<Listener>(&any).unwrap().filter_chains;
    let of_port = |chain: &&FilterChain, port: Option<u16>| {
        let fits = chain.filter_chain_match.as_ref().unwrap();
        fits.destination_port.map(|port| port.value) == port.map(u32::from)
    };
    let port = chains.iter().any(|chain| of_port(&chain, Some(port))).then_some(port);
    let fits = |chain: &&FilterChain| {
        of_port(chain, port)
            && chain.filter_chain_match.as_ref().unwrap().application_protocols.iter().any(|name| name == alpn)
    };
    chains.iter().find(fits).cloned()
}

/// The policy that lets the request in.
fn http(snapshot: &Snapshot, call: &Call<'_>) -> Option<String> {
    let chain = chain(snapshot, call.port, "leno-h2")?;
    let manager: HttpConnectionManager = unpack(config(&chain.filters[0])).unwrap();
    let filter = manager.http_filters.iter().find(|filter| filter.name.ends_with("rbac"));
    let Some(filter) = filter else {
        return Some("no rbac".into());
    };
    let Some(http_filter::ConfigType::TypedConfig(any)) = &filter.config_type else { panic!() };
    verdict(&unpack::<http_rbac::Rbac>(any).unwrap().rules.unwrap(), call)
}

/// The policy that lets the connection in.
fn tcp(snapshot: &Snapshot, source: &str, port: u16) -> Option<String> {
    let chain = chain(snapshot, port, "leno-tcp")?;
    let call = Call { source, port, method: "", path: "", headers: &[] };
    if chain.filters.len() == 1 {
        return Some("no rbac".into());
    }
    verdict(&unpack::<network_rbac::Rbac>(config(&chain.filters[0])).unwrap().rules.unwrap(), &call)
}

fn verdict(rules: &rbac::Rbac, call: &Call<'_>) -> Option<String> {
    assert_eq!(rules.action, i32::from(rbac::rbac::Action::Allow));
    let id = format!("spiffe://cluster.local/ns/shop/sa/{}", call.source);
    let is_source = |principal: &rbac::Principal| match &principal.identifier {
        Some(Identifier::Authenticated(who)) => string(who.principal_name.as_ref().unwrap(), &id),
        other => panic!("{other:?}"),
    };
    let fits = |policy: &rbac::Policy| {
        policy.principals.iter().any(is_source) && policy.permissions.iter().any(|p| permitted(p, call))
    };
    rules.policies.iter().find(|(_, policy)| fits(policy)).map(|(name, _)| name.clone())
}

fn permitted(permission: &rbac::Permission, call: &Call<'_>) -> bool {
    match permission.rule.as_ref().unwrap() {
        Rule::Any(any) => *any,
        Rule::AndRules(set) => set.rules.iter().all(|rule| permitted(rule, call)),
        Rule::OrRules(set) => set.rules.iter().any(|rule| permitted(rule, call)),
        Rule::DestinationPort(port) => *port == u32::from(call.port),
        Rule::UrlPath(path) => {
            let Some(matcher::path_matcher::Rule::Path(fits)) = &path.rule else { panic!() };
            string(fits, call.path)
        }
        Rule::Header(header) => {
            let Some(HeaderMatchSpecifier::StringMatch(fits)) = &header.header_match_specifier else { panic!() };
            let method = [(":method", call.method)];
            let mut values = call.headers.iter().chain(&method).filter(|(name, _)| *name == header.name);
            values.any(|(_, value)| string(fits, value))
        }
        other => panic!("{other:?}"),
    }
}

fn string(fits: &matcher::StringMatcher, text: &str) -> bool {
    match fits.match_pattern.as_ref().unwrap() {
        MatchPattern::Exact(exact) => exact == text,
        MatchPattern::SafeRegex(regex) => regex::Regex::new(&format!("^(?:{})$", regex.regex)).unwrap().is_match(text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_rule_everything_is_denied() {
    let snapshot = mesh();
    assert_eq!(http(&snapshot, &BUY), None);
    assert_eq!(tcp(&snapshot, "buyer", 7000), None);
    assert_eq!(http(&snapshot, &Call { port: 1234, ..BUY }), None);
}

#[test]
fn with_default_access_allow_rules_have_no_effect() {
    let mut snapshot = mesh();
    configure(&mut snapshot, |mesh| mesh.default_access = DefaultAccess::Allow);
    snapshot.access_rules = vec![rule("r", "store", &["other"], Some(vec![get("/x")]), None)];
    assert_eq!(http(&snapshot, &BUY).as_deref(), Some("no rbac"));
    assert_eq!(tcp(&snapshot, "buyer", 7000).as_deref(), Some("no rbac"));
}

#[test]
fn source_path_method_and_headers_must_all_fit() {
    let mut snapshot = mesh();
    let mut entry = get("/books");
    entry.headers = vec![("client".into(), "web|app".into()), ("host".into(), "store.*".into())];
    snapshot.access_rules = vec![rule("r", "store", &["buyer", "clerk"], Some(vec![entry]), None)];
    let headers = [("client", "app"), ("host", "store.shop")];
    let good = || Call { headers: &headers, ..BUY };
    let clerk = Call { source: "clerk", ..good() };
    for call in [good(), clerk] {
        assert_eq!(http(&snapshot, &call).as_deref(), Some("TrafficTarget shop/r"));
    }
    let other_client = [("client", "other"), headers[1]];
    for refused in [
        Call { source: "thief", ..good() },
        Call { path: "/books/1", ..good() },
        Call { method: "POST", ..good() },
        Call { headers: &headers[..1], ..good() },
        Call { headers: &other_client, ..good() },
    ] {
        assert_eq!(http(&snapshot, &refused), None);
    }
}

#[test]
fn rules_and_entries_add_up() {
    let mut snapshot = mesh();
    let mut several = get("/b");
    several.methods = vec!["POST".into(), "PUT".into()];
    snapshot.access_rules = vec![
        rule("a", "store", &["buyer"], Some(vec![get("/a"), several]), None),
        rule("a", "store", &["clerk"], Some(vec![HttpMatch::default()]), None),
        rule("other", "warehouse", &["thief"], Some(vec![HttpMatch::default()]), None),
    ];
    assert!(http(&snapshot, &Call { path: "/a", ..BUY }).is_some());
    assert!(http(&snapshot, &Call { path: "/b", method: "PUT", ..BUY }).is_some());
    assert!(http(&snapshot, &Call { path: "/b", ..BUY }).is_none());
    // A second rule of the same object is not lost.
    assert_eq!(http(&snapshot, &Call { source: "clerk", ..BUY }).as_deref(), Some("TrafficTarget shop/a #2"));
    // Rules for others have no say.
    assert!(http(&snapshot, &Call { source: "thief", ..BUY }).is_none());
}

#[test]
fn a_tcp_rule_lets_bytes_and_http_in_on_its_ports() {
    let mut snapshot = mesh();
    snapshot.access_rules = vec![rule("r", "store", &["buyer"], None, Some(Ports::Only(vec![7000, 8080])))];
    assert!(tcp(&snapshot, "buyer", 7000).is_some());
    assert!(tcp(&snapshot, "thief", 7000).is_none());
    assert!(tcp(&snapshot, "buyer", 9000).is_none());
    assert!(http(&snapshot, &BUY).is_some());
    assert!(http(&snapshot, &Call { port: 9000, ..BUY }).is_none());
    snapshot.access_rules = vec![rule("r", "store", &["buyer"], None, Some(Ports::All))];
    assert!(tcp(&snapshot, "buyer", 9000).is_some());
    assert!(tcp(&snapshot, "buyer", 1234).is_some());
}

#[test]
fn http_and_tcp_rules_together_narrow_http_to_the_ports() {
    let mut snapshot = mesh();
    let both = rule("r", "store", &["buyer"], Some(vec![get("/books")]), Some(Ports::Only(vec![8080, 7000, 9000])));
    snapshot.access_rules = vec![both];
    assert!(http(&snapshot, &BUY).is_some());
    assert!(http(&snapshot, &Call { path: "/other", ..BUY }).is_none());
    assert!(http(&snapshot, &Call { port: 1234, ..BUY }).is_none());
    assert!(tcp(&snapshot, "buyer", 7000).is_some());
}

#[test]
fn an_http_rule_cannot_be_walked_around_by_claiming_to_send_bytes() {
    let mut snapshot = mesh();
    let both = rule("r", "store", &["buyer"], Some(vec![get("/books")]), Some(Ports::All));
    let http_only = rule("s", "store", &["buyer"], Some(vec![get("/books")]), None);
    snapshot.access_rules = vec![both, http_only];
    // Declared HTTP: there is no chain for bytes.
    assert!(chain(&snapshot, 8080, "leno-tcp").is_none());
    // Not declared, or no service's port: only rules without HTTP count for bytes.
    assert!(tcp(&snapshot, "buyer", 9000).is_none());
    assert!(tcp(&snapshot, "buyer", 1234).is_none());
    assert!(http(&snapshot, &Call { port: 9000, ..BUY }).is_some());
}

#[test]
fn an_http_rule_does_not_open_ports_of_bytes() {
    let mut snapshot = mesh();
    snapshot.access_rules = vec![rule("r", "store", &["buyer"], Some(vec![HttpMatch::default()]), None)];
    assert!(chain(&snapshot, 7000, "leno-h2").is_none());
    assert!(chain(&snapshot, 7000, "leno-http/1.1").is_none());
    assert!(tcp(&snapshot, "buyer", 7000).is_none());
}

#[test]
fn rules_that_name_nothing_allow_nothing() {
    let mut snapshot = mesh();
    snapshot.access_rules = vec![
        rule("udp", "store", &["buyer"], None, None),
        rule("empty-group", "store", &["buyer"], Some(vec![]), None),
        rule("no-port", "store", &["buyer"], None, Some(Ports::Only(vec![]))),
        rule("nobody", "store", &[], Some(vec![HttpMatch::default()]), None),
    ];
    assert!(http(&snapshot, &BUY).is_none());
    assert!(tcp(&snapshot, "buyer", 7000).is_none());
}

#[test]
fn ports_that_services_declare_differently_take_both() {
    let mut snapshot = mesh();
    add_service(&mut snapshot, "again", "10.96.0.4", &[(81, 8080, Protocol::Tcp)], &["store"]);
    assert!(chain(&snapshot, 8080, "leno-tcp").is_some());
    assert!(chain(&snapshot, 8080, "leno-http/1.1").is_some());
}
