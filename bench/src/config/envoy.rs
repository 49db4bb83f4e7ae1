//! Envoy's format, which Leno reads as well.

use std::path::Path;

use super::{HOSTS, Hop, ROUTES, Setting};
use crate::certificate::{CLIENT, SERVER};

/// Who says what a line of the access log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// The program: Leno knows one form.
    Own,
    /// The file: the same fields as JSON.
    Json,
}

/// The log on standard output.
const STDOUT: &str = "\"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";

/// What a line has, as Leno's has it.
const FIELDS: &str = "time: '%START_TIME%', peer: '%DOWNSTREAM_REMOTE_ADDRESS%', protocol: '%PROTOCOL%', method: \
                      '%REQ(:METHOD)%', authority: '%REQ(:AUTHORITY)%', path: '%REQ(:PATH)%', response_code: \
                      '%RESPONSE_CODE%', response_flags: '%RESPONSE_FLAGS%', duration: '%DURATION%', request_bytes: \
                      '%BYTES_RECEIVED%', response_bytes: '%BYTES_SENT%', cluster: '%UPSTREAM_CLUSTER%', upstream: \
                      '%UPSTREAM_HOST%', source: '%DOWNSTREAM_PEER_URI_SAN%', request_id: '%REQ(X-REQUEST-ID)%', \
                      user_agent: '%REQ(USER-AGENT)%'";

/// Where a request goes.
const ROUTE: &str = "route: {cluster: next, timeout: 0s}";

/// The file that Envoy and Leno both run from.
///
/// `alpn` is how the hops say to each other what is inside: by the mesh's names for Leno, by the usual ones for Envoy,
/// which knows no others.
///
/// `format` is the form of the access log's lines, for who has none of its own.
pub(crate) fn envoy(folder: &Path, setting: Setting, alpn: &str, format: LogFormat) -> String {
    let Setting { hop, carries, log, .. } = setting;
    let (port, next) = (setting.port(), setting.next());
    let (own, peer) = match hop {
        Hop::Outbound => ("client", SERVER),
        Hop::Inbound => ("server", CLIENT),
    };
    let folder = folder.display();
    let tls = |message: &str, more: &str, names: &str| {
        format!(
            "{{name: tls, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{message}{more}, \
             common_tls_context: {{alpn_protocols: [{alpn}], \
             tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}}, \
             tls_certificate_sds_secret_configs: [{{name: svid}}], \
             combined_validation_context: {{default_validation_context: {{{names}}}, \
             validation_context_sds_secret_config: {{name: trust-bundle}}}}}}}}}}"
        )
    };
    let names = format!("match_typed_subject_alt_names: [{{san_type: URI, matcher: {{exact: \"{peer}\"}}}}]");
    let (downstream, upstream) = match hop {
        Hop::Outbound => (String::new(), format!("transport_socket: {}", tls("UpstreamTlsContext", "", &names))),
        Hop::Inbound => {
            let more = ", require_client_certificate: true";
            (format!("transport_socket: {}", tls("DownstreamTlsContext", more, "")), String::new())
        }
    };
    let access_log = match (log, format) {
        (false, _) => "access_log: []".to_owned(),
        (true, LogFormat::Own) => format!("access_log: [{{name: a, typed_config: {{{STDOUT}}}}}]"),
        (true, LogFormat::Json) => {
            format!("access_log: [{{name: a, typed_config: {{{STDOUT}, log_format: {{json_format: {{{FIELDS}}}}}}}}}]")
        }
    };
    let rules = format!(
        "rules: {{action: ALLOW, policies: {{caller: {{permissions: [{{any: true}}], principals: [{{authenticated: \
         {{principal_name: {{exact: \"{CLIENT}\"}}}}}}]}}}}}}"
    );
    let filters = if carries.is_http() { http(setting, &rules, &access_log) } else { tcp(hop, &rules, &access_log) };
    format!(
        "node: {{id: {own}, cluster: bench}}\nstatic_resources:\n  secrets:\n  - name: svid\n    tls_certificate: {{certificate_chain: {{filename: \
         \"{folder}/{own}.pem\"}}, private_key: {{filename: \"{folder}/{own}.key\"}}}}\n  - name: trust-bundle\n    \
         validation_context: {{trusted_ca: {{filename: \"{folder}/root.pem\"}}}}\n  listeners:\n  - name: hop\n    address: \
         {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}\n    filter_chains:\n    - filters:\n{filters}      {downstream}\n  \
         clusters:\n  - name: next\n    lb_policy: LEAST_REQUEST\n    circuit_breakers: {{thresholds: [{{max_connections: 65536, \
         max_pending_requests: 65536, max_requests: 65536}}]}}\n    typed_extension_protocol_options:\n      \
         envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {{\"@type\": \
         type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, use_downstream_protocol_config: \
         {{http_protocol_options: {{}}, http2_protocol_options: {{}}}}}}\n    load_assignment:\n      cluster_name: next\n      endpoints: \
         [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {next}}}}}}}}}]}}]\n    {upstream}\n"
    )
}

fn http(setting: Setting, rules: &str, access_log: &str) -> String {
    let rbac = match setting.hop {
        Hop::Outbound => String::new(),
        Hop::Inbound => format!(
            "          - name: rbac\n            typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, {rules}}}\n"
        ),
    };
    let hosts = if setting.is_long() {
        let path = |route| format!("{{match: {{prefix: /v{route}/}}, {ROUTE}}}");
        let routes = (0..ROUTES).map(path).collect::<Vec<_>>().join(", ");
        let host =
            |number| format!("            - {{name: h{number}, domains: [h{number}.bench], routes: [{routes}]}}\n");
        (0..HOSTS).map(host).collect()
    } else {
        format!("            - {{name: all, domains: [\"*\"], routes: [{{match: {{prefix: /}}, {ROUTE}}}]}}\n")
    };
    format!(
        "      - name: http\n        typed_config:\n          \"@type\": \
         type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n          \
         stat_prefix: hop\n          normalize_path: true\n          {access_log}\n          route_config:\n            virtual_hosts:\n{hosts}          \
         http_filters:\n{rbac}          - name: router\n            typed_config: {{\"@type\": \
         type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}\n"
    )
}

fn tcp(hop: Hop, rules: &str, access_log: &str) -> String {
    let rbac = match hop {
        Hop::Outbound => String::new(),
        Hop::Inbound => format!(
            "      - name: rbac\n        typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC, stat_prefix: r, {rules}}}\n"
        ),
    };
    format!(
        "{rbac}      - name: tcp\n        typed_config: {{\"@type\": \
         type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: hop, cluster: next, {access_log}}}\n"
    )
}
