//! One request and what came of it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use crate::{case::Request, http2};

/// What came of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The status; 0 when the connection was closed instead.
    pub(crate) status: u16,
    /// The headers, in lower case, sorted.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, when it is not what a backend saw.
    pub(crate) body: String,
    /// What the backend saw.
    pub(crate) saw: Option<Value>,
    /// How often a backend was asked.
    pub(crate) attempts: u32,
    /// What all backends saw, where a request goes to several.
    pub(crate) arrivals: Vec<Value>,
}

/// Sends a request and reads the answer. `id` marks it for the backends.
pub(crate) fn ask(port: u16, request: &Request, id: &str) -> Answer {
    if request.http2 {
        return http2::ask(port, request, id);
    }
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    let has = |wanted: &str| request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if !has("host") {
        head.push_str("Host: example.com\r\n");
    }
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !request.body.is_empty() && !has("transfer-encoding") {
        head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
    }
    if !has("connection") {
        head.push_str("Connection: close\r\n");
    }
    head.push_str(&format!("X-Case: {id}\r\n\r\n"));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the proxy listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    // Who refuses a request may close before it was sent.
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(request.body.as_bytes())).ok();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    // Envoy leaves the connection of an answer of its own open for a while.
    while !is_complete(&answer, request.method == "HEAD")
        && let Ok(length @ 1..) = stream.read(&mut piece)
    {
        answer.extend_from_slice(&piece[..length]);
    }
    parse(&answer)
}

/// Whether an answer ends here; when its head does not tell, the connection does.
fn is_complete(bytes: &[u8], head: bool) -> bool {
    let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else { return false };
    let body = &bytes[end + 4..];
    let Answer { status, headers, .. } = parse(&bytes[..end + 4]);
    let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    if header("transfer-encoding") == Some("chunked") && !head {
        return body.ends_with(b"0\r\n\r\n");
    }
    let length = header("content-length").and_then(|length| length.parse().ok());
    head || matches!(status, 204 | 304) || length.is_some_and(|length: usize| body.len() >= length)
}

pub(crate) fn parse(bytes: &[u8]) -> Answer {
    let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else {
        return Answer::default();
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { unchunk(&bytes[end + 4..]) } else { bytes[end + 4..].to_vec() };
    answer_of(status.unwrap_or_default(), headers, &body)
}

/// An answer with this body.
pub(crate) fn answer_of(status: u16, mut headers: Vec<(String, String)>, body: &[u8]) -> Answer {
    headers.sort();
    let body = String::from_utf8_lossy(body).into_owned();
    let saw = serde_json::from_str::<Value>(&body).ok().filter(|value| value["backend"].is_string());
    let body = if saw.is_some() { String::new() } else { body };
    Answer { status, headers, body, saw, ..Answer::default() }
}

/// The content of a chunked body.
pub(crate) fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = bytes.windows(2).position(|part| part == b"\r\n") {
        let size = String::from_utf8_lossy(&bytes[..line]).into_owned();
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { return body };
        let from = line + 2;
        if size == 0 || bytes.len() < from + size + 2 {
            return body;
        }
        body.extend_from_slice(&bytes[from..from + size]);
        bytes = &bytes[from + size + 2..];
    }
    body
}
