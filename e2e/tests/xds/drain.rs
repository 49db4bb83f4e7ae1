//! Listeners that change or go away under their connections.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use e2e::{mesh::leno, port, process::Running, wait};
use serde_json::{Value, json};

use super::{
    Proxy,
    config::{address, bootstrap, cluster, listener, routes, say},
    server::Server,
    snapshot, until_says,
};

/// Both proxies, with a short time to drain.
fn programs() -> [Vec<String>; 2] {
    let times = ["--drain-time-s", "4", "--drain-strategy", "immediate"];
    let envoy = ["envoy", "--disable-hot-restart", "--concurrency", "1", "-l", "warning"];
    let leno = [leno().display().to_string(), "proxy".to_owned()];
    let with = |program: Vec<String>| program.into_iter().chain(times.map(str::to_owned)).collect();
    [with(leno.to_vec()), with(envoy.map(str::to_owned).to_vec())]
}

/// A chain with an answer of its own; `label` only makes it another one.
fn chain(text: &str, label: &str, port: Option<u16>) -> Value {
    let mut chain = listener("any", 1, "r")["filter_chains"][0].clone();
    let manager = &mut chain["filters"][0]["typed_config"];
    manager["route_config"] = routes("r", &say(text));
    manager["stat_prefix"] = json!(label);
    manager.as_object_mut().expect("an object").remove("rds");
    if let Some(port) = port {
        chain["filter_chain_match"] = json!({ "destination_port": port });
    }
    chain
}

fn with_chains(name: &str, port: u16, chains: &[Value]) -> Value {
    json!({ "name": name, "address": address(port), "filter_chains": chains })
}

/// Connections of bytes.
fn bytes(port: u16, backend: u16) -> [Value; 2] {
    let proxy = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "bytes",
        "cluster": "backend",
    });
    let chain = json!({ "filters": [{ "name": "tcp", "typed_config": proxy }] });
    [with_chains("bytes", port, &[chain]), cluster("backend", &[backend])]
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    stream
}

/// One request on a kept connection, and the whole answer to it.
fn ask(stream: &mut TcpStream) -> String {
    write!(stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("written");
    let mut answer = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).expect("an answer");
        answer.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            length.and_then(|length| length.parse().ok()) == Some(body.len())
        });
        if whole || count == 0 {
            return text;
        }
    }
}

/// A request of HTTP/2 in as few bytes as it can be.
fn ask2(stream: &mut TcpStream, id: u8) {
    // HEADERS with END_STREAM and END_HEADERS: GET, http, /, and the authority `a`.
    stream.write_all(&[0, 0, 6, 1, 5, 0, 0, 0, id, 0x82, 0x86, 0x84, 0x41, 1, b'a']).expect("written");
}

/// Reads frames until one of this type.
fn until_frame(stream: &mut TcpStream, wanted: u8) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).expect("a frame");
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length]).expect("its content");
        if head[3] == wanted {
            return;
        }
    }
}

fn start(program: &[String], control: u16) -> (Proxy, u16) {
    let admin = port::free();
    let program: Vec<_> = program.iter().map(String::as_str).collect();
    (Proxy::start(&program, &bootstrap("DELTA_GRPC", control, admin), admin), admin)
}

#[test]
#[ignore = "needs xds-server and Envoy: cargo xtask test"]
fn requests_of_a_changed_listener_are_answered_and_told_to_go() {
    for program in programs() {
        let (control, front) = (port::free(), port::free());
        let mut server = Server::start(control, &[]);
        let first = with_chains("front", front, &[chain("first", "a", None)]);
        server.set(&snapshot("1", &[], &[], &[first], &[]));
        let (_proxy, _) = start(&program, control);
        until_says(front, "first");
        let mut kept = connect(front);
        assert!(!ask(&mut kept).contains("connection: close"));
        let mut second = connect(front);
        second.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("written");
        ask2(&mut second, 1);
        until_frame(&mut second, 1);
        let mut idle = connect(front);
        ask(&mut idle);
        server.set(&snapshot("2", &[], &[], &[with_chains("front", front, &[chain("second", "b", None)])], &[]));
        until_says(front, "second");
        let last = ask(&mut kept);
        assert!(last.contains("connection: close") && last.contains("first"), "{last}");
        ask2(&mut second, 3);
        until_frame(&mut second, 7);
        // Who says nothing is closed when the time is over.
        assert_eq!(idle.read(&mut [0; 1]).expect("it is closed"), 0);
    }
}

#[test]
#[ignore = "needs xds-server and Envoy: cargo xtask test"]
fn connections_of_bytes_live_until_the_time_to_drain_is_over() {
    for program in programs() {
        let (control, front, backend) = (port::free(), port::free(), port::free());
        let echo = ["demo", "echo", "serve", "--bind", "127.0.0.1", "--tcp"];
        let _backend = Running::start(Command::new(leno()).args(echo).arg(backend.to_string()), backend);
        let mut server = Server::start(control, &[]);
        let [listener, cluster] = bytes(front, backend);
        server.set(&snapshot("1", std::slice::from_ref(&cluster), &[], &[listener], &[]));
        let (proxy, _) = start(&program, control);
        wait::until("it listens", || TcpStream::connect(("127.0.0.1", front)).is_ok(), |listens| *listens);
        let mut kept = connect(front);
        let mut exchange = || {
            kept.write_all(b"hello\n").expect("written");
            kept.read(&mut [0; 64]).expect("read")
        };
        assert!(exchange() > 0);
        server.set(&snapshot("2", &[cluster], &[], &[], &[]));
        wait::until("it is closed", || TcpStream::connect(("127.0.0.1", front)).is_err(), |closed| *closed);
        assert!(exchange() > 0, "it lives on: {}", proxy.log());
        let mut rest = Vec::new();
        kept.read_to_end(&mut rest).expect("it is closed in its time");
    }
}

#[test]
#[ignore = "needs xds-server and Envoy: cargo xtask test"]
fn chains_that_stay_as_they_are_keep_their_connections() {
    for program in programs() {
        let (control, one, other) = (port::free(), port::free(), port::free());
        let mut server = Server::start(control, &[]);
        let with = |label: &str| {
            let chains = [chain("one", "same", Some(one)), chain("other", label, Some(other))];
            let mut made = with_chains("front", one, &chains);
            made["additional_addresses"] = json!([{ "address": address(other) }]);
            made
        };
        server.set(&snapshot("1", &[], &[], &[with("a")], &[]));
        let (_proxy, _) = start(&program, control);
        until_says(one, "one");
        until_says(other, "other");
        let (mut stays, mut goes) = (connect(one), connect(other));
        ask(&mut stays);
        ask(&mut goes);
        server.set(&snapshot("2", &[], &[], &[with("b")], &[]));
        wait::until("it is told to go", || ask(&mut goes), |answer| answer.contains("connection: close"));
        assert!(!ask(&mut stays).contains("connection: close"));
    }
}
