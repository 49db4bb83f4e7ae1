//! A control plane of others: `e2e/tool/xds`, on Envoy's own go-control-plane.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use e2e::wait;
use serde_json::Value;

/// A running control plane, and what happened in it.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    snapshots: ChildStdin,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    /// Starts one at a port of the loopback, with more flags.
    pub(super) fn start(port: u16, flags: &[&str]) -> Self {
        let mut child = Command::new("xds-server")
            .arg("-listen")
            .arg(format!("127.0.0.1:{port}"))
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("xds-server is on the path");
        let snapshots = child.stdin.take().expect("piped");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        let events = Arc::<Mutex<Vec<Value>>>::default();
        let seen = Arc::clone(&events);
        thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).expect("a line of JSON");
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }
        });
        let server = Self { child, snapshots, events };
        server.event("it listens", |event| event["event"] == "listening");
        server
    }

    /// Serves this from now on.
    pub(super) fn set(&mut self, snapshot: &Value) {
        writeln!(self.snapshots, "{snapshot}").expect("it reads");
        let version = snapshot["version"].clone();
        self.event("the snapshot is set", |event| event["event"] == "set" && event["version"] == version);
    }

    /// Waits for something to happen, or to have happened.
    pub(super) fn event(&self, what: &str, accept: impl Fn(&Value) -> bool) -> Value {
        let find = || self.events().into_iter().find(|event| accept(event));
        wait::until(what, find, Option::is_some).expect("it was seen")
    }

    /// Holds every request to the answers before it: a nonce is that of an answer of its type and stream, never older than
    /// that of the request before. (The last answer may have been on its way yet.) Says how many answers were taken or refused.
    pub(super) fn judge_nonces(&self) -> usize {
        let mut answers: HashMap<_, Vec<Value>> = HashMap::new();
        let mut spoken_of = HashMap::new();
        let mut count = 0;
        for event in self.events() {
            let of = (event["stream"].to_string(), event["type"].to_string());
            if event["event"] == "answer" {
                answers.entry(of).or_default().push(event["nonce"].clone());
            } else if event["event"] == "request" && event["nonce"] != "" {
                let place = answers.get(&of).and_then(|it| it.iter().position(|nonce| *nonce == event["nonce"]));
                let earlier = spoken_of.insert(of, place);
                assert!(place.is_some() && place >= earlier.flatten(), "{event}");
                count += 1;
            }
        }
        count
    }

    /// Everything that has happened.
    pub(super) fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
