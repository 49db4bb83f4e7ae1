//! The semantics of TrafficPolicy: targets, precedence, conflicts.

use leno_manifest::gateway::status::Condition;
use leno_model::{
    Protocol, SecretName, ServiceAccountName, ServiceName,
    policy::traffic::{AltName, Roots, Timeouts, UpstreamTls, merged},
};
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

const ROUTE: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cart, namespace: shop}
spec:
  parentRefs: [{group: '', kind: Service, name: cart, port: 80}]
  rules:
  - {name: slow, matches: [{path: {value: /slow}}], backendRefs: [{name: cart, port: 80}]}
  - {name: own, timeouts: {request: 9s}, matches: [{path: {value: /own}}], backendRefs: [{name: cart, port: 80}]}
  - {backendRefs: [{name: cart, port: 80}]}
---
";

fn of_rule(rule: &str, spec: &str) -> String {
    let section = if rule.is_empty() { String::new() } else { format!(", sectionName: {rule}") };
    format!("{{targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: cart{section}}}], {spec}}}")
}

#[test]
fn a_rule_before_the_route_before_the_service() {
    let assembly = assembled(&format!(
        "{SERVICES}{ROUTE}{}{}{}{}{}",
        policy("service", OLD, &format!("{{{CART}, timeouts: {{request: 1s}}, retries: {{on: [5xx]}}}}")),
        policy("route", OLD, &of_rule("", "timeouts: {request: 2s}, fault: {abort: {httpStatus: 418}}")),
        policy("rule", NEW, &of_rule("slow", "timeouts: {request: 3s}")),
        policy("caller", NEW, &of_rule("slow", "from: [{serviceAccount: web}], localRateLimit: {http: {requests: 1}}")),
        policy("later", NEW, &of_rule("", "timeouts: {request: 4s}")),
    ));
    assert_eq!(wrong(&assembly), [""; 0]);
    let [route] = assembly.snapshot.routes.as_slice() else { panic!("{:?}", assembly.snapshot.routes) };
    let web = ServiceAccountName::new("shop", "web");
    let settings = |rule: &str, caller| merged(route.words(rule, caller));
    let seconds = |rule: &str| settings(rule, None).timeouts.and_then(|it| it.request).map(|it| it.as_secs());
    assert_eq!((seconds("slow"), seconds("2")), (Some(3), Some(2)));
    assert!(settings("slow", None).fault.is_some(), "what the rule's policy leaves open the route's says");
    assert!(settings("slow", None).rate_limit.is_none() && settings("slow", Some(&web)).rate_limit.is_some());
    let message = "TrafficPolicy shop/route speaks of the same, also of timeouts, and wins".to_owned();
    assert_eq!(standing(&assembly, "later"), [(AttachmentReason::Conflicted, message)]);
    let message = "in force for rule slow of HTTPRoute shop/cart".to_owned();
    assert_eq!(standing(&assembly, "rule"), [(AttachmentReason::Accepted, message)]);
}

#[test]
fn routes_and_rules_that_are_not_there_are_told() {
    let two = "{targetRefs: [{group: gateway.networking.k8s.io, kind: GRPCRoute, name: cart}, \
               {group: gateway.networking.k8s.io, kind: HTTPRoute, name: cart, sectionName: fast}], retries: {on: [5xx]}}";
    let text = format!(
        "{SERVICES}{ROUTE}{}{}",
        policy("lost", OLD, two),
        policy("said", OLD, &of_rule("own", "timeouts: {request: 2s}"))
    );
    let assembly = assembled(&text);
    let reasons: Vec<_> = standing(&assembly, "lost").into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, [AttachmentReason::TargetNotFound; 2]);
    let notes = notes(&assembly);
    assert!(notes[0].contains("the GRPCRoute shop/cart, which is not there"), "{notes:?}");
    assert!(notes[1].contains("the rule fast of the HTTPRoute shop/cart, which has none of this name"), "{notes:?}");
    assert!(notes[2].contains("spec.timeouts.request changes nothing for HTTPRoute shop/cart"), "{notes:?}");
    let idle =
        self::notes(&assembled(&text.replace("name: cart, port: 80}]\n  rules", "name: gone, port: 80}]\n  rules")));
    assert!(idle.iter().any(|it| it.contains("the HTTPRoute shop/cart is not in force at any Service")), "{idle:?}");
}

const ROOTS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: roots, namespace: shop}
data:
  ca.crt: |
    -----BEGIN CERTIFICATE-----
    MIIBbjCCARWgAwIBAgIUGWjAoPKlT7VoY+NOhHRSuNYOBQwwCgYIKoZIzj0EAwIw
    DDEKMAgGA1UEAwwBcjAgFw0yNjExMjgwNTU1MjVaGA8yMTI2MTEwNDA1NTUyNVow
    DDEKMAgGA1UEAwwBcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIQAWPkna7xk
    9TnkDcEhAGL9f9/TTRaVPHp9kIvmgRnrvOKKyKo64ucDvv80Ld4MqaFuh2tjiZQM
    k9/3IjykWMOjUzBRMB0GA1UdDgQWBBRpTv/wpCmScuyHo6+zKuz6C/0CpDAfBgNV
    HSMEGDAWgBRpTv/wpCmScuyHo6+zKuz6C/0CpDAPBgNVHRMBAf8EBTADAQH/MAoG
    CCqGSM49BAMCA0cAMEQCIDIemjuWZa8OnuQ2sCHjJMMfTvYGCWMNT9IiMDfObmej
    AiACn1qY7aimW+iOb1jcBMKJKrFTAyWg/9oHMErah2Uf+g==
    -----END CERTIFICATE-----
  broken: none
