//! Progressive delivery: `leno rollout`, and the edits of tools that do the same from outside.

use std::{
    io::Write as _,
    process::{Child, Command, Output, Stdio},
};

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, client, mesh_config, meshed_namespace, service, service_with, traffic_split},
    mesh::leno,
    wait,
};
use serde_json::{Value, json};

/// Two roots, `by-split` and `by-route`, in front of the services `v1`, `v2` and `broken`.
fn manifests() -> Vec<String> {
    let mut shop = meshed_namespace("shop") + &client("shop", "client", "") + &mesh_config("defaultAccess: Allow");
    for (name, arguments) in [("v1", ""), ("v2", ""), ("broken", "\"--status\", \"500\"")] {
        let mut server = Echo::new("shop", name);
        (server.labels, server.arguments) = ("root: all", arguments);
        shop += &(server.yaml() + &service("shop", name, name, &[HTTP]));
    }
    for root in ["by-split", "by-route"] {
        shop += &service_with("shop", root, "root: all", "", &[HTTP]);
    }
    vec![shop]
}

fn split(root: &str, weights: &[(&str, u32)]) -> String {
    let backends: Vec<String> =
        weights.iter().map(|(name, weight)| format!("{{ service: {name}, weight: {weight} }}")).collect();
    traffic_split("shop", root, &backends.iter().map(String::as_str).collect::<Vec<_>>())
}

fn route(root: &str, weights: &[(&str, u32)]) -> String {
    let backend = |(name, weight): &(&str, u32)| format!("{{ name: {name}, port: 80, weight: {weight} }}");
    let backends: Vec<String> = weights.iter().map(backend).collect();
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{ name: {root}, namespace: shop }}\n\
         spec:\n  parentRefs: [ {{ group: \"\", kind: Service, name: {root}, port: 80 }} ]\n  rules:\n    \
         - name: all\n      backendRefs: [ {} ]\n",
        backends.join(", ")
    )
}

/// The two kinds: the word for command lines, the root, the manifest, and where its backends are.
type Kind = (&'static str, &'static str, fn(&str, &[(&str, u32)]) -> String, &'static str);

const KINDS: [Kind; 2] = [
    ("trafficsplit", "by-split", split, "/spec/backends"),
    ("httproute", "by-route", route, "/spec/rules/0/backendRefs"),
];

fn object(mesh: &Mesh, (kind, root, ..): Kind) -> Value {
    serde_json::from_str(&mesh.ok(&["get", kind, root, "-n", "shop", "-o", "json"])).expect("it is JSON")
}

fn weights(mesh: &Mesh, kind: Kind) -> Vec<u64> {
    let object = object(mesh, kind);
    let backends = object.pointer(kind.3).and_then(Value::as_array);
    backends.into_iter().flatten().filter_map(|backend| backend["weight"].as_u64()).collect()
}

/// A client that calls all the while.
struct Load(Child);

impl Load {
    fn start(mesh: &Mesh, root: &str, flags: &[&str]) -> Self {
        let url = format!("http://{root}.shop/");
        let mut command = Command::new(leno());
        command.args(["--mesh", mesh.name(), "exec", "-n", "shop", "client", "--"]);
        command.args(["leno", "demo", "echo", "load", &url, "--clients", "2"]).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("the load starts"))
    }

    /// What it counted until now.
    fn stop(self) -> Value {
        terminate(&self.0);
        let output = self.0.wait_with_output().expect("the load ends");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }
}

/// The pods that answer thirty calls.
fn callees(mesh: &Mesh, root: &str) -> Vec<String> {
    let url = format!("http://{root}.shop/");
    let output = mesh.exec("shop/client", &["leno", "demo", "echo", "load", &url, "--count", "30"]);
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    seen["pods"].as_object().into_iter().flatten().map(|(pod, _)| pod.clone()).collect()
}

fn terminate(child: &Child) {
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "it runs");
}

fn all_good(seen: &Value, pods: &[&str]) {
    assert_eq!(seen["statuses"], json!({ "200": seen["answers"] }), "{seen:#}");
    let has = |name: &&str| {
        let mut answered = seen["pods"].as_object().into_iter().flatten();
        answered.any(|(pod, _)| pod.starts_with(*name))
    };
    assert!(pods.iter().all(has), "{pods:?} answered: {seen:#}");
}

