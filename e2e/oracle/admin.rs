//! What both tell about the health of endpoints.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;

use crate::exchange::unchunk;

/// Endpoints with their clusters.
pub(crate) type Endpoints = BTreeSet<(String, String)>;

/// The endpoints that Envoy thinks are unwell.
pub(crate) fn unwell_to_envoy(port: u16) -> Endpoints {
    let text = get(port);
    assert!(text.contains("::health_flags::"), "no endpoints are shown: {text}");
    let lines = text.lines().filter_map(|line| {
        let mut parts = line.trim().split("::");
        let (cluster, address, what, value) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (what == "health_flags" && value != "healthy").then(|| (cluster.to_owned(), address.to_owned()))
    });
    lines.collect()
}

/// The endpoints that Leno thinks are unwell.
pub(crate) fn unwell_to_leno(port: u16) -> Endpoints {
    let shown: Value = serde_json::from_str(&get(port)).expect("JSON");
    let clusters = shown.as_array().expect("a list");
    assert!(!clusters.is_empty(), "no clusters are shown");
    let endpoints = clusters.iter().flat_map(|shown| {
        let cluster = shown["name"].as_str().unwrap_or_default().to_owned();
        let endpoints = shown["endpoints"].as_array().into_iter().flatten();
        let unwell = endpoints.filter(|endpoint| endpoint["healthy"] == false);
        unwell.map(move |endpoint| (cluster.clone(), endpoint["address"].as_str().unwrap_or_default().to_owned()))
    });
    endpoints.collect()
}

/// The answer to `GET /clusters`.
fn get(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the admin interface listens");
    stream.write_all(b"GET /clusters HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let body = if head.contains("chunked") { unchunk(&answer[end..]) } else { answer[end..].to_vec() };
    String::from_utf8_lossy(&body).into_owned()
}
