//! HAProxy as a pair of hops.

use std::{fs, path::Path};

use super::{Carries, HOSTS, Hop, ROUTES, Setting};

/// What a line of the log has, as Leno's has it.
const LOG: &str = "log-format '{\"time\":\"%Tl\",\"peer\":\"%ci:%cp\",\"method\":\"%HM\",\"path\":\"%HU\",\
                   \"response_code\":%ST,\"duration\":%Ta,\"request_bytes\":%U,\"response_bytes\":%B,\
                   \"upstream\":\"%si:%sp\",\"cluster\":\"%b\",\"flags\":\"%ts\",\"authority\":\"%[capture.req.hdr(0)]\",\
                   \"user_agent\":\"%[capture.req.hdr(1)]\"}'";

/// Its file. It has no words for a URI in a certificate: it checks the chain and the subject's name.
pub(crate) fn haproxy(folder: &Path, setting: Setting) -> anyhow::Result<String> {
    let Setting { hop, carries, .. } = setting;
    let (port, next) = (setting.port(), setting.next());
    let map = folder.join("routes.map");
    let folder = folder.display();
    let mode = if carries.is_http() { "http" } else { "tcp" };
    let (alpn, proto) = if carries == Carries::Http2 { ("h2", " proto h2") } else { ("http/1.1", "") };
    let tls =
        |name: &str| format!("ssl crt {folder}/{name}.both.pem ca-file {folder}/root.pem verify required alpn {alpn}");
    let (bind, server, check) = match hop {
        Hop::Outbound => (format!("127.0.0.1:{port}{proto}"), format!("127.0.0.1:{next} {}", tls("client")), ""),
        Hop::Inbound => {
            let check = match mode {
                "http" => "http-request deny unless { ssl_c_s_dn(cn) -m str client }",
                _ => "tcp-request content reject unless { ssl_c_s_dn(cn) -m str client }",
            };
            (format!("127.0.0.1:{port} {}", tls("server")), format!("127.0.0.1:{next}{proto}"), check)
        }
    };
    let log = if setting.log {
        format!(
            "log stdout len 4096 format raw local0\n  declare capture request len 128\n  declare capture request len 128\n  \
                 http-request capture hdr(host) id 0\n  http-request capture hdr(user-agent) id 1\n  {LOG}"
        )
    } else {
        String::new()
    };
    let chosen = if setting.is_long() {
        let all = (0..HOSTS).flat_map(|host| (0..ROUTES).map(move |route| format!("h{host}.bench/v{route}/ b\n")));
        fs::write(&map, all.collect::<String>())?;
        format!("use_backend %[base,map_beg({})]", map.display())
    } else {
        "default_backend b".to_owned()
    };
    Ok(format!(
        "global\n  nbthread 1\n  maxconn 4000\n  ssl-default-bind-options ssl-min-ver TLSv1.3\n  ssl-default-server-options \
         ssl-min-ver TLSv1.3\ndefaults\n  mode {mode}\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         http-reuse always\nfrontend f\n  bind {bind}\n  {check}\n  {log}\n  {chosen}\nbackend b\n  server s {server}\n"
    ))
}