fn rollout(mesh: &Mesh, (kind, root, ..): Kind, flags: &[&str]) -> Command {
    let mut command = Command::new(leno());
    command.args(["--mesh", mesh.name(), "--json", "rollout", &format!("{kind}/{root}"), "-n", "shop"]).args(flags);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("an event is JSON")).collect()
}

/// The reason that the last event gives.
fn reason(output: &Output) -> String {
    events(output).last().map_or_else(|| format!("{output:?}"), |event| event["reason"].to_string())
}

#[test]
fn a_good_canary_is_promoted_step_by_step_without_a_lost_request() {
    let mesh = Mesh::up(&manifests());
    for kind in KINDS {
        mesh.apply(&kind.2(kind.1, &[("v1", 1), ("v2", 0)]));
        wait::until(
            "v1 alone is called",
            || callees(&mesh, kind.1),
            |pods| pods.iter().all(|pod| pod.starts_with("v1-")),
        );
        let load = Load::start(&mesh, kind.1, &["--every", "5"]);
        let flags = ["--to", "v2", "--steps", "10,50,100", "--interval", "2s", "--max-p99", "5s"];
        let output = rollout(&mesh, kind, &flags).output().expect("leno starts");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let events = events(&output);
        let of = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
        let shares: Vec<Value> = of("step").iter().map(|step| step["weights"][0]["backends"].clone()).collect();
        let share = |v1: u32, v2: u32| json!([{"backend": "v1", "weight": v1}, {"backend": "v2", "weight": v2}]);
        assert_eq!(shares, [share(90, 10), share(50, 50), share(0, 1)]);
        let counts: Vec<u64> = of("checked").iter().filter_map(|it| it["requests"].as_u64()).collect();
        assert!(counts.len() == 3 && counts.iter().all(|count| *count >= 10), "{events:#?}");
        assert!(counts[0] < counts[2], "each step counts its own requests: {counts:?}");
        assert_eq!(weights(&mesh, kind), [0, 1]);
        all_good(&load.stop(), &["v1", "v2"]);
    }
}

#[test]
fn a_broken_canary_is_rolled_back_and_the_reason_told() {
    let mesh = Mesh::up(&manifests());
    for kind in KINDS {
        mesh.apply(&kind.2(kind.1, &[("v1", 30), ("broken", 0), ("v2", 70)]));
        let load = Load::start(&mesh, kind.1, &["--every", "5"]);
        let flags = ["--to", "broken", "--from", "v1", "--steps", "50,100", "--interval", "60s"];
        let output = rollout(&mesh, kind, &flags).output().expect("leno starts");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(reason(&output).contains("requests failed (100.0%), more than 1%"), "{output:?}");
        assert_eq!(weights(&mesh, kind), [30, 0, 70]);
        // Too few requests to judge are no reason to go on.
        load.stop();
        let flags = ["--to", "v2", "--from", "v1", "--steps", "100", "--interval", "500ms", "--deadline", "2s"];
        let output = rollout(&mesh, kind, &flags).output().expect("leno starts");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(reason(&output).contains("only 0 requests within 2s"), "{output:?}");
        assert_eq!(weights(&mesh, kind), [30, 0, 70]);
    }
}

#[test]
fn whoever_else_edits_the_object_stops_it() {
    let mut manifests = manifests();
    manifests.push(split("by-split", &[("v1", 100), ("v2", 0)]));
    let mut mesh = Mesh::up(&manifests);
    mesh.apply(&route("by-route", &[("v1", 100), ("v2", 0)]));
    let flags = ["--to", "v2", "--steps", "20,100", "--interval", "60s"];
    let begun = |mesh: &Mesh, kind: Kind| {
        let child = rollout(mesh, kind, &flags).spawn().expect("leno starts");
        wait::until("the first step", || weights(mesh, kind), |weights| *weights == [80, 20]);
        child
    };
    // Somebody applies other weights.
    let [by_split, by_route] = KINDS;
    let child = begun(&mesh, by_route);
    mesh.apply(&route("by-route", &[("v1", 60), ("v2", 40)]));
    let output = child.wait_with_output().expect("leno ends");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(reason(&output).contains("backendRefs[0].weight was 80 and is 60"), "{output:?}");
    assert_eq!(weights(&mesh, by_route), [60, 40]);
    // A watched file says something else: it was told that it would win, and it does.
    let child = begun(&mesh, by_split);
    mesh.edit("01.yaml", &split("by-split", &[("v1", 99), ("v2", 1)]));
    let output = child.wait_with_output().expect("leno ends");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(reason(&output).contains("changed by somebody else"), "{output:?}");
    assert!(events(&output).iter().any(|event| event["event"] == "in_files"), "{output:?}");
    assert_eq!(weights(&mesh, by_split), [99, 1]);
    // The mesh ends: there is nothing left to roll back.
    let child = begun(&mesh, by_split);
    mesh.stop();
    let output = child.wait_with_output().expect("leno ends");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(reason(&output).contains("the weights were not rolled back"), "{output:?}");
}

