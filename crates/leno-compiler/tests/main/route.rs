//! Gateway API routes: which rule a request meets, and what is made of it.

use std::{sync::Arc, time::Duration};

use leno_compiler::{Kind, depends_on_namespace, resource};
use leno_model::{
    ObjectRef, Protocol, Route, Snapshot,
    route::{
        Backend, GrpcMatch, GrpcRule, Handling, HttpRule, Parent, RequestMatch, Rules, Share, StreamRule, TlsRule,
        handling::{
            Cors, Forward, HeaderChanges, HttpShare, Mirror, Origin, Outcome, PathRewrite, Redirect, Retry, Scheme,
            SessionKind, SessionPersistence,
        },
        http::{PathMatch, TextMatch},
    },
    unit::Weight,
};
use leno_proto::{
    any::unpack,
    v3::{
        listener::Listener,
        route::{RouteConfiguration, redirect_action::PathRewriteSpecifier, route::Action, route_match::PathSpecifier},
    },
};

use crate::mesh::{add_service, bookstore, scope, service_name, split};

/// A route in a namespace, attached to port 80 of a service.
pub(crate) fn route(namespace: &str, name: &str, service: &str, rules: Rules) -> Arc<Route> {
    let kind = match rules {
        Rules::Grpc(_) => "GRPCRoute",
        Rules::Http(_) => "HTTPRoute",
        Rules::Tls(_) => "TLSRoute",
        Rules::Tcp(_) => "TCPRoute.gateway.networking.k8s.io",
    };
    let parents = vec![Parent { service: service_name(service), port: 80 }];
    Arc::new(Route { origin: ObjectRef::new(kind, namespace, name), parents, rules, policies: Vec::new() })
}

pub(crate) fn prefix(path: &str) -> RequestMatch {
    RequestMatch { path: PathMatch::Prefix(path.to_owned()), ..RequestMatch::default() }
}

fn exact(path: &str) -> RequestMatch {
    RequestMatch { path: PathMatch::Exact(path.to_owned()), ..RequestMatch::default() }
}

pub(crate) fn to(backends: &[(&str, u32)]) -> Forward {
    let share = |(name, weight): &(&str, u32)| HttpShare {
        backend: Backend::Service(service_name(name), 80),
        weight: Weight(*weight),
        request_headers: HeaderChanges::default(),
        response_headers: HeaderChanges::default(),
    };
    Forward { backends: backends.iter().map(share).collect(), ..Forward::default() }
}

pub(crate) fn forward(forward: Forward) -> Handling {
    Handling { outcome: Outcome::Forward(Box::new(forward)), ..Handling::default() }
}

pub(crate) fn rule(name: &str, matches: Vec<RequestMatch>, handling: Handling) -> HttpRule {
    HttpRule { name: name.to_owned(), matches, handling }
}

fn configuration(snapshot: &Snapshot, namespace: &str, service: &str) -> RouteConfiguration {
    let mut scope = scope("buyer-1");
    scope.workload.namespace = namespace.to_owned();
    let name = format!("outbound/shop/{service}:80");
    unpack(&resource(snapshot, &scope, Kind::Route, &name).unwrap()).unwrap()
}

/// The names of the routes of the store, in their order.
fn names(snapshot: &Snapshot, namespace: &str) -> Vec<String> {
    let mut hosts = configuration(snapshot, namespace, "store").virtual_hosts;
    hosts.remove(0).routes.into_iter().map(|route| route.name).collect()
}

#[test]
fn the_most_specific_match_comes_first_then_the_older_route_then_the_earlier_rule() {
    let mut snapshot = bookstore();
    let header = |name: &str| (name.to_owned(), TextMatch::Exact("x".into()));
    let with_method = RequestMatch { method: Some("GET".into()), ..prefix("/a") };
    let with_header = RequestMatch { headers: vec![header("a"), header("b")], ..prefix("/a") };
    let with_query = RequestMatch { query: vec![header("a")], ..prefix("/a") };
    let regex = RequestMatch { path: PathMatch::Regex("/a.*".into()), ..RequestMatch::default() };
    let go = || forward(to(&[("store-v1", 1)]));
    let older = vec![
        rule("any", vec![prefix("")], go()),
        rule("query", vec![with_query], go()),
        rule("header", vec![with_header], go()),
        rule("method", vec![with_method], go()),
    ];
    let younger = vec![
        rule("same", vec![prefix("")], go()),
        rule("longer", vec![prefix("/a/b")], go()),
        rule("regex", vec![regex], go()),
        rule("exact", vec![exact("/a")], go()),
    ];
    snapshot.routes = vec![
        route("shop", "older", "store", Rules::Http(older)),
        route("shop", "younger", "store", Rules::Http(younger)),
    ];
    let expected = [
        "younger/exact",
        "younger/regex",
        "younger/longer",
        "older/method",
        "older/header",
        "older/query",
        "older/any",
        "younger/same",
    ];
    assert_eq!(names(&snapshot, "shop"), expected.map(|name| format!("shop/{name}")));
}

