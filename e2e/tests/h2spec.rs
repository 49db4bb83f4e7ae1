//! HTTP/2 as h2spec sees it: every generic, HTTP/2 and HPACK case, strict ones included.

use std::{fs, process::Command};

use e2e::{mesh::leno, port, process::Running};

#[test]
#[ignore = "needs h2spec: cargo xtask test"]
fn h2spec_finds_nothing() {
    let (backend, proxy) = (port::free(), port::free());
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.yaml");
    fs::write(&config, file(proxy, backend)).expect("written");
    let echo = ["demo", "echo", "serve", "--bind", "127.0.0.1", "--http"];
    let _backend = Running::start(Command::new(leno()).args(echo).arg(backend.to_string()), backend);
    let _proxy = Running::start(Command::new(leno()).args(["proxy", "--config-path"]).arg(&config), proxy);
    let judged = Command::new("h2spec")
        .args(["--strict", "--host", "127.0.0.1", "--timeout", "5", "--port", &proxy.to_string()])
        .output()
        .expect("h2spec is on the path");
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success() && said.contains(" 0 skipped, 0 failed"), "{said}");
}

fn file(port: u16, backend: u16) -> String {
    let extensions = "type.googleapis.com/envoy.extensions.filters";
    format!(
        r#"static_resources:
  listeners:
  - name: judged
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": {extensions}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: judged
          codec_type: HTTP2
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: backend}}}}]}}
          http_filters:
          - {{name: router, typed_config: {{"@type": {extensions}.http.router.v3.Router}}}}
  clusters:
  - name: backend
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}
"#
    )
}
