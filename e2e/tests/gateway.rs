//! The Gateway API with Services as parents: the mesh cases of its conformance suite, and cases of our own. Each is a few
//! lines of `gateway/*.yaml`; all of them run in one mesh.
//!
//! | key of a case | says |
//! |---|---|
//! | `manifests` | what is applied before and deleted after; `apiVersion`, name `it` and namespace `mesh` go without saying |
//! | `requests` | who (`from`: a namespace) asks for what (`to`, `method`, `headers`, `grpc`), and what is expected: `status`, `pod`, `path` and headers that the pod saw (`seen`), headers of the `answer`, `location`; or the `share` of each pod (or status) in hundredths |
//! | `connections` | the line that a connection `to` a `port` (by TLS, asking for `server_name`) is greeted with |
//! | `status` | conditions of the route `it` (or `name`) at its `parent` |
//! | `told` | what `leno up` says |
//! | `copies` | how many hundredths of 500 requests (`of`) the pod `at` gets besides |
//! | `retries` | how many tries more a client's sidecar has counted at least |

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use e2e::{Mesh, mesh::top, wait};
use serde_json::Value;

/// A case's requests are asked until they are answered as expected, as the conformance suite does it.
fn folder() -> PathBuf {
    top().join("e2e/gateway")
}

fn cases(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(file)).expect("the cases are there");
    let document = leno_yaml::documents(&text).pop().expect("a document");
    assert!(document.errors.is_empty(), "{:?}", document.errors);
    document.root.expect("a tree").to_json().as_array().expect("a list of cases").clone()
}

/// The manifests of a case, with what goes without saying.
fn manifests(case: &Value) -> Option<String> {
    let complete = |text: &str| {
        let document = leno_yaml::documents(text).pop().expect("a document");
        assert!(document.errors.is_empty(), "{:?}", document.errors);
        let mut object = document.root.expect("a tree").to_json();
        let object_map = object.as_object_mut().expect("an object");
        object_map.entry("apiVersion").or_insert("gateway.networking.k8s.io/v1".into());
        let metadata = object_map.entry("metadata").or_insert_with(|| serde_json::json!({}));
        let metadata = metadata.as_object_mut().expect("metadata is a map");
        metadata.entry("name").or_insert("it".into());
        metadata.entry("namespace").or_insert("mesh".into());
        object.to_string()
    };
    let text = case["manifests"].as_str()?;
    let objects: Vec<_> = text.split("---\n").map(complete).collect();
    Some(objects.join("\n---\n"))
}

/// An answer, taken apart.
#[derive(Debug, Default)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

/// Looks a header up by its name.
type Finder<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Answer {
    /// What `curl -i` printed: the last head, and the body.
    fn read(text: &str) -> Self {
        let mut answer = Self::default();
        let mut rest = text;
        while let Some((head, after)) = rest.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("HTTP/")) {
            let mut lines = head.lines();
            let first = lines.next().unwrap_or_default();
            answer.status = first.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_default();
            answer.headers = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            rest = after;
        }
        answer.body = serde_json::from_str(rest).unwrap_or_default();
        answer
    }

    /// The pod that answered.
    fn pod(&self) -> &str {
        self.headers.get("x-pod").map_or("", String::as_str)
    }

    /// The values of a header that the pod saw, in one.
    fn seen(&self, name: &str) -> Option<String> {
        let values = self.body["headers"][name].as_array()?;
        let values: Vec<_> = values.iter().filter_map(Value::as_str).collect();
        Some(values.join(",").replace(", ", ","))
    }

    fn fits(&self, expect: &Value) -> bool {
        let text = |key: &str| expect[key].as_str();
        let header = |name: &str| self.headers.get(name).cloned();
        let all = |wanted: &Value, found: Finder<'_>| {
            let wanted = wanted.as_object().into_iter().flatten();
            wanted.into_iter().all(|(name, value)| found(name).as_deref() == value.as_str())
        };
        expect["status"].as_u64().is_none_or(|status| status == u64::from(self.status))
            && text("pod").is_none_or(|pod| pod == self.pod())
            && text("path").is_none_or(|path| self.body["path"] == path)
            && text("location").is_none_or(|location| header("location").as_deref() == Some(location))
            && all(&expect["answer"], &header)
            && all(&expect["seen"], &|name| self.seen(name))
    }
}

