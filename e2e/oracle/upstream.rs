//! Backends: servers that answer with what they saw, and misbehave when a request asks for it.
//!
//! | header | what the backend does |
//! |---|---|
//! | `x-do-status: 503` | answers with this status |
//! | `x-do-fail: 2` | the first two attempts of a request are answered with 503, or what `x-do-status` says |
//! | `x-do-header: name=value` | has this header in the answer |
//! | `x-do-close: 1` | closes the connection instead of an answer; with a number, for so many attempts |
//! | `x-do-delay: 300` | answers after so many milliseconds |
//!
//! They speak HTTP/1.1, and HTTP/2 to who begins with it. Who asks for a tunnel gets what was seen through it.
//!
//! A request for `/keys` is answered with keys of token issuers.
//! A request for `/unwell/` and a backend's name is answered with 503 by that one: what health checks ask for.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{exchange::unchunk, http2, service};

/// The backends of every cluster.
#[derive(Debug)]
pub(crate) struct Upstream {
    ports: HashMap<&'static str, Vec<u16>>,
    attempts: Arc<Attempts>,
    /// The port of the services that filters ask.
    pub(crate) services: u16,
    /// A port where nobody listens.
    pub(crate) closed: u16,
}

/// What came of each request, by its `x-case` header.
type Attempts = Mutex<HashMap<String, Vec<Value>>>;

impl Upstream {
    /// Starts two backends for each cluster but `none`, which are not told apart, and five for `many`, which are.
    pub(crate) fn start() -> Self {
        // Each backend holds a proxy's connections as long as that keeps them.
        e2e::process::raise_descriptors();
        let attempts: Arc<Attempts> = Arc::default();
        let mut ports = HashMap::new();
        for (name, count) in [("one", 2), ("two", 2), ("three", 2), ("many", 5)] {
            let of = |number| {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
                let port = listener.local_addr().expect("an address").port();
                let name = if name == "many" { format!("{name}-{number}") } else { name.to_owned() };
                let backend = Backend { name, attempts: Arc::clone(&attempts) };
                thread::spawn(move || accept(&backend, &listener));
                port
            };
            ports.insert(name, (0..count).map(of).collect());
        }
        Self { ports, attempts, services: service::start(), closed: e2e::port::free() }
    }

    /// A header's value without the port of a backend that a session in it is with: each of two may be chosen first.
    pub(crate) fn conceal(&self, value: &str) -> String {
        use base64::Engine as _;
        let token = value.split('"').nth(1).unwrap_or(value);
        let Ok(session) = base64::engine::general_purpose::STANDARD.decode(token) else { return value.to_owned() };
        let session = String::from_utf8_lossy(&session);
        let mut addresses = self.ports.values().flatten().map(|port| format!("127.0.0.1:{port}"));
        match addresses.find(|address| session.contains(address)) {
            Some(address) => value.replace(token, &session.replace(&address, "a backend")),
            None => value.to_owned(),
        }
    }

    /// The ports of a cluster's backends.
    pub(crate) fn ports(&self, cluster: &str) -> &[u16] {
        self.ports.get(cluster).map(Vec::as_slice).unwrap_or_default()
    }

    /// What backends saw of a request, each time that it reached one; waits until there are so many.
    pub(crate) fn arrivals(&self, id: &str, least: usize) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let arrived = self.attempts.lock().expect("no panic").get(id).cloned().unwrap_or_default();
            if arrived.len() >= least || Instant::now() > deadline {
                return arrived;
            }
            thread::yield_now();
        }
    }
}

/// A request that arrived.
pub(crate) struct Arrived {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Arrived {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The protocol that it asks to change to, by HTTP/1.1.
    fn upgrade(&self) -> Option<&str> {
        let upgrades =
            self.header("connection").is_some_and(|options| options.to_ascii_lowercase().contains("upgrade"));
        self.header("upgrade").filter(|_| upgrades)
    }
}

/// A backend.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    name: String,
    attempts: Arc<Attempts>,
}

