//! A mesh that a test started.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::wait;

/// How long a mesh may take to be ready on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A running `leno up`, ended when dropped.
#[derive(Debug)]
pub struct Mesh {
    name: String,
    folder: TempDir,
    /// For files that the mesh does not watch.
    scratch: TempDir,
    front: Child,
    events: mpsc::Receiver<Value>,
}

/// What a call brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The program's exit code; curl's own (7: refused, 52: empty reply, 56: reset).
    pub exit: i32,
    /// The HTTP status; 0 without an answer.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The `x-pod`-like field `pod` of the echo server's JSON.
    #[must_use]
    pub fn pod(&self) -> String {
        self.json()["pod"].as_str().unwrap_or_default().to_owned()
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// The program under test, built once in the profile of this test.
pub fn leno() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut arguments = vec!["build", "--quiet", "--package", "leno-cli", "--bin", "leno"];
        if !cfg!(debug_assertions) {
            arguments.push("--release");
        }
        let status = Command::new(env!("CARGO")).args(arguments).current_dir(top()).status();
        assert!(status.is_ok_and(|status| status.success()), "cargo build --package leno-cli fails");
        let test = std::env::current_exe().unwrap_or_default();
        let profile = test.ancestors().nth(2).expect("a test runs from target/<profile>/deps");
        profile.join("leno")
    })
}

/// The top of the source tree.
#[must_use]
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

