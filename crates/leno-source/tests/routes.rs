//! Gateway API routes: what they attach to, where they lead, what their status says.

use leno_model::route::{
    Backend, Rules,
    handling::{Outcome, PathRewrite, SessionKind},
    http::PathMatch,
};
use leno_source::Assembly;

use crate::{assembled, notes, wrong};

const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: tcp, port: 81}, {name: any, port: 82}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart-v2, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: tcp, port: 81}]}
---
apiVersion: v1
kind: Service
metadata: {name: stock, namespace: store}
spec: {ports: [{name: http, port: 80}]}
---
";

/// A route of a kind; `created` sets how old it is.
fn route(kind: &str, namespace: &str, name: &str, created: &str, spec: &str) -> String {
    let version = if kind == "TCPRoute" { "v1alpha2" } else { "v1" };
    format!(
        "apiVersion: gateway.networking.k8s.io/{version}\nkind: {kind}\n\
         metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: '{created}', generation: 3}}\n\
         spec: {spec}\n---\n"
    )
}

fn http(name: &str, spec: &str) -> Assembly {
    assembled(&format!("{SERVICES}{}", route("HTTPRoute", "shop", name, "2026-01-01T00:00:00Z", spec)))
}

/// The conditions of the first route at its parents: `Accepted reason/ResolvedRefs reason`.
fn conditions(assembly: &Assembly, index: usize) -> Vec<String> {
    let parents = &assembly.routes[index].status.parents;
    let shown = |parent: &leno_manifest::gateway::status::RouteParentStatus| {
        assert_eq!(parent.controller_name, "leno.dev/mesh-controller");
        assert!(parent.conditions.iter().all(|it| it.observed_generation == Some(3)));
        parent.conditions.iter().map(|it| format!("{:?} {}", it.status, it.reason)).collect::<Vec<_>>().join(", ")
    };
    parents.iter().map(shown).collect()
}

const GOOD: &str = "True Accepted, True ResolvedRefs";

#[test]
fn a_route_attaches_to_the_ports_that_carry_what_it_routes() {
    for (parent, ports, said) in [
        ("{group: '', kind: Service, name: cart}", &[80, 82][..], GOOD),
        ("{group: '', kind: Service, name: cart, port: 82}", &[82], GOOD),
        ("{group: '', kind: Service, name: cart, sectionName: http}", &[80], GOOD),
        ("{group: '', kind: Service, name: cart, port: 81}", &[], "False NoMatchingParent, True ResolvedRefs"),
        ("{group: '', kind: Service, name: cart, port: 83}", &[], "False NoMatchingParent, True ResolvedRefs"),
        ("{group: '', kind: Service, name: none}", &[], "False NoMatchingParent, True ResolvedRefs"),
    ] {
        let spec = format!("{{parentRefs: [{parent}], rules: [{{backendRefs: [{{name: cart-v2, port: 80}}]}}]}}");
        let assembly = http("r", &spec);
        let routes = &assembly.snapshot.routes;
        let found: Vec<_> = routes.iter().flat_map(|it| &it.parents).map(|parent| parent.port).collect();
        assert_eq!(found, ports, "{parent}");
        assert_eq!(conditions(&assembly, 0), [said], "{parent}");
    }
    let assembly = http("r", "{parentRefs: [{name: front}]}");
    assert!(assembly.routes.is_empty() && assembly.snapshot.routes.is_empty());
    assert!(notes(&assembly)[0].contains("no parent of it is a Service"), "{:?}", notes(&assembly));
}

#[test]
fn what_is_not_there_answers_for_its_share() {
    let spec = |backend: &str| {
        format!(
            "{{parentRefs: [{{group: '', kind: Service, name: cart, port: 80}}], rules: [{{backendRefs: [{{name: cart, port: 80}}, {backend}]}}]}}"
        )
    };
    for (backend, reason) in [
        ("{name: none, port: 80}", "BackendNotFound"),
        ("{name: cart-v2, port: 99}", "BackendNotFound"),
        ("{name: cart-v2, port: 81}", "UnsupportedProtocol"),
        ("{name: stock, namespace: store, port: 80}", "RefNotPermitted"),
        ("{group: example.org, kind: Bucket, name: b}", "InvalidKind"),
    ] {
        let assembly = http("r", &spec(backend));
        let Rules::Http(rules) = &assembly.snapshot.routes[0].rules else { panic!("an HTTPRoute") };
        let Outcome::Forward(forward) = &rules[0].handling.outcome else { panic!("{rules:?}") };
        assert_eq!(forward.backends[1].backend, Backend::Unresolved, "{backend}");
        assert_eq!(conditions(&assembly, 0), [format!("True Accepted, False {reason}")], "{backend}");
        assert!(notes(&assembly)[0].contains("spec.rules[0].backendRefs[1] names"), "{:?}", notes(&assembly));
    }
}