---
";

fn tls_policy(name: &str, made: &str, refs: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\n\
         metadata: {{name: {name}, namespace: shop, creationTimestamp: \"{made}\"}}\nspec:\n  \
         targetRefs: [{{group: '', kind: Service, name: cart}}, {{group: '', kind: Service, name: gone}}]\n  \
         validation: {{hostname: pay.example, {refs}}}\n---\n"
    )
}

fn refs(names: &[&str]) -> String {
    let one = |name: &&str| format!("{{group: '', kind: ConfigMap, name: {name}}}");
    format!("caCertificateRefs: [{}]", names.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn roots(assembly: &Assembly) -> Option<Roots> {
    let settings = assembly.snapshot.traffic(&ServiceName::new("shop", "cart"), 80, None);
    match settings.tls? {
        UpstreamTls::Simple(tls) => Some(tls.roots),
        UpstreamTls::Disable | UpstreamTls::Mutual => None,
    }
}

/// What the status of a BackendTLSPolicy says of its first target and of its second: type, status, reason.
fn conditions(assembly: &Assembly, name: &str) -> Vec<String> {
    let of = assembly.routes.iter().filter(|it| it.object.name == name && it.object.kind == "BackendTLSPolicy");
    let parents = of.flat_map(|it| &it.status.parents);
    let shown = |it: &Condition| format!("{} {:?} {}", it.kind, it.status, it.reason);
    parents.flat_map(|parent| parent.conditions.iter().map(shown)).collect()
}

#[test]
fn a_backend_tls_policy_takes_its_roots_from_config_maps() {
    let good = assembled(&format!("{SERVICES}{ROOTS}{}", tls_policy("pay", OLD, &refs(&["roots", "gone"]))));
    let Some(Roots::Pem(pem)) = roots(&good) else { panic!("{:?}", good.snapshot.traffic_policies) };
    assert!(
        pem.starts_with("-----BEGIN CERTIFICATE-----\nMIIBbjCC") && pem.ends_with("-----END CERTIFICATE-----\n"),
        "{pem}"
    );
    let mut told = conditions(&good, "pay");
    told.sort();
    let expected = [
        "Accepted False TargetNotFound",
        "Accepted True Accepted",
        "ResolvedRefs False InvalidCACertificateRef",
        "ResolvedRefs False InvalidCACertificateRef",
    ];
    assert_eq!(told, expected);
    assert!(
        notes(&good)
            .iter()
            .any(|it| it.contains("caCertificateRefs[1] names the ConfigMap shop/gone, which is not there"))
    );

    let none = assembled(&format!("{SERVICES}{}", tls_policy("pay", OLD, &refs(&["roots"]))));
    assert_eq!(roots(&none), Some(Roots::Nobody), "no connection rather than an unverified one");
    assert!(conditions(&none, "pay").contains(&"Accepted False NoValidCACertificate".to_owned()));

    let system = |word: &str| {
        assembled(&format!("{SERVICES}{}", tls_policy("pay", OLD, &format!("wellKnownCACertificates: {word}"))))
    };
    assert_eq!(roots(&system("System")), Some(Roots::System));
    assert_eq!(roots(&system("other.example/Mine")), Some(Roots::Nobody));
    assert!(conditions(&system("other.example/Mine"), "pay").contains(&"Accepted False Invalid".to_owned()));
}

#[test]
fn of_two_that_speak_of_tls_the_older_wins_whatever_its_kind() {
    let traffic = policy("tls", NEW, &format!("{{{CART}, tls: {{mode: Disable}}}}"));
    let assembly = assembled(&format!(
        "{SERVICES}{ROOTS}{}{}{traffic}",
        tls_policy("old", OLD, &refs(&["roots"])),
        tls_policy("new", NEW, &refs(&["roots"]))
    ));
    assert!(matches!(roots(&assembly), Some(Roots::Pem(_))));
    assert!(conditions(&assembly, "new").contains(&"Accepted False Conflicted".to_owned()));
    let message = "BackendTLSPolicy shop/old speaks of the same, also of tls, and wins".to_owned();
    assert_eq!(standing(&assembly, "tls"), [(AttachmentReason::Conflicted, message)]);
}

#[test]
fn a_policy_says_tls_of_a_services_endpoints() {
    let spec = |refs: &str| {
        let tls = format!("tls: {{mode: Simple, hostname: pay.example, caCertificateRefs: [{refs}]}}");
        policy("tls", OLD, &format!("{{{CART}, {tls}}}"))
    };
    let good = assembled(&format!("{SERVICES}{ROOTS}{}", spec("{kind: ConfigMap, name: roots}")));
    let settings = good.snapshot.traffic(&ServiceName::new("shop", "cart"), 80, None);
    let Some(UpstreamTls::Simple(tls)) = settings.tls else { panic!("{settings:?}") };
    assert_eq!(tls.server_name.as_deref(), Some("pay.example"));
    assert_eq!(tls.names, [AltName::Dns("pay.example".into())]);
    let broken = assembled(&format!(
        "{SERVICES}{ROOTS}{}",
        spec("{kind: ConfigMap, name: roots, key: broken}, {kind: Secret, name: s}")
    ));
    assert_eq!(roots(&broken), Some(Roots::Nobody));
    let message = "none of its certificates is there, so no connection is made".to_owned();
    assert_eq!(standing(&broken, "tls"), [(AttachmentReason::NoValidCaCertificate, message)]);
    assert_eq!(standing(&good, "tls")[0].0, AttachmentReason::Accepted);
    let notes = notes(&broken);
    assert!(notes[0].contains("the ConfigMap shop/roots, whose broken has no certificates in PEM"), "{notes:?}");
    assert!(
        notes[1].contains("spec.tls.caCertificateRefs[1] names the Secret shop/s, which is not there"),
        "{notes:?}"
    );
}

#[test]
fn a_policy_has_callers_show_the_pair_of_a_secret() {
    let policy_of = |certificate: &str| {
        let tls = "mode: Simple, hostname: pay.example, wellKnownCACertificates: System";
        let from = "from: [{namespace: shop, serviceAccount: web}]";
        policy("tls", OLD, &format!("{{{CART}, {from}, tls: {{{tls}, clientCertificate: {certificate}}}}}"))
    };
    let key = rcgen::KeyPair::generate().unwrap();
    let chain = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem().replace("\r\n", "\n");
    // As some programs want it: the key stands after the chain, too.
    let both = chain.clone() + &key.serialize_pem();
    let secret = |kind: &str, key: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: pay, namespace: shop, annotations: {{leno.dev/client-certificate: enabled}}}}\ntype: {kind}\n\
             stringData: {{tls.crt: {both:?}, tls.key: {key:?}}}\n---\n"
        )
    };
    let named = policy_of("{kind: Secret, name: pay}");
    let good = assembled(&format!("{SERVICES}{}{named}", secret("kubernetes.io/tls", &key.serialize_pem())));
    assert_eq!(standing(&good, "tls")[0].0, AttachmentReason::Accepted);
    let pair = &good.snapshot.client_certificates[&SecretName::new("shop", "pay")];
    assert_eq!((pair.chain.as_str(), pair.expose_key()), (chain.as_str(), key.serialize_pem().as_str()));
    assert!(!format!("{good:?}").contains("PRIVATE KEY"), "keys are not shown");

    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (secret, wrong) in [
        (String::new(), "names the Secret shop/pay, which is not there"),
        (secret("Opaque", &other), "names the Secret shop/pay, which is of type Opaque, expected kubernetes.io/tls"),
        (secret("kubernetes.io/tls", &other), "names the Secret shop/pay, whose tls.key is not the key of its tls.crt"),
        (
            secret("kubernetes.io/tls", &key.serialize_pem()).replace("enabled", "disabled"),
            "names the Secret shop/pay, which does not say leno.dev/client-certificate: enabled",
        ),
    ] {
        let bad = assembled(&format!("{SERVICES}{secret}{named}"));
        let message = format!("spec.tls.clientCertificate {wrong}, so no connection is made");
        assert_eq!(standing(&bad, "tls"), [(AttachmentReason::InvalidClientCertificateRef, message)]);
        assert!(bad.snapshot.client_certificates.is_empty());
        assert!(notes(&bad)[0].contains(wrong), "{:?}", notes(&bad));
    }
    let outside = "apiVersion: policy.leno.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: bank, namespace: shop}\n\
        spec: {hosts: [bank.example], ports: [{number: 80, protocol: HTTP}], tls: {port: 443, \
        wellKnownCACertificates: System, clientCertificate: {kind: Secret, name: pay}}}\n---\n";
    let egress = assembled(&format!("{outside}{}", secret("kubernetes.io/tls", &key.serialize_pem())));
    assert_eq!(egress.snapshot.client_certificates.len(), 1);
    let Some(UpstreamTls::Simple(tls)) = &egress.snapshot.egress_policies[0].settings.tls else { panic!("{egress:?}") };
    assert_eq!(
        (&tls.names, tls.server_name.as_deref()),
        (&vec![AltName::Dns("bank.example".into())], Some("bank.example"))
    );
    let told = notes(&assembled(outside));
    assert!(told.iter().any(|it| it.contains("names the Secret shop/pay, which is not there")), "{told:?}");
    let unnamed = secret("kubernetes.io/tls", &key.serialize_pem());
    let own = assembled(&format!("{SERVICES}{unnamed}{}", policy_of("{kind: Identity}")));
    assert!(own.snapshot.client_certificates.is_empty(), "nobody names it");
    assert_eq!(standing(&own, "tls")[0].0, AttachmentReason::Accepted);
}