impl Mesh {
    /// Starts a mesh on these manifests and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn up(manifests: &[String]) -> Self {
        Self::up_with(manifests, &[])
    }

    /// The same, with further flags of `leno up`.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn up_with(manifests: &[String], flags: &[&str]) -> Self {
        let mesh = Self::start(manifests, flags);
        mesh.wait_event("ready", START);
        mesh
    }

    /// Starts a mesh and does not wait.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn start(manifests: &[String], flags: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("e2e-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (number, text) in manifests.iter().enumerate() {
            write(&folder.path().join(format!("{number:02}.yaml")), text);
        }
        Self::spawn(name, folder, flags)
    }

    fn spawn(name: String, folder: TempDir, flags: &[&str]) -> Self {
        let mut command = Command::new(leno());
        command.args(["--mesh", &name, "--json", "up"]).arg(folder.path()).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut front = command.spawn().expect("leno starts");
        let (send, events) = mpsc::sync_channel(10_000);
        follow(front.stdout.take(), send.clone());
        follow(front.stderr.take(), send);
        let scratch = tempfile::tempdir().expect("a temporary folder");
        Self { name, folder, scratch, front, events }
    }

    /// Waits for an event of this kind and returns it.
    ///
    /// # Panics
    /// When it does not come in time, or the mesh ends.
    pub fn wait_event(&self, kind: &str, deadline: Duration) -> Value {
        let end = std::time::Instant::now() + deadline;
        let mut seen = Vec::new();
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) if event["event"] == kind => return event,
                Ok(event) => seen.push(event),
                Err(error) => {
                    panic!("no event {kind:?} within {deadline:?} ({error}); seen: {seen:#?}")
                }
            }
        }
    }

    /// The name that `--mesh` was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id of the front: what a person started.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.front.id()
    }

    /// The front itself.
    pub fn front(&mut self) -> &mut Child {
        &mut self.front
    }

    /// Runs a `leno` command against this mesh.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn leno(&self, arguments: &[&str]) -> Output {
        let output = Command::new(leno()).args(["--mesh", &self.name]).args(arguments).stdin(Stdio::null()).output();
        output.expect("leno starts")
    }

    /// Runs a `leno` command that must succeed and returns what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.leno(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "leno {arguments:?} ended with {}: {error}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What `leno ps --json` says.
    ///
    /// # Panics
    /// When it says no JSON.
    #[must_use]
    pub fn view(&self) -> Value {
        serde_json::from_str(&self.ok(&["--json", "ps"])).expect("leno ps --json prints JSON")
    }

    /// The names of the ready pods of a Deployment (`namespace/name`), or the pod itself.
    #[must_use]
    pub fn pods(&self, of: &str) -> Vec<String> {
        let (namespace, name) = of.split_once('/').unwrap_or(("default", of));
        let view = self.view();
        let pods = view["pods"].as_array().into_iter().flatten();
        let ours = pods.filter(|pod| {
            let owner = pod["owner"].as_str().unwrap_or_default();
            pod["namespace"] == namespace
                && (pod["name"] == name || owner.ends_with(&format!("/{name}")))
                && pod["ready"] == pod["containers"]
                && pod["status"] == "Running"
        });
        ours.filter_map(|pod| pod["name"].as_str().map(str::to_owned)).collect()
    }

    /// One field of the first pod of a Deployment, e.g. `ip`.
    #[must_use]
    pub fn pod_field(&self, of: &str, field: &str) -> String {
        let pods = self.pods(of);
        let view = self.view();
        let pod = view["pods"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|pod| pods.first().is_some_and(|name| pod["name"] == *name));
        pod.and_then(|pod| pod[field].as_str()).unwrap_or_default().to_owned()
    }

    /// Runs a command inside a pod (`namespace/name`, or the first pod of a Deployment of that name).
    ///
    /// # Panics
    /// When there is no such pod.
    #[must_use]
    pub fn exec(&self, pod: &str, command: &[&str]) -> Output {
        let (namespace, _) = pod.split_once('/').unwrap_or(("default", pod));
        let pods = self.pods(pod);
        let pod = pods.first().unwrap_or_else(|| panic!("no ready pod of {pod}: {:#}", self.view()));
        let mut arguments = vec!["exec", "-n", namespace, pod, "--"];
        arguments.extend(command);
        self.leno(&arguments)
    }

    /// Runs curl inside a pod.
    #[must_use]
    pub fn curl(&self, pod: &str, arguments: &[&str]) -> Reply {
        let mut command = vec!["curl", "-sS", "-m", "5", "-w", "\n%{http_code}"];
        command.extend(arguments);
        let output = self.exec(pod, &command);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or((&text, ""));
        Reply {
            exit: output.status.code().unwrap_or(-1),
            status: status.parse().unwrap_or(0),
            body: if body.is_empty() { String::from_utf8_lossy(&output.stderr).into_owned() } else { body.to_owned() },
        }
    }

    /// Calls until the status is the expected one.
    pub fn curl_until(&self, pod: &str, arguments: &[&str], status: u16) -> Reply {
        let look = || self.curl(pod, arguments);
        wait::until(&format!("{pod}: curl {arguments:?} → {status}"), look, |reply| reply.status == status)
    }

    /// Sends text over TCP from inside a pod and returns what came back before the end (at most 5 s).
    #[must_use]
    pub fn tcp(&self, pod: &str, host: &str, port: u16, text: &str) -> String {
        let script = "import socket,sys\n\
             s=socket.create_connection((sys.argv[1],int(sys.argv[2])),5)\n\
             s.settimeout(5)\n\
             s.sendall(sys.argv[3].encode())\n\
             s.shutdown(socket.SHUT_WR)\n\
             d=b''\n\
             while True:\n\
             \x20 b=s.recv(65536)\n\
             \x20 if not b: break\n\
             \x20 d+=b\n\
             sys.stdout.write(d.decode())\n";
        let output = self.exec(pod, &["python3", "-c", script, host, &port.to_string(), text]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Applies a manifest through `leno apply`.
    pub fn apply(&self, text: &str) {
        let file = self.scratch.path().join("applied.yaml");
        write(&file, text);
        let _said = self.ok(&["apply", "-f", &file.display().to_string()]);
    }

    /// Deletes the objects of a manifest through `leno delete`.
    pub fn delete(&self, text: &str) {
        let file = self.scratch.path().join("deleted.yaml");
        write(&file, text);
        let _said = self.ok(&["delete", "-f", &file.display().to_string()]);
    }

    /// Writes one of the watched manifest files, as an editor does.
    pub fn edit(&self, name: &str, text: &str) {
        write(&self.folder.path().join(name), text);
    }

    /// Removes one of the watched manifest files.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).expect("the file is there");
    }

    /// Ends the mesh as Ctrl-C does and returns the front's exit code.
    ///
    /// # Panics
    /// When it does not end within half a minute.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(libc::SIGINT);
        let front = &mut self.front;
        wait::until("leno up ends", || front.try_wait().ok().flatten(), Option::is_some)
            .and_then(|status| status.code())
    }

    /// Everything that was said and not yet looked at; for a mesh that has ended.
    #[must_use]
    pub fn remaining(&self) -> String {
        self.events.iter().map(|event| format!("{event}\n")).collect()
    }

    /// Sends a signal to the front.
    pub fn signal(&self, signal: i32) {
        let pid = libc::pid_t::try_from(self.front.id()).unwrap_or(0);
        if pid > 0 {
            // SAFETY: plain system call; the process is our own child and not yet waited for, so the id is still its.
            unsafe { libc::kill(pid, signal) };
        }
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if matches!(self.front.try_wait(), Ok(None)) {
            if std::thread::panicking() {
                self.report();
            }
            self.signal(libc::SIGTERM);
            let end = std::time::Instant::now() + Duration::from_secs(20);
            while matches!(self.front.try_wait(), Ok(None)) && std::time::Instant::now() < end {
                wait::pause(Duration::from_millis(20));
            }
            drop(self.front.kill());
            drop(self.front.wait());
        }
    }
}

impl Mesh {
    /// What a person would look at when something is wrong; only for a failing test.
    #[expect(clippy::print_stderr, reason = "the output of a failing test")]
    fn report(&self) {
        let output = self.leno(&["ps"]);
        eprintln!(
            "--- leno ps\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let control = self.leno(&["logs", "control"]);
        eprintln!("--- leno logs control\n{}", String::from_utf8_lossy(&control.stdout));
        while let Ok(event) = self.events.try_recv() {
            eprintln!("event {event}");
        }
    }
}

/// Hands every line on, as JSON where it is some.
fn follow(output: Option<impl std::io::Read + Send + 'static>, send: mpsc::SyncSender<Value>) {
    let Some(output) = output else { return };
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
            if send.try_send(event).is_err() {
                return;
            }
        }
    });
}

fn write(path: &Path, text: &str) {
    // By rename, as a good editor does: a half-written file would be a broken edit.
    let draft = path.with_extension("draft");
    fs::write(&draft, text).and_then(|()| fs::rename(&draft, path)).expect("the test's folder can be written");
}