#[test]
fn an_interruption_rolls_back_and_a_pause_waits() {
    let mesh = Mesh::up(&manifests());
    let kind = KINDS[1];
    mesh.apply(&route("by-route", &[("v1", 100), ("v2", 0)]));
    let kept: [(&[&str], _, _); 2] = [(&[], 1, [100, 0]), (&["--keep"], 3, [70, 30])];
    for (more, code, left) in kept {
        let flags = ["--to", "v2", "--steps", "30,100", "--interval", "60s"];
        let child = rollout(&mesh, kind, &flags).args(more).spawn().expect("leno starts");
        wait::until("the first step", || weights(&mesh, kind), |weights| *weights == [70, 30]);
        terminate(&child);
        let output = child.wait_with_output().expect("leno ends");
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(reason(&output).contains("SIGTERM"), "{output:?}");
        assert_eq!(weights(&mesh, kind), left);
    }
    let flags = ["--to", "v2", "--steps", "30,100", "--interval", "1s", "--min-requests", "0", "--pause-at", "30"];
    let refused = rollout(&mesh, kind, &flags).output().expect("leno starts");
    assert_eq!(refused.status.code(), Some(2), "nobody can say that it may go on: {refused:?}");
    let mut child = rollout(&mesh, kind, &flags).stdin(Stdio::piped()).spawn().expect("leno starts");
    child.stdin.take().expect("it reads").write_all(b"\n").expect("it is told");
    let output = child.wait_with_output().expect("leno ends");
    let names: Vec<Value> = events(&output).iter().map(|event| event["event"].clone()).collect();
    assert_eq!(names, ["begun", "step", "checked", "paused", "resumed", "step", "checked", "promoted"], "{output:?}");
    assert_eq!(weights(&mesh, kind), [0, 100]);
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is_changed() {
    let mesh = Mesh::up(&manifests());
    let kind = KINDS[0];
    mesh.apply(&split("by-split", &[("v1", 0), ("v2", 0), ("nowhere", 1)]));
    let refused = |kind: Kind, flags: &[&str], needle: &str| {
        let output = rollout(&mesh, kind, flags).output().expect("leno starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(needle), "{needle:?}: {output:?}");
    };
    refused(KINDS[1], &["--to", "v2"], "HTTPRoute shop/by-route not found");
    refused(kind, &["--to", "v9"], "spec has no backend v9; it has v1, v2, nowhere");
    refused(kind, &["--to", "v2", "--from", "v1"], "weight 0 both");
    refused(kind, &["--to", "v2", "--steps", "50,25"], "--steps go up");
    refused(kind, &["--to", "v2", "--steps", "0,25"], "1..=100");
    mesh.apply(&split("by-split", &[("v1", 1), ("v2", 0), ("nowhere", 0)]));
    refused(kind, &["--to", "nowhere"], "service shop/nowhere not found");
    refused(("service", "by-split", split, ""), &["--to", "v2"], "has no weights to roll out");
    let output = rollout(&mesh, kind, &["--to", "v2", "--dry-run"]).output().expect("leno starts");
    assert_eq!((output.status.code(), events(&output).len()), (Some(0), 5), "{output:?}");
    assert_eq!(weights(&mesh, kind), [1, 0, 0]);
}

/// Flagger sets up `primary` and `canary`, writes the whole object with other weights at each step, then copies the new
/// version to the primary, sends everything back there and scales the canary down.
#[test]
fn flagger_style_edits_lose_no_request() {
    let server = |name: &'static str, replicas: u32, round: &str| {
        let annotations = format!("round: \"{round}\"");
        let mut server = Echo::new("shop", name);
        (server.replicas, server.annotations) = (replicas, &annotations);
        server.yaml()
    };
    let mut shop = meshed_namespace("shop") + &client("shop", "client", "") + &mesh_config("defaultAccess: Allow");
    for name in ["by-split", "by-route", "primary"] {
        shop += &service("shop", name, "primary", &[HTTP]);
    }
    shop += &service("shop", "canary", "canary", &[HTTP]);
    let mesh = Mesh::up(&[shop, server("primary", 2, "0"), server("canary", 1, "0")]);
    let write = |canary: u32| {
        for kind in KINDS {
            mesh.apply(&kind.2(kind.1, &[("canary", canary), ("primary", 100 - canary)]));
        }
    };
    write(0);
    let loads: Vec<Load> = KINDS.iter().flat_map(|kind| both_loads(&mesh, kind.1)).collect();
    for round in ["1", "2"] {
        mesh.edit("02.yaml", &server("canary", 1, round));
        wait::until("the canary is there", || mesh.pods("shop/canary"), |pods| pods.len() == 1);
        (0..=100).step_by(10).for_each(write);
        let before = mesh.pods("shop/primary");
        mesh.edit("01.yaml", &server("primary", 2, round));
        let replaced = |pods: &Vec<String>| pods.len() == 2 && pods.iter().all(|pod| !before.contains(pod));
        wait::until("the primary is the new version", || mesh.pods("shop/primary"), replaced);
        write(0);
        mesh.edit("02.yaml", &server("canary", 0, round));
        wait::until("the canary is gone", || mesh.pods("shop/canary"), Vec::is_empty);
    }
    loads.into_iter().for_each(|load| all_good(&load.stop(), &["primary", "canary"]));
}

/// Argo Rollouts patches nothing but the weights of the object that is there, then points the stable service at the new
/// version, takes the canary's weight back and scales the old version down.
#[test]
fn argo_style_edits_lose_no_request() {
    let versions = ["blue", "green"];
    let server = |name: &'static str, replicas: u32| {
        let mut server = Echo::new("shop", name);
        server.replicas = replicas;
        server.yaml()
    };
    let services = |stable: &str, canary: &str| {
        let mut text = service("shop", "stable", stable, &[HTTP]) + &service("shop", "canary", canary, &[HTTP]);
        for root in ["by-split", "by-route"] {
            text += &service("shop", root, stable, &[HTTP]);
        }
        text
    };
    let shop = meshed_namespace("shop") + &client("shop", "client", "") + &mesh_config("defaultAccess: Allow");
    let mesh = Mesh::up(&[shop, services("blue", "blue"), server("blue", 1), server("green", 0)]);
    for kind in KINDS {
        mesh.apply(&kind.2(kind.1, &[("stable", 100), ("canary", 0)]));
    }
    let set_weight = |canary: u64| {
        for kind in KINDS {
            let mut object = object(&mesh, kind);
            let backends = object.pointer_mut(kind.3).expect("it has backends");
            (backends[0]["weight"], backends[1]["weight"]) = ((100 - canary).into(), canary.into());
            mesh.apply(&object.to_string());
            assert_eq!(weights(&mesh, kind), [100 - canary, canary]);
        }
    };
    let loads: Vec<Load> = KINDS.iter().flat_map(|kind| both_loads(&mesh, kind.1)).collect();
    for round in [0, 1] {
        let (old, new) = (versions[round], versions[1 - round]);
        let file = |version: &str| if version == "blue" { "02.yaml" } else { "03.yaml" };
        mesh.edit(file(new), &server(new, 1));
        wait::until("the new version is there", || mesh.pods(&format!("shop/{new}")), |pods| pods.len() == 1);
        mesh.edit("01.yaml", &services(old, new));
        wait::until("the canary service leads there", || selector(&mesh, "canary"), |app| app == new);
        [20, 40, 60, 80, 100].into_iter().for_each(set_weight);
        mesh.edit("01.yaml", &services(new, new));
        wait::until("the stable service leads there", || selector(&mesh, "stable"), |app| app == new);
        set_weight(0);
        mesh.edit(file(old), &server(old, 0));
        wait::until("the old version is gone", || mesh.pods(&format!("shop/{old}")), Vec::is_empty);
    }
    loads.into_iter().for_each(|load| all_good(&load.stop(), &versions));
}

/// At full speed over kept connections, and over new ones.
fn both_loads(mesh: &Mesh, root: &str) -> [Load; 2] {
    [Load::start(mesh, root, &[]), Load::start(mesh, root, &["--no-keepalive", "--every", "10"])]
}

fn selector(mesh: &Mesh, service: &str) -> String {
    let object: Value =
        serde_json::from_str(&mesh.ok(&["get", "service", service, "-n", "shop", "-o", "json"])).expect("it is JSON");
    object["spec"]["selector"]["app"].as_str().unwrap_or_default().to_owned()
}
