//! What both tell about the health of endpoints.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;

/// Endpoints with their clusters.
pub(crate) type Endpoints = BTreeSet<(String, String)>;

/// The endpoints that Envoy thinks are unwell.
pub(crate) fn unwell_to_envoy(port: u16) -> Endpoints {
    let text = get(port);
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
    let clusters = shown.as_object().into_iter().flatten();
    let endpoints = clusters.flat_map(|(cluster, shown)| {
        let endpoints = shown["endpoints"].as_array().into_iter().flatten();
        let unwell = endpoints.filter(|endpoint| endpoint["healthy"] == false);
        unwell.map(move |endpoint| (cluster.clone(), endpoint["address"].as_str().unwrap_or_default().to_owned()))
    });
    endpoints.collect()
}

/// The answer to `GET /clusters`.
fn get(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the admin interface listens");
    stream.write_all(b"GET /clusters HTTP/1.0\r\nHost: a\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}