#[test]
fn routes_of_a_namespace_replace_the_producers_for_its_clients_alone() {
    let mut snapshot = bookstore();
    let all = || Rules::Http(vec![rule("0", vec![prefix("")], forward(to(&[("store-v1", 1)])))]);
    snapshot.routes = vec![route("front", "consumer", "store", all()), route("shop", "producer", "store", all())];
    assert_eq!(names(&snapshot, "front"), ["front/consumer/0"]);
    assert_eq!(names(&snapshot, "shop"), ["shop/producer/0"]);
    assert_eq!(names(&snapshot, "back"), ["shop/producer/0"]);
    assert!(depends_on_namespace(&snapshot, Kind::Route, "outbound/shop/store:80"));
    assert!(depends_on_namespace(&snapshot, Kind::Listener, "outbound/10.96.0.10:80"));
    assert!(!depends_on_namespace(&snapshot, Kind::Route, "outbound/shop/store-v1:80"));
    snapshot.routes.pop();
    assert_eq!(names(&snapshot, "shop"), ["", ""], "the split, and CONNECT");
}

#[test]
fn a_route_wins_over_a_split_of_the_same_service() {
    let mut snapshot = bookstore();
    snapshot.traffic_splits = vec![split("s", "store", &[("store-v1", 1)], vec![])];
    let all = Rules::Http(vec![rule("0", vec![prefix("/x")], forward(to(&[("store-v2", 1)])))]);
    snapshot.routes = vec![route("shop", "r", "store", all)];
    assert_eq!(names(&snapshot, "shop"), ["shop/r/0"], "and what fits no rule is not found");
}

/// What becomes of a path: the match's prefix, what it is replaced by, and the field of Envoy's that says so.
#[test]
fn prefixes_are_replaced_step_by_step() {
    for (from, to, expected) in [
        ("/foo", "/xyz", "prefix /xyz"),
        ("/foo", "", "regex ^/foo/* → /"),
        ("", "/xyz", "prefix /xyz/"),
        ("", "", "nothing"),
        ("/a.b", "", r"regex ^/a\.b/* → /"),
    ] {
        let redirect = Redirect {
            status: 301,
            scheme: None,
            host: None,
            port: None,
            path: Some(PathRewrite::Prefix(to.to_owned())),
        };
        let handling = Handling { outcome: Outcome::Redirect(redirect), ..Handling::default() };
        let mut snapshot = bookstore();
        let rules = Rules::Http(vec![rule("0", vec![prefix(from)], handling)]);
        snapshot.routes = vec![route("shop", "r", "store", rules)];
        let action = configuration(&snapshot, "shop", "store").virtual_hosts.remove(0).routes.remove(0).action;
        let Some(Action::Redirect(redirect)) = action else { panic!("{action:?}") };
        let said = match redirect.path_rewrite_specifier {
            None => "nothing".to_owned(),
            Some(PathRewriteSpecifier::PrefixRewrite(to)) => format!("prefix {to}"),
            Some(PathRewriteSpecifier::RegexRewrite(to)) => {
                format!("regex {} → {}", to.pattern.unwrap().regex, to.substitution)
            }
            other => format!("{other:?}"),
        };
        assert_eq!(said, expected, "{from:?} → {to:?}");
    }
}

#[test]
fn a_redirect_names_the_port_where_it_does_not_go_without_saying() {
    for (scheme, host, port, called, expected) in [
        (None, None, None, 80, 0),
        (None, None, None, 8080, 0),
        (None, Some("h"), None, 80, 0),
        (None, Some("h"), None, 8080, 8080),
        (Some(Scheme::Https), None, None, 80, 0),
        (Some(Scheme::Https), None, None, 8080, 443),
        (Some(Scheme::Https), Some("h"), None, 8080, 0),
        (Some(Scheme::Https), None, Some(443), 80, 0),
        (None, None, Some(80), 8080, 0),
        (None, None, Some(8083), 80, 8083),
    ] {
        let redirect = Redirect { status: 302, scheme, host: host.map(str::to_owned), port, path: None };
        let handling = Handling { outcome: Outcome::Redirect(redirect), ..Handling::default() };
        let mut snapshot = bookstore();
        add_service(&mut snapshot, "other", "10.96.0.77", &[(called, 8080, Protocol::Http)], &["store-v1"]);
        let rules = Rules::Http(vec![rule("0", vec![prefix("")], handling)]);
        let mut of_other = (*route("shop", "r", "other", rules)).clone();
        of_other.parents[0].port = called;
        snapshot.routes = vec![Arc::new(of_other)];
        let name = format!("outbound/shop/other:{called}");
        let any = resource(&snapshot, &scope("buyer-1"), Kind::Route, &name).unwrap();
        let mut routes = unpack::<RouteConfiguration>(&any).unwrap().virtual_hosts.remove(0).routes;
        let action = routes.remove(0).action;
        let Some(Action::Redirect(made)) = action else { panic!("{action:?}") };
        assert_eq!(made.port_redirect, expected, "{scheme:?} {host:?} {port:?} at {called}");
    }
}

