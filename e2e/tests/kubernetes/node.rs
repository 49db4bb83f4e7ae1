//! A network of its own for a cluster: a bridge with the API server and the control plane on it, and a namespace for each
//! pod. What a kubelet and a network plugin would do is done here.

use std::{
    ffi::OsStr,
    fs::File,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use e2e::wait;

/// The node's address on the bridge.
pub(super) const ADDRESS: &str = "10.244.0.1";

/// A process that holds a network namespace.
#[derive(Debug)]
pub(super) struct Holder(Child);

impl Holder {
    fn start(mut command: Command) -> Self {
        let child = command.args(["sleep", "infinity"]).stdin(Stdio::null()).spawn().expect("unshare runs");
        let holder = Self(child);
        let own = std::fs::read_link("/proc/self/ns/net").expect("Linux tells");
        let its = || std::fs::read_link(format!("/proc/{}/ns/net", holder.0.id())).ok();
        wait::until("a namespace of its own", its, |its| its.as_ref().is_some_and(|its| *its != own));
        holder
    }

    fn id(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A process that ends with the test.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The network.
#[derive(Debug)]
pub(super) struct Node {
    holder: Holder,
}

impl Node {
    pub(super) fn new() -> Self {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--net");
        let node = Self { holder: Holder::start(command) };
        for line in [
            "link set lo up",
            "link add leno0 type bridge",
            "link set leno0 up",
            &format!("addr add {ADDRESS}/24 dev leno0"),
        ] {
            succeed(node.command("ip").args(line.split(' ')));
        }
        node
    }

    /// A program in the node's network.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        entering(&self.holder, program)
    }

    /// A network for a pod.
    pub(super) fn pod(&self, address: &str) -> Holder {
        let mut command = self.command("unshare");
        command.arg("--net");
        let holder = Holder::start(command);
        // `nsenter` and `unshare` become the process that sleeps.
        let end = format!("veth{}", address.rsplit('.').next().unwrap_or_default());
        let peer = ["peer", "name", "eth0", "netns", &holder.id()];
        succeed(self.command("ip").args(["link", "add", &end, "type", "veth"]).args(peer));
        succeed(self.command("ip").args(["link", "set", &end, "master", "leno0", "up"]));
        for line in [
            "link set lo up",
            "link set eth0 up",
            &format!("addr add {address}/24 dev eth0"),
            &format!("route add default via {ADDRESS}"),
        ] {
            succeed(entering(&holder, "ip").args(line.split(' ')));
        }
        holder
    }
}

/// A program in the network that a process holds.
pub(super) fn entering(holder: &Holder, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &holder.id(), "--net"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--preserve-credentials"]);
    }
    command.arg("--").arg(program).stdin(Stdio::null());
    command
}

/// Runs it in the background, with what it says in a file.
pub(super) fn background(command: &mut Command, log: &Path) -> Process {
    let file = File::create(log).expect("a log");
    let same = file.try_clone().expect("the same log");
    Process(command.stdout(file).stderr(same).spawn().expect("it starts"))
}

/// Runs it to its end, which must be a good one.
pub(super) fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}
