//! The four proxies, each in front of a backend of its own.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    thread,
    time::Duration,
};

use e2e::{mesh::leno, port, process::Running};
use tempfile::TempDir;

use crate::{Backend, Case, Reading};

/// Those that judge.
pub(crate) const OTHERS: [&str; 3] = ["nginx", "haproxy", "envoy"];

/// A proxy that runs.
#[derive(Debug)]
struct Proxy {
    port: u16,
    backend: Backend,
    _process: Running,
}

/// Leno and the others.
#[derive(Debug)]
pub(crate) struct Proxies {
    all: [Proxy; 4],
    _folder: TempDir,
}

impl Proxies {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let all = ["leno", OTHERS[0], OTHERS[1], OTHERS[2]].map(|name| {
            let (port, backend) = (port::free(), Backend::start());
            // Envoy goes by the end of the name.
            let path = folder.path().join(format!("{name}.yaml"));
            let at = folder.path().display().to_string();
            let (text, mut command) = match name {
                "nginx" => (nginx(&at, port, backend.port), Command::new("nginx")),
                "haproxy" => (haproxy(port, backend.port), Command::new("haproxy")),
                "envoy" => (envoy(port, backend.port), Command::new("envoy")),
                _ => (envoy(port, backend.port), Command::new(leno())),
            };
            fs::write(&path, text).expect("written");
            match name {
                "nginx" => command.args(["-e", "stderr", "-p", &at, "-c"]).arg(&path),
                "haproxy" => command.arg("-f").arg(&path),
                "envoy" => command.args(["--disable-hot-restart", "--concurrency", "1", "--config-path"]).arg(&path),
                _ => command.args(["proxy", "--config-path"]).arg(&path),
            };
            Proxy { port, backend, _process: Running::start(&mut command, port) }
        });
        Self { all, _folder: folder }
    }

    /// What each makes of a case, when nothing more is heard for so long.
    pub(crate) fn send(&self, case: &Case, patience: Duration) -> [Reading; 4] {
        thread::scope(|scope| {
            let asked = self.all.each_ref().map(|proxy| scope.spawn(move || proxy.send(&case.bytes, patience)));
            asked.map(|asked| asked.join().expect("no panic"))
        })
    }
}

impl Proxy {
    fn send(&self, bytes: &[u8], patience: Duration) -> Reading {
        self.backend.take();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        // Whoever waits for more waits for ever.
        stream.set_read_timeout(Some(patience)).expect("a timeout");
        // Who refuses may close before all was sent.
        stream.write_all(bytes).ok();
        let mut piece = [0; 4096];
        while let Ok(1..) = stream.read(&mut piece) {}
        self.backend.take()
    }
}

fn nginx(folder: &str, port: u16, backend: u16) -> String {
    format!(
        "daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit; events {{}}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{backend}; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Connection \"\";
    }}
  }}
}}
"
    )
}

fn haproxy(port: u16, backend: u16) -> String {
    format!(
        "defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  server only 127.0.0.1:{backend}
"
    )
}

fn envoy(port: u16, backend: u16) -> String {
    let extensions = "type.googleapis.com/envoy.extensions.filters";
    format!(
        r#"static_resources:
  listeners:
  - name: front
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": {extensions}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          codec_type: HTTP1
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: back}}}}]}}
          http_filters:
          - {{name: router, typed_config: {{"@type": {extensions}.http.router.v3.Router}}}}
  clusters:
  - name: back
    load_assignment:
      cluster_name: back
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}
"#
    )
}