#[test]
fn a_grant_or_the_parents_own_namespace_lets_a_route_lead_elsewhere() {
    let spec = "{parentRefs: [{group: '', kind: Service, name: cart, port: 80}], rules: [{backendRefs: [{name: stock, namespace: store, port: 80}]}]}";
    let shop = route("HTTPRoute", "shop", "r", "2026-01-01T00:00:00Z", spec);
    let grant = |kind: &str, namespace: &str, name: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {{name: g, namespace: store}}\n\
             spec: {{from: [{{group: gateway.networking.k8s.io, kind: {kind}, namespace: {namespace}}}], to: [{{group: '', kind: Service{name}}}]}}\n"
        )
    };
    for (grant, permitted) in [
        (grant("HTTPRoute", "shop", ""), true),
        (grant("HTTPRoute", "shop", ", name: stock"), true),
        (grant("HTTPRoute", "shop", ", name: other"), false),
        (grant("HTTPRoute", "front", ""), false),
        (grant("GRPCRoute", "shop", ""), false),
    ] {
        let assembly = assembled(&format!("{SERVICES}{shop}{grant}"));
        assert_eq!(conditions(&assembly, 0)[0] == GOOD, permitted, "{grant}");
    }
    let back = "{parentRefs: [{group: '', kind: Service, name: stock, namespace: store}], rules: [{backendRefs: [{name: stock, namespace: store, port: 80}]}]}";
    let consumer = route("HTTPRoute", "shop", "r", "2026-01-01T00:00:00Z", back);
    assert_eq!(conditions(&assembled(&format!("{SERVICES}{consumer}")), 0), [GOOD]);
}

#[test]
fn what_leno_does_not_do_keeps_a_route_from_being_in_force() {
    let parents = "parentRefs: [{group: '', kind: Service, name: cart, port: 80}]";
    let to = "backendRefs: [{name: cart-v2, port: 80}]";
    for (rule, field) in [
        (format!("{{{to}, sessionPersistence: {{idleTimeout: 1h}}}}"), "sessionPersistence.idleTimeout"),
        (format!("{{{to}, sessionPersistence: {{absoluteTimeout: 1h}}}}"), "sessionPersistence.absoluteTimeout"),
        (
            "{backendRefs: [{name: cart-v2, port: 80}, {name: cart, port: 80}], sessionPersistence: {}}".into(),
            "sessionPersistence",
        ),
        (
            format!(
                "{{{to}, filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: Host, value: x}}]}}}}]}}"
            ),
            "filters[0].requestHeaderModifier.set[0].name",
        ),
        (
            format!(
                "{{{to}, filters: [{{type: CORS, cors: {{allowOrigins: ['*'], allowHeaders: ['*'], allowCredentials: true}}}}]}}"
            ),
            "filters[0].cors.allowHeaders",
        ),
        (
            format!(
                "{{{to}, filters: [{{type: ExternalAuth, externalAuth: {{protocol: HTTP, backendRef: {{name: cart, port: 80}}}}}}]}}"
            ),
            "filters[0].externalAuth",
        ),
        (
            "{backendRefs: [{name: cart-v2, port: 80, filters: [{type: URLRewrite, urlRewrite: {hostname: x.org}}]}]}"
                .into(),
            "backendRefs[0].filters[0].type",
        ),
    ] {
        let assembly = http("r", &format!("{{{parents}, rules: [{rule}]}}"));
        assert!(assembly.snapshot.routes.is_empty(), "{rule}");
        assert!(wrong(&assembly)[0].contains(&format!("spec.rules[0].{field} is ")), "{:?}", wrong(&assembly));
        assert_eq!(conditions(&assembly, 0), ["False UnsupportedValue, True ResolvedRefs"], "{rule}");
    }
}

#[test]
fn sessions_are_kept_by_a_cookie_or_a_header() {
    let parents = "parentRefs: [{group: '', kind: Service, name: cart, port: 80}]";
    let session = |said: &str| {
        let rule = format!("{{backendRefs: [{{name: cart-v2, port: 80}}], sessionPersistence: {{{said}}}}}");
        let assembly = http("r", &format!("{{{parents}, rules: [{rule}]}}"));
        assert_eq!(conditions(&assembly, 0), [GOOD], "{said}");
        let Rules::Http(rules) = &assembly.snapshot.routes[0].rules else { panic!("an HTTPRoute") };
        let Outcome::Forward(forward) = &rules[0].handling.outcome else { panic!("it goes on") };
        forward.session.clone().unwrap()
    };
    let plain = session("");
    assert_eq!(plain.kind, SessionKind::Cookie(None));
    assert!(plain.name.starts_with("leno-session-"), "{plain:?}");
    let hour = session("sessionName: s, absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}");
    assert_eq!(hour.kind, SessionKind::Cookie(Some(std::time::Duration::from_secs(3600))));
    assert_eq!(hour.name, "s");
    assert_eq!(session("sessionName: x-s, type: Header").kind, SessionKind::Header);
}

