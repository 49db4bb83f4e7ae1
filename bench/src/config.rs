//! What each data plane is told: two hops with mutual TLS between them, the identity of the caller checked at the second.

use std::{fs, path::Path};

use crate::certificate::{CLIENT, SERVER};

/// Where the three parties listen.
pub(crate) const OUTBOUND: u16 = 21001;
pub(crate) const INBOUND: u16 = 21002;
pub(crate) const APPLICATION: u16 = 21003;
/// The application's port for HTTP/2 without TLS.
pub(crate) const APPLICATION_H2: u16 = 21005;
/// The application's port without HTTP.
pub(crate) const BYTES: u16 = 21004;

/// What passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    /// HTTP/1.1.
    Http,
    /// HTTP/2.
    Http2,
    /// Bytes.
    Tcp,
}

/// Which of the two hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    Outbound,
    Inbound,
}

/// The file that Envoy and Leno both run from.
///
/// `alpn` is how the hops say to each other what is inside: by the mesh's names for Leno, by the usual ones for Envoy,
/// which knows no others.
pub(crate) fn envoy(folder: &Path, hop: Hop, carries: Carries, alpn: &str, log: bool) -> String {
    let (own, peer, port, next) = match (hop, carries) {
        (Hop::Outbound, _) => ("client", SERVER, OUTBOUND, INBOUND),
        (Hop::Inbound, Carries::Http) => ("server", CLIENT, INBOUND, APPLICATION),
        (Hop::Inbound, Carries::Http2) => ("server", CLIENT, INBOUND, APPLICATION_H2),
        (Hop::Inbound, Carries::Tcp) => ("server", CLIENT, INBOUND, BYTES),
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
    let access_log = if log {
        "access_log: [{name: a, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}}]"
    } else {
        "access_log: []"
    };
    let rules = format!(
        "rules: {{action: ALLOW, policies: {{caller: {{permissions: [{{any: true}}], principals: [{{authenticated: \
         {{principal_name: {{exact: \"{CLIENT}\"}}}}}}]}}}}}}"
    );
    let filters = match (carries, hop) {
        (Carries::Http | Carries::Http2, hop) => http(hop, &rules, access_log),
        (Carries::Tcp, hop) => tcp(hop, &rules, access_log),
    };
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

fn http(hop: Hop, rules: &str, access_log: &str) -> String {
    let rbac = match hop {
        Hop::Outbound => String::new(),
        Hop::Inbound => format!(
            "          - name: rbac\n            typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, {rules}}}\n"
        ),
    };
    format!(
        "      - name: http\n        typed_config:\n          \"@type\": \
         type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n          \
         stat_prefix: hop\n          normalize_path: true\n          {access_log}\n          route_config:\n            virtual_hosts:\n            - \
         name: all\n              domains: [\"*\"]\n              routes: [{{match: {{prefix: /}}, route: {{cluster: next, timeout: 0s}}}}]\n          \
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

/// `HAProxy`'s file. It has no words for a URI in a certificate: it verifies the chain alone.
pub(crate) fn haproxy(folder: &Path, hop: Hop, carries: Carries) -> String {
    let folder = folder.display();
    let mode = if carries == Carries::Tcp { "tcp" } else { "http" };
    let h2 = carries == Carries::Http2;
    let alpn = if h2 { "h2" } else { "http/1.1" };
    let (bind, server) = match hop {
        Hop::Outbound => (
            format!("127.0.0.1:{OUTBOUND}{}", if h2 { " proto h2" } else { "" }),
            format!(
                "127.0.0.1:{INBOUND} ssl crt {folder}/client.both.pem ca-file {folder}/root.pem verify required alpn {alpn}"
            ),
        ),
        Hop::Inbound => {
            let next = match carries {
                Carries::Http => APPLICATION,
                Carries::Http2 => APPLICATION_H2,
                Carries::Tcp => BYTES,
            };
            let proto = if h2 { " proto h2" } else { "" };
            (
                format!(
                    "127.0.0.1:{INBOUND} ssl crt {folder}/server.both.pem ca-file {folder}/root.pem verify required alpn {alpn}"
                ),
                format!("127.0.0.1:{next}{proto}"),
            )
        }
    };
    format!(
        "global\n  nbthread 1\n  maxconn 4000\n  ssl-default-bind-options ssl-min-ver TLSv1.3\n  ssl-default-server-options \
         ssl-min-ver TLSv1.3\ndefaults\n  mode {mode}\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         http-reuse always\nfrontend f\n  bind {bind}\n  default_backend b\nbackend b\n  server s {server}\n"
    )
}

/// The application: nginx with the answers that the jobs ask for.
pub(crate) fn application(folder: &Path) -> anyhow::Result<String> {
    for (name, size) in [("1k", 1024), ("64k", 65536)] {
        fs::write(folder.join(name), "x".repeat(size))?;
    }
    let folder = folder.display();
    Ok(format!(
        "daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;\nevents {{ worker_connections 20000; }}\nhttp {{\n  \
         access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; client_body_buffer_size 128k; \
         client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t; uwsgi_temp_path {folder}/t; \
         scgi_temp_path {folder}/t; open_file_cache max=10;\n  server {{ listen 127.0.0.1:{APPLICATION}; listen 127.0.0.1:{APPLICATION_H2} http2; root {folder}; location = /post {{ \
         return 200 ok; }} }}\n}}\n"
    ))
}
