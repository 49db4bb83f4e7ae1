//! The application: nginx with the answers that the jobs ask for.

use std::{fs, path::Path};

use super::{APPLICATION, APPLICATION_H2};

/// Its file.
pub(crate) fn application(folder: &Path) -> anyhow::Result<String> {
    for (name, size) in [("1k", 1024), ("64k", 65536)] {
        fs::write(folder.join(name), "x".repeat(size))?;
    }
    for (name, count) in [("unary", 1), ("messages", 32)] {
        fs::write(folder.join(name), messages(count))?;
    }
    let temporary = temporary(folder);
    let folder = folder.display();
    Ok(format!(
        "daemon off; master_process off; pid {folder}/application.pid; error_log stderr crit;\nevents {{ \
         worker_connections 20000; }}\nhttp {{\n  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; \
         client_body_buffer_size 128k; {temporary} open_file_cache max=10;\n  server {{ listen 127.0.0.1:{APPLICATION}; \
         listen 127.0.0.1:{APPLICATION_H2} http2; root {folder}; location = /post {{ return 200 ok; }} \
         location /v {{ rewrite ^ /1k; }} \
         location /bench.Bench/Unary {{ rewrite ^ /unary; }} \
         location /bench.Bench/Messages {{ rewrite ^ /messages; }} \
         location ~ ^/(unary|messages)$ {{ error_page 405 =200 $uri; default_type application/grpc; add_trailer grpc-status 0; }} }}\n}}\n"
    ))
}

/// So many messages of 1 KiB as gRPC frames them: not compressed, the length in four bytes.
fn messages(count: usize) -> Vec<u8> {
    [&[0, 0, 0, 4, 0][..], &[b'x'; 1024]].concat().repeat(count)
}

/// Where nginx would keep what does not fit into memory: not where only root may.
pub(super) fn temporary(folder: &Path) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    kinds.map(|kind| format!("{kind}_temp_path {}/t;", folder.display())).join(" ")
}