/// Sends a ClientHello that asks for a name, and prints what comes back. (The service answers in plaintext.)
const ASK_BY_NAME: &str = "
import socket, ssl, sys
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=sys.argv[3])
try: tls.do_handshake()
except ssl.SSLWantReadError: pass
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
connection.settimeout(3)
connection.sendall(outgoing.read())
try: print(connection.recv(100).decode())
except OSError: pass
";

/// A running mesh and what the cases ask of it.
struct World {
    mesh: Mesh,
    /// The address of the pod `echo-v2`.
    echo_v2: String,
}

impl World {
    fn up() -> Self {
        let setup = fs::read_to_string(folder().join("setup.yaml")).expect("the setup is there");
        let mesh = Mesh::up(&[setup]);
        let echo_v2 = mesh.pod_field("mesh/echo-v2", "ip");
        Self { mesh, echo_v2 }
    }

    /// What a shell in the client of a namespace prints.
    fn shell(&self, namespace: &str, script: &str) -> String {
        let output = self.mesh.leno(&["exec", "-n", namespace, "client", "--", "bash", "-c", script]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The curl command of a request; `more` are further flags.
    fn curl(&self, request: &Value, more: &str, url_end: &str) -> String {
        let to = request["to"].as_str().expect("a request says where to");
        let url = format!("http://{}{url_end}", to.replace("{echo-v2}", &self.echo_v2));
        let headers = request["headers"].as_object().into_iter().flatten();
        let headers: String =
            headers.map(|(name, value)| format!(" -H '{name}: {}'", value.as_str().unwrap_or_default())).collect();
        let method = request["method"].as_str().map_or_else(String::new, |method| format!(" -X {method}"));
        if request["grpc"] == true {
            let grpc = "--http2-prior-knowledge -H 'content-type: application/grpc' -H 'te: trailers' --data-binary @-";
            return format!("printf '\\0\\0\\0\\0\\0' | curl -sS -m 10 {more} {grpc}{headers} '{url}'");
        }
        format!("curl -sS -m 10 {more}{method}{headers} '{url}'")
    }

    fn ask(&self, name: &str, request: &Value) {
        let from = request["from"].as_str().unwrap_or("mesh");
        if let Some(share) = request["share"].as_object() {
            return self.shares(name, request, share);
        }
        let script = self.curl(request, "-i", "");
        let what = format!("{name}: {request}");
        wait::until(&what, || Answer::read(&self.shell(from, &script)), |answer| answer.fits(&request["expect"]));
    }

    /// 500 requests, within 5 hundredths, as in the conformance suite.
    fn shares(&self, name: &str, request: &Value, share: &serde_json::Map<String, Value>) {
        let format = r"-o /dev/null -w '%{http_code} %header{x-pod}\n'";
        let script = if request["grpc"] == true {
            // curl 7.88 cannot use a connection of HTTP/2 with prior knowledge twice.
            let one = self.curl(request, format, "");
            format!("one() {{ {one}; }}; export -f one; seq 500 | xargs -P 8 -I% bash -c one")
        } else {
            self.curl(request, format, "?[1-500]")
        };
        let count = || {
            let mut counts: BTreeMap<String, f64> = BTreeMap::new();
            for line in self.shell("mesh", &script).lines() {
                let (status, pod) = line.split_once(' ').unwrap_or((line, ""));
                *counts.entry(if pod.is_empty() { status } else { pod }.to_owned()).or_default() += 0.2;
            }
            counts
        };
        let near = |counts: &BTreeMap<String, f64>| {
            share.iter().all(|(who, wanted)| {
                let found = counts.get(who).copied().unwrap_or_default();
                (found - wanted.as_f64().unwrap_or_default()).abs() <= 5.0
            })
        };
        wait::until(&format!("{name}: {request}"), count, near);
    }

    /// What a pod gets of 500 requests that another one answers, within 5 hundredths.
    fn copies(&self, name: &str, copies: &Value) {
        let pod = copies["at"].as_str().expect("copies go to a pod");
        let share = copies["share"].as_f64().expect("a share");
        let script =
            "curl -s http://127.0.0.1:15020/stats/prometheus | grep '^leno_requests_total.*direction=\"inbound\"'";
        let received = || {
            let output = self.mesh.leno(&["exec", "-n", "mesh", pod, "--", "bash", "-c", script]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
        };
        let before = received();
        self.shell("mesh", &self.curl(&copies["of"], "-o /dev/null", "?[1-500]"));
        wait::until(&format!("{name}: {copies}"), || (received() - before) / 5.0, |found| (found - share).abs() <= 5.0);
    }

    fn connect(&self, name: &str, connection: &Value) {
        let (to, port) = (connection["to"].as_str().unwrap_or_default(), &connection["port"]);
        let script = match connection["server_name"].as_str() {
            Some(name) => format!("python3 -c '{ASK_BY_NAME}' {to} {port} {name}"),
            None => format!("timeout 3 head -1 < /dev/tcp/{to}/{port}"),
        };
        let expected = connection["expect"].as_str().unwrap_or_default();
        wait::until(&format!("{name}: {connection}"), || self.shell("mesh", &script), |line| line.trim() == expected);
    }

    /// A condition as `Status Reason`.
    fn condition(&self, wanted: &Value, kind: &str) -> String {
        let route = wanted["name"].as_str().unwrap_or("it");
        let kind_of_route = wanted["kind"].as_str().expect("a status is of a kind");
        let output = self.mesh.leno(&["get", kind_of_route, route, "-n", "mesh", "-o", "json"]);
        let object: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let parent = usize::try_from(wanted["parent"].as_u64().unwrap_or_default()).unwrap_or_default();
        let parent = &object["status"]["parents"][parent];
        let conditions = parent["conditions"].as_array().into_iter().flatten();
        let condition = conditions.into_iter().find(|condition| condition["type"] == kind);
        let Some(condition) = condition else { return object.to_string() };
        assert_eq!(parent["controllerName"], "leno.dev/mesh-controller");
        assert_eq!(condition["observedGeneration"], object["metadata"]["generation"]);
        assert!(condition["lastTransitionTime"].as_str().is_some_and(|time| time.ends_with('Z')), "{condition}");
        let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("status"), text("reason"))
    }

    fn run(&self, case: &Value) {
        let list = |key: &str| case[key].as_array().into_iter().flatten();
        let name = case["name"].as_str().expect("a case has a name");
        let manifests = manifests(case);
        if let Some(text) = &manifests {
            self.mesh.apply(text);
        }
        list("requests").for_each(|request| self.ask(name, request));
        list("connections").for_each(|connection| self.connect(name, connection));
        for wanted in list("status") {
            for kind in ["Accepted", "ResolvedRefs"] {
                if let Some(expected) = wanted[kind].as_str() {
                    wait::until(&format!("{name}: {wanted}"), || self.condition(wanted, kind), |it| it == expected);
                }
            }
        }
        if let Some(text) = case["told"].as_str() {
            let said = |event: &Value| event.to_string().contains(text);
            while !said(&self.mesh.wait_event("warning", Duration::from_secs(20))) {}
        }
        if case["copies"].is_object() {
            self.copies(name, &case["copies"]);
        }
        if let Some(least) = case["retries"]["at_least"].as_u64() {
            let script = "curl -s http://127.0.0.1:15020/stats/prometheus | grep '^leno_retries_total'";
            let count = || {
                // Without the route the answer may be the same: what was asked too early was not tried again.
                list("requests").for_each(|request| self.ask(name, request));
                let text = self.shell("mesh", script);
                let counts = text.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
                counts.sum::<f64>()
            };
            #[expect(clippy::cast_precision_loss, reason = "a handful")]
            wait::until(&format!("{name}: {least} retries"), count, |count| *count >= least as f64);
        }
        if let Some(text) = &manifests {
            self.mesh.delete(text);
        }
    }
}

/// Every mesh case of the conformance suite.
#[test]
fn the_mesh_is_conformant() {
    let world = World::up();
    let cases = cases("conformance.yaml");
    assert_eq!(cases.len(), 23);
    cases.iter().for_each(|case| world.run(case));
}

/// What the suite does not ask.
#[test]
fn routes_do_what_their_status_says() {
    let world = World::up();
    cases("routes.yaml").iter().for_each(|case| world.run(case));
}
