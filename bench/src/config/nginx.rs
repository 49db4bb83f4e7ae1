//! nginx as a pair of hops.

use std::path::Path;

use super::{HOSTS, Hop, ROUTES, Setting, application::temporary};

/// What a line of the log has, as Leno's has it.
const LOG: &str = "log_format json escape=json '{\"time\":\"$time_iso8601\",\"peer\":\"$remote_addr:$remote_port\",\
                   \"method\":\"$request_method\",\"authority\":\"$host\",\"path\":\"$request_uri\",\
                   \"response_code\":$status,\"duration\":$request_time,\"request_bytes\":\"$content_length\",\
                   \"response_bytes\":$body_bytes_sent,\"upstream\":\"$upstream_addr\",\
                   \"source\":\"$ssl_client_s_dn\",\"request_id\":\"$request_id\",\
                   \"user_agent\":\"$http_user_agent\"}';";

/// Its file. It cannot look at a URI in a certificate: it checks the chain and the subject's name. Of a long
/// route table it knows each host, and each path once: 20,000 places would each have TLS settings of their own.
pub(crate) fn nginx(folder: &Path, setting: Setting) -> String {
    let (port, next) = (setting.port(), setting.next());
    let temporary = temporary(folder);
    let folder = folder.display();
    let (listen, scheme) = match setting.hop {
        Hop::Outbound => (
            format!("listen 127.0.0.1:{port};"),
            format!(
                "proxy_ssl_protocols TLSv1.3; proxy_ssl_certificate {folder}/client.pem; proxy_ssl_certificate_key \
                 {folder}/client.key; proxy_ssl_trusted_certificate {folder}/root.pem; proxy_ssl_verify on; proxy_ssl_name \
                 server; proxy_pass https://next;"
            ),
        ),
        Hop::Inbound => (
            format!(
                "listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.3; ssl_certificate {folder}/server.pem; \
                 ssl_certificate_key {folder}/server.key; ssl_client_certificate {folder}/root.pem; ssl_verify_client on; \
                 ssl_session_cache shared:s:1m; if ($ssl_client_s_dn != \"CN=client\") {{ return 403; }}"
            ),
            "proxy_pass http://next;".to_owned(),
        ),
    };
    let log = if setting.log { "access_log /dev/stdout json buffer=32k flush=1s;" } else { "access_log off;" };
    let pass =
        format!("proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host; {scheme}");
    let (map, places) = if setting.is_long() {
        let hosts: String = (0..HOSTS).map(|number| format!("h{number}.bench 1; ")).collect();
        let places: String = (0..ROUTES).map(|route| format!("location /v{route}/ {{ {pass} }} ")).collect();
        (format!("map $host $known {{ {hosts} }}"), format!("if ($known = '') {{ return 404; }} {places}"))
    } else {
        (String::new(), format!("location / {{ {pass} }}"))
    };
    format!(
        "daemon off; master_process off; pid {folder}/{port}.pid; error_log stderr crit;\nevents {{ worker_connections \
         20000; }}\nhttp {{\n  {LOG} {log} keepalive_requests 1000000000; keepalive_timeout 1h; client_body_buffer_size 128k; \
         map_hash_max_size 8192; {temporary} {map}\n  upstream next {{ server 127.0.0.1:{next}; keepalive 512; \
         keepalive_requests 1000000000; }}\n  server {{ {listen} {places} }}\n}}\n"
    )
}
