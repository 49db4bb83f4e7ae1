//! Files and what becomes of them.

use leno_model::{ServiceAccountName, SpiffeId, TrustDomain};

use super::parse;
use crate::config::source::Source;

const FILE: &str = r#"
node: {id: edge-1, cluster: edge}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 8000}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: t
          cluster: up
  clusters:
  - name: up
    load_assignment:
      cluster_name: up
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9000}}}
"#;

/// The errors of a file, as people see them.
fn wrong(text: &str) -> String {
    let errors = parse("edge.yaml", text).expect_err("it is wrong");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_becomes_listeners_and_clusters() {
    let bootstrap = parse("edge.yaml", FILE).expect("it is right");
    assert_eq!(bootstrap.node.id, "edge-1");
    assert_eq!(bootstrap.admin, Some("127.0.0.1:9901".parse().expect("an address")));
    let [listener] = bootstrap.fixed.bound() else { panic!("{:?}", bootstrap.fixed.bound()) };
    assert_eq!((&*listener.listener.name, listener.address.port()), ("127.0.0.1:8000", 8000));
    assert!(!listener.original_destination);
    assert!(bootstrap.credentials.identity().is_none());
}

#[test]
fn json_is_as_good() {
    let tree = leno_yaml::documents(FILE).remove(0).root.expect("a tree").to_json();
    assert_eq!(parse("edge.json", &tree.to_string()).expect("it is right").fixed.bound().len(), 1);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let cases = [
        ("cluster: up", "cluster: down", "the cluster \"down\" is not in the file"),
        ("port_value: 8000", "port_valu: 8000", "edge.yaml:6:31 "),
        ("port_value: 8000", "port_value: 80000", "edge.yaml:6:"),
        ("port_value: 9901", "named_port: admin", "edge.yaml:3:68 admin.address.socket_address.named_port"),
        (
            "load_assignment:\n",
            "alt_stat_name: x\n    load_assignment:\n",
            "static_resources.clusters[0].alt_stat_name is",
        ),
        (
            "stat_prefix: t",
            "stat_prefix: t\n          flush_access_log_on_connected: true",
            "flush_access_log_on_connected is",
        ),
        ("static_resources:", "flags_path: /x\nstatic_resources:", "edge.yaml:4:"),
        ("node: {", "node: [", "edge.yaml:"),
    ];
    for (from, to, expected) in cases {
        let text = FILE.replacen(from, to, 1);
        assert_ne!(text, FILE, "{from}");
        let wrong = wrong(&text);
        assert!(wrong.contains(expected), "{to}: {wrong}");
    }
    assert!(wrong("a: 1\n---\nb: 2\n").contains("one document"));
    assert!(wrong("").contains("one document"));
    let twice = FILE.replace("  - name: up\n", "  - name: up\n  - name: up\n");
    assert!(wrong(&twice).contains("a name that no other cluster has"));
}

#[test]
fn certificates_come_from_files() {
    leno_runtime::init::crypto();
    let folder = tempfile::tempdir().expect("a folder");
    let id = SpiffeId::new(TrustDomain::default(), ServiceAccountName::new("shop", "edge"));
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.subject_alt_names = vec![rcgen::SanType::URI(id.to_string().try_into().expect("a URI"))];
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("a certificate");
    let (chain, secret) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, certificate.pem()).expect("written");
    std::fs::write(&secret, key.serialize_pem()).expect("written");
    let secrets = format!(
        "static_resources:\n  secrets:\n  - name: svid\n    tls_certificate:\n      certificate_chain: {{filename: {chain:?}}}\n      \
         private_key: {{filename: {secret:?}}}\n  - name: trust-bundle\n    validation_context: {{trusted_ca: {{filename: \
         {chain:?}}}}}\n"
    );
    let text = FILE.replace("static_resources:\n", &secrets);
    let bootstrap = parse("edge.yaml", &text).expect("it is right");
    assert_eq!(bootstrap.credentials.identity().map(|own| own.svid().id().clone()), Some(id));
    let missing = wrong(&text.replace("key.pem", "no.pem"));
    assert!(missing.contains("no.pem") && missing.contains("private_key.filename"), "{missing}");
    let half = text.replace("trust-bundle", "other");
    assert!(wrong(&half).contains("both svid and trust-bundle"), "{}", wrong(&half));
}

/// What a file asks a control plane for.
const DYNAMIC: &str = r#"
  - name: xds
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: xds
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 18000}}}
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    rate_limit_settings: {max_tokens: 10, fill_rate: 5}
    grpc_services:
    - envoy_grpc: {cluster_name: xds, authority: control, retry_policy: {retry_back_off: {base_interval: 1s}}}
      initial_metadata: [{key: x-token, value: secret}]
  lds_config: {resource_api_version: V3, ads: {}}
  cds_config: {resource_api_version: V3, path_config_source: {path: cds.yaml}}
"#;

#[test]
fn resources_may_come_from_elsewhere() {
    let text = format!("{FILE}{DYNAMIC}");
    let dynamic = parse("edge.yaml", &text).expect("it is right").dynamic;
    let server = dynamic.aggregated.expect("there is a server");
    assert_eq!(server.upstreams.len(), 1);
    assert_eq!(&*server.upstreams[0].authority, "control");
    assert!(server.manner.node_always && server.manner.metadata.contains_key("x-token"));
    assert!(matches!(dynamic.listeners, Some(Source::Aggregated)));
    assert!(matches!(dynamic.clusters, Some(Source::File(..))));
    let cases = [
        ("{cluster_name: xds", "{cluster_name: nobody", "ads_config.grpc_services[0].envoy_grpc.cluster_name is"),
        ("{cluster_name: xds", "{cluster_name: up", "cluster_name is \"up\", which does not speak HTTP/2"),
        ("api_type: DELTA_GRPC", "api_type: REST", "ads_config.api_type is"),
        ("transport_api_version: V3", "transport_api_version: V2", "ads_config.transport_api_version is"),
        ("fill_rate: 5", "fill_rate: 0", "rate_limit_settings.fill_rate is"),
        ("{base_interval: 1s}", "{base_interval: 1s, max_interval: 0.5s}", "retry_back_off.max_interval is"),
        ("key: x-token", "key: 'x token'", "initial_metadata[0].key is"),
        ("ads: {}", "self: {}", "lds_config.self is"),
        ("path: cds.yaml", "path: ''", "path_config_source.path is"),
        ("  lds_config", "  lds_resources_locator: x\n  lds_config", "dynamic_resources.lds_resources_locator is"),
        ("authority: control", "authority: 'a b'", "envoy_grpc.authority is"),
    ];
    for (from, to, expected) in cases {
        let text = text.replacen(from, to, 1);
        let wrong = wrong(&text);
        assert!(wrong.contains(expected), "{to}: {wrong}");
    }
}
