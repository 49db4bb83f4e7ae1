//! Making pods and running programs in them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use leno_cli::sandbox::{
    Endpoint, Inside, Pod, PodSettings, Privilege, Protocol, Sandbox, Service, ServiceAddress, ServicePort, Settings,
};
use leno_model::ServiceName;
use tokio::{process::Command, time::timeout};

/// The address of the `n`th pod.
pub(crate) fn address(n: u8) -> Ipv4Addr {
    [10, 244, 0, n + 1].into()
}

pub(crate) const VIRTUAL: Ipv4Addr = Ipv4Addr::new(10, 96, 1, 1);

pub(crate) async fn sandbox(inside: &Inside) -> Sandbox {
    Sandbox::start(inside, &Settings::default()).await.unwrap()
}

pub(crate) async fn pod(sandbox: &Sandbox, n: u8) -> Pod {
    let settings = PodSettings {
        namespace: "shop".into(),
        name: format!("pod-{n}"),
        hostname: format!("pod-{n}"),
        subdomain: None,
        address: address(n),
        host_aliases: vec![],
    };
    sandbox.create_pod(settings).await.unwrap()
}

/// The service `shop/cart` with these pods behind it.
pub(crate) fn cart(pods: &[u8], protocol: Protocol) -> Service {
    Service {
        name: ServiceName::new("shop", "cart"),
        address: ServiceAddress::Virtual(VIRTUAL),
        ports: vec![ServicePort { name: Some("http".into()), protocol, port: 80 }],
        endpoints: pods.iter().map(|n| endpoint(*n)).collect(),
        publish_not_ready: false,
    }
}

fn endpoint(n: u8) -> Endpoint {
    Endpoint { address: address(n), hostname: None, ready: true, ports: vec![Some(8080)] }
}

/// A shell command in a pod.
pub(crate) fn shell(pod: &Pod, text: &str) -> Command {
    let mut command = pod.command(Privilege::Application, "sh".as_ref(), Path::new("/"));
    command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").args(["-c", text]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

pub(crate) async fn output(pod: &Pod, text: &str) -> String {
    let output = timeout(Duration::from_secs(20), shell(pod, text).output()).await;
    let output = output.unwrap_or_else(|_| panic!("{text} does not end")).unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Python that serves its host's name on TCP port 8080 (and UDP).
pub(crate) const SERVER: &str = "exec python3 -c '
import socket, socketserver, threading
name = socket.gethostname().encode()
class Tcp(socketserver.BaseRequestHandler):
    def handle(self): self.request.sendall(name)
class Udp(socketserver.BaseRequestHandler):
    def handle(self): self.request[1].sendto(name, self.client_address)
class Server(socketserver.ThreadingTCPServer): allow_reuse_address = True
threading.Thread(target=socketserver.UDPServer((\"0.0.0.0\", 8080), Udp).serve_forever).start()
Server((\"0.0.0.0\", 8080), Tcp).serve_forever()'";

/// Python that asks an address and prints what it says.
pub(crate) fn client(host: &str, port: u16) -> String {
    format!(
        "python3 -c 'import socket; s = socket.create_connection((\"{host}\", {port}), 5); print(s.recv(99).decode(), end=\"\")' 2>&1 | tail -1"
    )
}

/// Starts the server in a pod and waits until it answers.
pub(crate) async fn serve(pod: &Pod) -> tokio::process::Child {
    let child = shell(pod, SERVER).spawn().unwrap();
    let at = SocketAddr::from((pod.address(), 8080));
    let deadline = Instant::now() + Duration::from_secs(10);
    while pod.connect(at).await.is_err() {
        assert!(Instant::now() < deadline, "the server does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child
}
