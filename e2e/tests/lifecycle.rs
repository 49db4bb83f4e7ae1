//! A mesh begins, is looked at, and ends, and leaves nothing behind.

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, client, mesh_config, meshed_namespace, plain_namespace, service},
    wait,
};

/// Everything of a mesh that the host could see.
fn traces(mesh: &str, before: &BTreeSet<String>) -> BTreeSet<String> {
    let mut traces = BTreeSet::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let arguments = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default().replace('\0', " ");
        let state = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if arguments.contains(mesh) && !state.contains(") Z ") {
            traces.insert(format!("process {} {arguments}", entry.file_name().display()));
        }
    }
    for line in fs::read_to_string("/proc/mounts").unwrap_or_default().lines().filter(|line| line.contains("leno")) {
        traces.insert(format!("mount {line}"));
    }
    for line in fs::read_to_string("/proc/net/unix").unwrap_or_default().lines().filter(|line| line.contains(mesh)) {
        traces.insert(format!("socket {line}"));
    }
    for folder in ["/tmp", "/run", "/var/tmp", "/dev/shm", "/run/user/0"] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.contains("leno") {
                traces.insert(format!("file {folder}/{name}"));
            }
        }
    }
    let links = Command::new("ip").args(["-o", "link"]).output().map(|output| output.stdout).unwrap_or_default();
    for line in String::from_utf8_lossy(&links).lines().filter(|line| line.contains("leno")) {
        traces.insert(format!("link {line}"));
    }
    traces.difference(before).cloned().collect()
}

/// What the host has of such names without the mesh.
fn before() -> BTreeSet<String> {
    traces("no mesh has this name", &BTreeSet::new())
}

fn manifests() -> Vec<String> {
    let mut server = Echo::new("shop", "server");
    server.replicas = 2;
    vec![
        meshed_namespace("shop")
            + &client("shop", "client", "")
            + &server.yaml()
            + &service("shop", "server", "server", &[HTTP]),
        mesh_config("defaultAccess: Allow"),
    ]
}

#[test]
fn interrupt_stops_in_order_and_leaves_nothing() {
    let before = before();
    let mut mesh = Mesh::up(&manifests());
    mesh.curl_until("shop/client", &["http://server.shop/"], 200);
    let name = mesh.name().to_owned();
    assert!(!traces(&name, &before).is_empty(), "the check itself sees a running mesh");
    assert_eq!(mesh.stop(), Some(0));
    let left = wait::until("nothing is left", || traces(&name, &before), BTreeSet::is_empty);
    assert!(left.is_empty());
}

#[test]
fn kill_9_of_the_runner_leaves_nothing() {
    let before = before();
    let mut mesh = Mesh::up(&manifests());
    let name = mesh.name().to_owned();
    mesh.signal(libc::SIGKILL);
    let _status = mesh.front().wait().expect("it is our child");
    let left = wait::until("nothing is left", || traces(&name, &before), BTreeSet::is_empty);
    assert!(left.is_empty());
}

#[test]
fn leno_down_ends_a_detached_mesh() {
    let before = before();
    let mut mesh = Mesh::up(&manifests());
    let _said = mesh.ok(&["down"]);
    let front = mesh.front();
    let status = wait::until("the front ends", || front.try_wait().ok().flatten(), Option::is_some);
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    let name = mesh.name().to_owned();
    wait::until("nothing is left", || traces(&name, &before), BTreeSet::is_empty);
    let output = mesh.leno(&["ps"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains(&name), "ps without a mesh names it: {error}");
}

#[test]
fn two_meshes_run_side_by_side() {
    let one = Mesh::up(&manifests());
    let two = Mesh::up(&manifests());
    one.curl_until("shop/client", &["http://server.shop/"], 200);
    two.curl_until("shop/client", &["http://server.shop/"], 200);
}

#[test]
fn exec_returns_output_and_exit_code() {
    let mesh = Mesh::up(&[plain_namespace("plain") + &client("plain", "client", "")]);
    let output = mesh.exec("plain/client", &["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "out\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("err"), "{output:?}");
    let rights = mesh.exec("plain/client", &["sh", "-c", "grep CapEff /proc/self/status"]);
    let rights = String::from_utf8_lossy(&rights.stdout).into_owned();
    let mask = u64::from_str_radix(rights.split_whitespace().last().unwrap_or_default(), 16).expect("a mask");
    // Network set-up (12, 13), the system (21), tracing (19), modules (16): nobody's in a pod.
    assert_eq!(mask & (1 << 12 | 1 << 13 | 1 << 16 | 1 << 19 | 1 << 21), 0, "{rights}");
}

#[test]
fn a_crashing_container_is_started_again_with_back_off() {
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: { name: crash, namespace: plain }\nspec:\n  containers:\n    \
        - { name: crash, image: none, command: [sh, -c, \"echo it crashes; exit 3\"] }\n";
    let mesh = Mesh::start(&[plain_namespace("plain") + pod], &[]);
    let look = || String::from_utf8_lossy(&mesh.leno(&["--json", "ps"]).stdout).into_owned();
    wait::until("it is backing off", look, |view| view.contains("CrashLoopBackOff"));
    let log = mesh.ok(&["logs", "-n", "plain", "crash"]);
    assert!(log.contains("it crashes"), "{log}");
}

#[test]
fn a_published_port_opens_on_the_host() {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let published = service("shop", "open", "server", &[HTTP]).replace(
        "name: open, namespace: shop",
        &format!("name: open, namespace: shop, annotations: {{ leno.dev/publish: \"{port}\" }}"),
    );
    let mut manifests = manifests();
    manifests.push(published);
    let mesh = Mesh::up(&manifests);
    let url = format!("http://127.0.0.1:{port}/");
    let look =
        || Command::new("curl").args(["-sS", "-m", "5", &url]).output().map(|output| output.stdout).unwrap_or_default();
    let body = wait::until("the host gets an answer", look, |body| !body.is_empty());
    assert!(String::from_utf8_lossy(&body).contains("\"pod\":\"server-"), "{}", String::from_utf8_lossy(&body));
    drop(mesh);
}

#[test]
fn ten_pods_are_ready_soon() {
    let mut manifests = meshed_namespace("shop");
    for number in 0..10 {
        manifests += &Echo::new("shop", &format!("echo-{number}")).yaml();
    }
    let mesh = Mesh::start(&[manifests], &[]);
    let ready = mesh.wait_event("ready", Duration::from_secs(60));
    // A bound for breakage; the measured figure stands in the documentation.
    assert!(ready["seconds"].as_f64() < Some(20.0), "{ready}");
    assert_eq!(ready["pods"], 10);
}

#[test]
fn invalid_manifests_end_the_start_with_every_error() {
    let broken = plain_namespace("plain")
        + "---\napiVersion: split.smi-spec.io/v1alpha4\nkind: TrafficSplit\nmetadata: { name: cart, namespace: plain }\nspec:\n  \
           service: cart\n  backends:\n    - { service: v1, weight: -5 }\n    - { service: v2, weight: many }\n";
    let mut mesh = Mesh::start(&[broken], &[]);
    let front = mesh.front();
    let status = wait::until("it ends", || front.try_wait().ok().flatten(), Option::is_some);
    assert_ne!(status.and_then(|status| status.code()), Some(0));
    let events = mesh.remaining();
    for needle in
        ["00.yaml:12:30", "TrafficSplit plain/cart", "spec.backends[0].weight", "-5", "spec.backends[1].weight", "many"]
    {
        assert!(events.contains(needle), "{needle:?} is not in {events}");
    }
}
