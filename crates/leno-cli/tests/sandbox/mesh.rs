//! Pods and services.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use leno_cli::sandbox::{Inside, Pod, Privilege, Protocol, Service, ServiceAddress};
use leno_model::{ServiceName, mesh::Interception};
use leno_proxy::redirect::{Owner, Redirect};
use tokio::{io::AsyncReadExt as _, time::timeout};

use crate::pod::{VIRTUAL, cart, client, output, pod, sandbox, serve, shell};

/// ping(1), which not every system has.
const ECHO: &str = "python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP); s.settimeout(5)
s.sendto(bytes([8, 0, 0, 0, 0, 0, 0, 1]), (\"10.244.0.3\", 0))
print(\"pong\" if s.recv(99)[0] == 0 else \"?\")'";

pub(crate) async fn pods_reach_each_other_by_name_and_address(inside: Inside) {
    let sandbox = sandbox(&inside).await;
    let (one, two) = (pod(&sandbox, 1).await, pod(&sandbox, 2).await);
    let _server = serve(&two).await;
    let mut services = vec![cart(&[2], Protocol::Tcp)];
    services.push(Service {
        name: ServiceName::new("shop", "db"),
        address: ServiceAddress::Headless,
        ..cart(&[2], Protocol::Tcp)
    });
    sandbox.set_services(services).await.unwrap();
    for (name, port) in [
        ("10.244.0.3", 8080),
        ("10.96.1.1", 80),
        ("cart", 80),
        ("cart.shop", 80),
        ("cart.shop.svc", 80),
        ("cart.shop.svc.cluster.local", 80),
        ("db", 8080),
        ("10-244-0-3.db.shop", 8080),
        ("10-244-0-3.shop.pod.cluster.local", 8080),
    ] {
        assert_eq!(output(&one, &client(name, port)).await, "pod-2", "{name}");
    }
    assert!(output(&one, "ping -c1 -W2 cart.shop 2>&1; hostname; cat /etc/hosts").await.contains("pod-1"));
    assert_eq!(output(&one, "hostname").await, "pod-1\n");
    assert_eq!(output(&one, ECHO).await, "pong\n");
    let missing = output(&one, &client("nobody", 80)).await;
    assert!(missing.contains("Name or service not known"), "{missing}");
    sandbox.stop().await;
}

/// How often each pod answered.
async fn answers(pod: &Pod, count: usize) -> BTreeMap<String, usize> {
    let text = format!(
        "python3 -c '
import socket
for i in range({count}):
    s = socket.create_connection((\"cart\", 80), 5); print(s.recv(99).decode()); s.close()'"
    );
    let mut all = BTreeMap::new();
    for line in output(pod, &text).await.lines() {
        *all.entry(line.to_owned()).or_default() += 1;
    }
    all
}

pub(crate) async fn connections_are_spread_and_follow_changes(inside: Inside) {
    let sandbox = sandbox(&inside).await;
    let pods = [pod(&sandbox, 1).await, pod(&sandbox, 2).await, pod(&sandbox, 3).await];
    let _servers = (serve(&pods[1]).await, serve(&pods[2]).await);
    sandbox.set_services(vec![cart(&[2, 3], Protocol::Tcp)]).await.unwrap();
    let both = answers(&pods[0], 40).await;
    assert_eq!(both.values().sum::<usize>(), 40, "{both:?}");
    assert!(both.len() == 2 && both.values().all(|count| *count > 4), "{both:?}");
    let mut unready = cart(&[2, 3], Protocol::Tcp);
    unready.endpoints[0].ready = false;
    sandbox.set_services(vec![unready]).await.unwrap();
    assert_eq!(answers(&pods[0], 10).await, BTreeMap::from([("pod-3".to_owned(), 10)]));
}

pub(crate) async fn a_pod_reaches_itself_through_its_service(inside: Inside) {
    let sandbox = sandbox(&inside).await;
    let one = pod(&sandbox, 1).await;
    let _server = serve(&one).await;
    sandbox.set_services(vec![cart(&[1], Protocol::Tcp)]).await.unwrap();
    assert_eq!(output(&one, &client("cart", 80)).await, "pod-1");
}

pub(crate) async fn refusals_come_at_once(inside: Inside) {
    let sandbox = sandbox(&inside).await;
    let one = pod(&sandbox, 1).await;
    sandbox.set_services(vec![cart(&[], Protocol::Tcp)]).await.unwrap();
    for (host, port) in [("cart", 80), ("cart", 81), ("10.96.77.77", 80), ("10.96.0.2", 80)] {
        let start = Instant::now();
        let said = output(&one, &client(host, port)).await;
        assert!(said.contains("Connection refused"), "{host}:{port} {said}");
        assert!(start.elapsed() < Duration::from_secs(2), "{host}:{port}");
    }
    let own = tokio::net::TcpStream::connect((VIRTUAL, 80)).await.unwrap_err();
    assert_eq!(own.kind(), std::io::ErrorKind::ConnectionRefused);
}

pub(crate) async fn datagrams_are_steered_too(inside: Inside) {
    let sandbox = sandbox(&inside).await;
    let (one, two) = (pod(&sandbox, 1).await, pod(&sandbox, 2).await);
    let _server = serve(&two).await;
    sandbox.set_services(vec![cart(&[2], Protocol::Udp)]).await.unwrap();
    let ask = "python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
s.connect((\"cart\", 80)); s.send(b\"x\"); print(s.recv(99).decode(), end=\"\")'";
    assert_eq!(output(&one, ask).await, "pod-2");
    sandbox.set_services(vec![cart(&[], Protocol::Udp)]).await.unwrap();
    let refused = output(&one, ask).await;
    assert!(refused.contains("Connection refused"), "{refused}");
}

/// A stand-in for a sidecar: says on which port it was reached, and where the connection was going.
const SIDECAR: &str = "
import socket, threading, struct
def serve(port, s):
    while True:
        c, _ = s.accept()
        original = c.getsockopt(0, 80, 16)
        c.sendall(b\"%d %s:%d\" % (port, socket.inet_ntoa(original[4:8]).encode(), struct.unpack(\">H\", original[2:4])[0]))
        c.close()
for port in (15001, 15006, 15020):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((\"0.0.0.0\", port)); s.listen()
    threading.Thread(target=serve, args=(port, s)).start()
m = socket.socket(); m.setsockopt(socket.SOL_SOCKET, 36, 0x4c454e4f); m.settimeout(5)
m.connect((\"10.244.0.3\", 8080)); print(m.recv(99).decode(), flush=True)
m = socket.socket(); m.setsockopt(socket.SOL_SOCKET, 36, 0x4c454e4f); m.settimeout(5)
m.connect((\"10.244.0.2\", 8080)); print(m.recv(99).decode(), flush=True)
";

/// Starts it, and waits for what it says of its own two connections.
async fn start_sidecar(pod: &Pod) -> (tokio::process::Child, String) {
    let mut sidecar = pod.command(Privilege::Sidecar, "python3".as_ref(), Path::new("/"));
    sidecar.env("PATH", "/usr/bin:/bin").args(["-c", SIDECAR]).stdout(Stdio::piped());
    let mut sidecar = sidecar.kill_on_drop(true).spawn().unwrap();
    let mut said = String::new();
    let mut pipe = sidecar.stdout.take().unwrap();
    while said.lines().count() < 2 {
        let mut bytes = [0; 256];
        let length = timeout(Duration::from_secs(10), pipe.read(&mut bytes)).await.unwrap().unwrap();
        assert!(length > 0, "the sidecar ended: {said}");
        said += str::from_utf8(&bytes[..length]).unwrap();
    }
    (sidecar, said)
}

pub(crate) async fn redirected_pods_speak_through_their_sidecar(inside: Inside) {
    let sandbox = sandbox(&inside).await;
    let (one, two) = (pod(&sandbox, 1).await, pod(&sandbox, 2).await);
    let _server = serve(&two).await;
    sandbox.set_services(vec![cart(&[2], Protocol::Tcp)]).await.unwrap();
    let redirect = Redirect {
        owner: Owner::Mark(0x4c45_4e4f),
        outbound_port: 15001,
        inbound_port: 15006,
        metrics_port: 15020,
        interception: Interception {
            exclude_outbound_ports: vec![8080],
            exclude_inbound_ports: vec![9999],
            ..Interception::default()
        },
    };
    one.redirect(&redirect).await.unwrap();
    let (_sidecar, said) = start_sidecar(&one).await;
    // Its own connections go out as they are; one to its own pod comes in as everyone's does.
    assert_eq!(said, "pod-2\n15006 10.244.0.2:8080\n");
    // The application's go to the sidecar, and it knows where they were going.
    assert_eq!(output(&one, &client("cart", 80)).await, "15001 10.96.1.1:80");
    // Excluded ones do not.
    assert_eq!(output(&one, &client("10.244.0.3", 8080)).await, "pod-2");
    // What comes in goes to the sidecar, but for what is excluded.
    assert_eq!(output(&two, &client("10.244.0.2", 8080)).await, "15006 10.244.0.2:8080");
    assert!(output(&two, &client("10.244.0.2", 9999)).await.contains("refused"));
    assert!(output(&two, &client("10.244.0.2", 15020)).await.starts_with("15020 "));
    // Within the pod nothing is redirected: probes reach the application.
    assert!(output(&one, &client("127.0.0.1", 7777)).await.contains("refused"));
    assert!(one.connect("10.244.0.2:7777".parse().unwrap()).await.is_err());
}

pub(crate) async fn processes_have_just_the_privilege_they_need(inside: Inside) {
    let sandbox = sandbox(&inside).await;
    let one = pod(&sandbox, 1).await;
    let mark = "import socket; socket.socket().setsockopt(socket.SOL_SOCKET, 36, 5)";
    let application = output(&one, &format!("python3 -c '{mark}' 2>&1 | tail -1")).await;
    assert!(application.contains("Operation not permitted"), "{application}");
    for (privilege, good) in [(Privilege::Sidecar, true), (Privilege::Application, false)] {
        let mut command = one.command(privilege, "python3".as_ref(), Path::new("/"));
        command.env("PATH", "/usr/bin:/bin").args(["-c", mark]).stderr(Stdio::null());
        assert_eq!(command.status().await.unwrap().success(), good, "{privilege:?}");
    }
    let status = output(&one, "cat /proc/self/status; unshare -n true; echo; mount -t tmpfs x /mnt").await;
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert_eq!(
        status.matches("not permitted").count()
            + status.matches("must be superuser").count()
            + status.matches("permission denied").count(),
        2,
        "{status}"
    );
    let low = "python3 -c 'import socket; s = socket.socket(); s.bind((\"\", 80)); print(\"bound\")' 2>&1 | tail -1";
    assert_eq!(output(&one, low).await, "bound\n");
    assert_eq!(output(&one, "pwd; echo $HOME").await, "/\n\n");
    let session = output(&one, "cat /proc/self/stat").await;
    let fields: Vec<&str> = session.rsplit(") ").next().unwrap().split(' ').collect();
    assert_eq!(fields[2], fields[3], "a session and a process group of its own");
}

pub(crate) async fn ten_pods_do_not_take_seconds_each(inside: Inside) {
    let sandbox = sandbox(&inside).await;
    let start = Instant::now();
    let mut pods = Vec::new();
    for n in 1..=10 {
        pods.push(pod(&sandbox, n).await);
    }
    let made = start.elapsed();
    for pod in &pods {
        pod.destroy().await;
    }
    let total = start.elapsed();
    println!("ten pods: made in {made:?}, destroyed in {:?}", total.checked_sub(made).unwrap());
    // Tens of milliseconds each; a busy machine takes longer, and a step that waits for nothing takes seconds.
    assert!(total < Duration::from_secs(10), "{total:?}");
}

pub(crate) async fn destroying_a_pod_ends_all_of_it(inside: Inside) {
    let sandbox = sandbox(&inside).await;
    for _ in 0..3 {
        let one = pod(&sandbox, 1).await;
        let mut child = shell(&one, "setsid sleep 7001 & setsid sleep 7001 & exec sleep 7001").spawn().unwrap();
        crate::until("three processes", || sleeping(7001) == 3).await;
        one.destroy().await;
        one.destroy().await;
        assert!(!child.wait().await.unwrap().success());
        crate::until("no processes", || sleeping(7001) == 0).await;
        let left = std::fs::read_dir("/.leno/pods").unwrap().count();
        assert_eq!(left, 0);
    }
}

/// How many processes sleep for so many seconds.
pub(crate) fn sleeping(seconds: u32) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|process| {
            let name = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            name == format!("sleep\0{seconds}\0")
        })
        .count()
}