/// What becomes of a request.
pub(crate) struct Plan {
    pub(crate) status: u32,
    pub(crate) body: String,
    /// A header of the answer.
    pub(crate) more: Option<(String, String)>,
    /// Whether there is none.
    pub(crate) closes: bool,
    /// How long it takes.
    pub(crate) delay: Option<Duration>,
}

impl Backend {
    /// Notes a request, and decides.
    pub(crate) fn plan(&self, request: &Arrived) -> Plan {
        let id = request.header("x-case").unwrap_or_default().to_owned();
        let saw = json!({
            "backend": self.name,
            "line": request.line,
            "headers": request.headers,
            "body": String::from_utf8_lossy(&request.body),
        });
        let attempt = {
            let mut attempts = self.attempts.lock().expect("no panic");
            let arrived = attempts.entry(id).or_default();
            arrived.push(saw.clone());
            u32::try_from(arrived.len()).unwrap_or(u32::MAX)
        };
        let number = |name: &str| request.header(name).and_then(|value| value.parse::<u32>().ok());
        let unwell = request.line.contains(&format!(" /unwell/{}", self.name));
        let failing = number("x-do-fail").is_none_or(|times| attempt <= times);
        let status = match (number("x-do-status"), number("x-do-fail")) {
            _ if unwell => 503,
            (Some(status), _) if failing => status,
            (None, Some(_)) if failing => 503,
            _ => 200,
        };
        let head_only = request.line.starts_with("HEAD ") || status == 204 || status == 304;
        let body = if head_only {
            String::new()
        } else if request.line.starts_with("GET /keys ") {
            include_str!("keys.json").to_owned()
        } else {
            saw.to_string()
        };
        let more = request.header("x-do-header").and_then(|text| text.split_once('='));
        Plan {
            status,
            body,
            more: more.map(|(name, value)| (name.to_owned(), value.to_owned())),
            closes: number("x-do-close").is_some_and(|times| attempt <= times),
            delay: number("x-do-delay").map(|delay| Duration::from_millis(delay.into())),
        }
    }
}

fn accept(backend: &Backend, listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        let backend = backend.clone();
        thread::spawn(move || serve(&backend, stream));
    }
}

fn serve(backend: &Backend, mut stream: TcpStream) {
    let mut first = [0; 3];
    if matches!(stream.peek(&mut first), Ok(3)) && &first == b"PRI" {
        return http2::serve(backend, stream);
    }
    let mut input = Vec::new();
    while let Some(request) = read(&mut stream, &mut input) {
        let Plan { status, body, more, closes, delay } = backend.plan(&request);
        if closes {
            return;
        }
        if let Some(delay) = delay {
            #[expect(clippy::disallowed_methods, reason = "the request asks for a slow backend")]
            thread::sleep(delay);
        }
        let more = more.map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
        let tunnels = request.upgrade().is_some() || request.line.starts_with("CONNECT ");
        if tunnels && status == 200 {
            // What it saw goes through the tunnel, which ends with it.
            let upgrade = request.upgrade().map(|name| format!("connection: upgrade\r\nupgrade: {name}\r\n"));
            let status = if upgrade.is_some() { "101 Switching Protocols" } else { "200 OK" };
            let upgrade = upgrade.unwrap_or_default();
            let answer = format!("HTTP/1.1 {status}\r\n{upgrade}{more}\r\n{body}");
            stream.write_all(answer.as_bytes()).ok();
            return;
        }
        let answer = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n{more}\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The next request; `None` at the end.
fn read(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<Arrived> {
    let end = loop {
        if let Some(at) = input.windows(4).position(|part| part == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, input)?;
    };
    let head = String::from_utf8_lossy(&input[..end]).into_owned();
    input.drain(..end);
    let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
    let line = lines.next()?.to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut arrived = Arrived { line, headers, body: Vec::new() };
    if let Some(length) = arrived.header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        while input.len() < length {
            more(stream, input)?;
        }
        arrived.body = input.drain(..length).collect();
    } else if arrived.header("transfer-encoding").is_some() {
        while !input.ends_with(b"0\r\n\r\n") {
            more(stream, input)?;
        }
        arrived.body = unchunk(&std::mem::take(input));
    }
    Some(arrived)
}

fn more(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
    input.extend_from_slice(&piece[..read]);
    Some(())
}