#[test]
fn of_several_kinds_at_one_port_the_first_wins_and_the_others_say_so() {
    let spec = |port: u16, rule: &str| {
        format!("{{parentRefs: [{{group: '', kind: Service, name: cart, port: {port}}}], rules: [{rule}]}}")
    };
    let when = "2026-01-01T00:00:00Z";
    let http = route("HTTPRoute", "shop", "a", when, &spec(82, "{backendRefs: [{name: cart-v2, port: 80}]}"));
    let tcp = route("TCPRoute", "shop", "b", when, &spec(82, "{backendRefs: [{name: cart-v2, port: 81}]}"));
    let other =
        route("TCPRoute", "front", "c", when, &spec(82, "{backendRefs: [{name: cart-v2, namespace: shop, port: 81}]}"))
            .replace("name: cart, port", "name: cart, namespace: shop, port");
    let assembly = assembled(&format!("{SERVICES}{http}{tcp}{other}"));
    let names: Vec<_> = assembly.snapshot.routes.iter().map(|route| route.origin.to_string()).collect();
    assert_eq!(
        names,
        ["TCPRoute.gateway.networking.k8s.io front/c", "HTTPRoute shop/a"],
        "other clients, other routes"
    );
    assert_eq!(conditions(&assembly, 2), ["False Conflicted, True ResolvedRefs"]);
    assert!(notes(&assembly).iter().any(|note| note.contains("shop/b: HTTPRoute shop/a is attached to shop/cart:82")));
}

#[test]
fn the_older_route_comes_first_and_the_name_decides_among_equals() {
    let spec = "{parentRefs: [{group: '', kind: Service, name: cart, port: 80}], rules: [{backendRefs: [{name: cart, port: 80}]}]}";
    let text: String = [("b", "2026-01-02T00:00:00Z"), ("c", "2026-01-01T00:00:00Z"), ("a", "2026-01-02T00:00:00Z")]
        .iter()
        .map(|(name, created)| route("HTTPRoute", "shop", name, created, spec))
        .collect();
    let assembly = assembled(&format!("{SERVICES}{text}"));
    let order: Vec<_> = assembly.snapshot.routes.iter().map(|route| route.origin.name.as_str()).collect();
    assert_eq!(order, ["c", "a", "b"]);
}

#[test]
fn rules_mean_what_they_say_and_defaults_for_the_rest() {
    let spec = "{parentRefs: [{group: '', kind: Service, name: cart, port: 80}], hostnames: [x.org], rules: [\
                {name: read, matches: [{path: {value: /a/}, headers: [{name: X-A, value: '1'}, {name: x-a, value: '2'}]}, {}],\
                 filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /z}}}],\
                 backendRefs: [{name: cart-v2, port: 80}], timeouts: {request: 0s, backendRequest: 2s}, retry: {codes: [503]}},\
                {filters: [{type: RequestRedirect, requestRedirect: {}}]}, {}]}";
    let assembly = http("r", spec);
    assert_eq!(wrong(&assembly), [""; 0]);
    assert!(notes(&assembly)[0].contains("spec.hostnames means nothing"), "{:?}", notes(&assembly));
    let Rules::Http(rules) = &assembly.snapshot.routes[0].rules else { panic!("an HTTPRoute") };
    let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["read", "1", "2"]);
    assert_eq!(rules[0].matches[0].path, PathMatch::Prefix("/a".into()));
    assert_eq!(rules[0].matches[0].headers.len(), 1, "of two with one name the first counts");
    assert_eq!(rules[0].matches[1].path, PathMatch::Prefix(String::new()));
    let Outcome::Forward(forward) = &rules[0].handling.outcome else { panic!("{rules:?}") };
    assert_eq!(forward.path, Some(PathRewrite::Full("/z".into())));
    assert_eq!((forward.timeout, forward.try_timeout.map(|time| time.as_secs())), (None, Some(2)));
    assert_eq!(forward.retry.as_ref().map(|retry| retry.attempts), Some(1));
    assert!(matches!(&rules[1].handling.outcome, Outcome::Redirect(redirect) if redirect.status == 302));
    assert!(matches!(rules[2].handling.outcome, Outcome::Refuse(500, _)), "no backend");
}

#[test]
fn a_split_says_which_route_wins() {
    let split = "apiVersion: split.smi-spec.io/v1alpha4\nkind: TrafficSplit\nmetadata: {name: s, namespace: shop}\n\
                 spec: {service: cart, backends: [{service: cart, weight: 1}]}\n---\n";
    let spec = "{parentRefs: [{group: '', kind: Service, name: cart, namespace: shop, port: 80}], rules: [{backendRefs: [{name: cart, namespace: shop, port: 80}]}]}";
    let told = |namespace: &str| {
        let route = route("HTTPRoute", namespace, "r", "2026-01-01T00:00:00Z", spec);
        notes(&assembled(&format!("{SERVICES}{split}{route}"))).join("; ")
    };
    let text = told("shop");
    assert!(
        text.contains("TrafficSplit shop/s: HTTPRoute shop/r says where what is sent to shop/cart:80 goes, and wins"),
        "{text}"
    );
    assert!(told("front").contains("goes for clients of front, and wins"), "{}", told("front"));
}