#[test]
fn calls_are_paths() {
    let (word, regex) =
        (|text: &str| Some(TextMatch::Exact(text.into())), |text: &str| Some(TextMatch::Regex(text.into())));
    for (service, method, expected) in [
        (None, None, "prefix /"),
        (word("shop.Cart"), None, "separated /shop.Cart"),
        (word("shop.Cart"), word("Add"), "exact /shop.Cart/Add"),
        (None, word("Add"), "regex /[^/]+/Add"),
        (word("shop.Cart"), regex("A.*"), r"regex /shop\.Cart/(?:A.*)"),
    ] {
        let fits = GrpcMatch { service, method, headers: vec![] };
        let rules = vec![GrpcRule { name: "0".into(), matches: vec![fits], handling: forward(to(&[("store-v1", 1)])) }];
        let mut snapshot = bookstore();
        snapshot.routes = vec![route("shop", "r", "store", Rules::Grpc(rules))];
        let made = configuration(&snapshot, "shop", "store").virtual_hosts.remove(0).routes.remove(0).r#match.unwrap();
        assert!(made.grpc.is_some());
        let said = match made.path_specifier.unwrap() {
            PathSpecifier::Prefix(path) => format!("prefix {path}"),
            PathSpecifier::PathSeparatedPrefix(path) => format!("separated {path}"),
            PathSpecifier::Path(path) => format!("exact {path}"),
            PathSpecifier::SafeRegex(path) => format!("regex {}", path.regex),
            other => format!("{other:?}"),
        };
        assert_eq!(said, expected);
    }
}

#[test]
fn connections_go_by_weight_or_by_the_name_that_they_ask_for() {
    let mut snapshot = bookstore();
    let share = |name: &str| Share { backend: Backend::Service(service_name(name), 80), weight: Weight(1) };
    let streams = |shares| StreamRule { name: "0".into(), shares };
    let detect = [(80, 8080, Protocol::Detect)];
    add_service(&mut snapshot, "bytes", "10.96.0.70", &detect, &["store-v1"]);
    add_service(&mut snapshot, "names", "10.96.0.71", &detect, &["store-v1"]);
    let unresolved = Share { backend: Backend::Unresolved, weight: Weight(1) };
    let one =
        TlsRule { hostnames: vec!["a.example".into(), "b.example".into()], rule: streams(vec![share("store-v1")]) };
    let two =
        TlsRule { hostnames: vec!["b.example".into(), "*.c.example".into()], rule: streams(vec![share("store-v2")]) };
    snapshot.routes = vec![
        route("shop", "bytes", "bytes", Rules::Tcp(vec![streams(vec![share("store-v1"), unresolved])])),
        route("shop", "one", "names", Rules::Tls(one)),
        route("shop", "two", "names", Rules::Tls(two)),
    ];
    let listener = |address: &str| -> Listener {
        let any = resource(&snapshot, &scope("buyer-1"), Kind::Listener, &format!("outbound/{address}:80")).unwrap();
        unpack(&any).unwrap()
    };
    let bytes = listener("10.96.0.70");
    assert_eq!((bytes.filter_chains.len(), bytes.listener_filters.len()), (1, 0), "nothing is found out");
    let names = listener("10.96.0.71");
    let servers = names.filter_chains.iter().map(|chain| chain.filter_chain_match.clone().unwrap().server_names);
    assert_eq!(servers.collect::<Vec<_>>(), [vec!["a.example", "b.example"], vec!["*.c.example"]]);
    assert!(names.default_filter_chain.is_none());
}

/// A route that says everything that can be said.
pub(crate) fn everything() -> Arc<Route> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let changes = |name: &str| HeaderChanges {
        remove: vec![format!("{name}-gone")],
        set: vec![header(name, "100%")],
        add: vec![header(&format!("{name}-more"), "v")],
    };
    let mut all = to(&[("store-v1", 90), ("store-v2", 10)]);
    all.backends[1].request_headers = changes("x-v2");
    all.backends[1].response_headers = changes("x-v2-answer");
    all.backends.push(HttpShare { backend: Backend::Unresolved, ..all.backends[0].clone() });
    all.host = Some("books.example.org".into());
    all.path = Some(PathRewrite::Full("/one".into()));
    all.mirrors = vec![Mirror { backend: Backend::Service(service_name("warehouse"), 80), per_million: 2500 }];
    all.timeout = Some(Duration::from_secs(10));
    all.try_timeout = Some(Duration::from_millis(500));
    all.retry = Some(Retry { statuses: vec![500, 503], attempts: 2, backoff: Some(Duration::from_millis(100)) });
    let fits = RequestMatch {
        method: Some("GET".into()),
        headers: vec![("x-a".into(), TextMatch::Exact("b".into())), ("x-c".into(), TextMatch::Regex("d.*".into()))],
        query: vec![("q".into(), TextMatch::Exact("1".into()))],
        ..prefix("/v1")
    };
    let cors = Cors {
        origins: vec![Origin::Any, Origin::Exact("https://a.example".into()), Origin::Regex("https://[^/:]+".into())],
        credentials: true,
        methods: vec!["GET".into(), "PUT".into()],
        headers: vec!["x-a".into()],
        expose: vec!["x-b".into()],
        max_age: Duration::from_secs(60),
    };
    let handling = Handling {
        request_headers: changes("x-request"),
        response_headers: changes("x-answer"),
        cors: Some(cors),
        ..forward(all)
    };
    let redirect = Redirect {
        status: 308,
        scheme: Some(Scheme::Https),
        host: Some("example.org".into()),
        port: Some(8443),
        path: Some(PathRewrite::Prefix(String::new())),
    };
    let mut strip = to(&[("store-v1", 1)]);
    strip.path = Some(PathRewrite::Prefix(String::new()));
    strip.try_timeout = Some(Duration::from_secs(1));
    let cookie = SessionKind::Cookie(Some(Duration::from_secs(3600)));
    strip.session = Some(SessionPersistence { name: "leno-session".into(), kind: cookie });
    let mut sticky = to(&[("store-v2", 1)]);
    sticky.session = Some(SessionPersistence { name: "x-session".into(), kind: SessionKind::Header });
    let of = |outcome| Handling { outcome, ..Handling::default() };
    let rules = vec![
        rule("all", vec![fits], handling),
        rule("redirect", vec![prefix("/old")], of(Outcome::Redirect(redirect))),
        rule("strip", vec![prefix("/strip")], forward(strip)),
        rule("sticky", vec![prefix("/sticky")], forward(sticky)),
        rule("refused", vec![exact("/refused")], of(Outcome::Refuse(500, "no".into()))),
        rule("empty", vec![prefix("")], forward(to(&[("store-v1", 0)]))),
    ];
    route("shop", "everything", "store", Rules::Http(rules))
}

#[test]
fn a_grpc_library_is_told_only_what_it_knows() {
    let mut snapshot = bookstore();
    snapshot.routes = vec![everything()];
    let scope = leno_compiler::Scope { client: leno_compiler::Client::Grpc, ..scope("buyer-1") };
    let any = resource(&snapshot, &scope, Kind::Route, "outbound/shop/store:80").unwrap();
    for route in unpack::<RouteConfiguration>(&any).unwrap().virtual_hosts.remove(0).routes {
        let fits = route.r#match.unwrap();
        assert!(!matches!(fits.path_specifier, Some(PathSpecifier::PathSeparatedPrefix(_))), "{fits:?}");
        assert!(fits.grpc.is_none() && route.typed_per_filter_config.is_empty());
    }
}

#[test]
fn without_retries_the_time_of_a_try_is_that_of_the_request() {
    for (whole, one, expected) in [(None, Some(2), 2), (Some(5), Some(2), 2), (Some(5), None, 5), (None, None, 0)] {
        let mut forward_to = to(&[("store-v1", 1)]);
        (forward_to.timeout, forward_to.try_timeout) = (whole.map(Duration::from_secs), one.map(Duration::from_secs));
        let mut snapshot = bookstore();
        let rules = Rules::Http(vec![rule("0", vec![prefix("")], forward(forward_to))]);
        snapshot.routes = vec![route("shop", "r", "store", rules)];
        let action = configuration(&snapshot, "shop", "store").virtual_hosts.remove(0).routes.remove(0).action;
        let Some(Action::Route(made)) = action else { panic!("{action:?}") };
        assert_eq!(made.timeout.unwrap().seconds, expected);
        assert!(made.retry_policy.is_none());
    }
}
