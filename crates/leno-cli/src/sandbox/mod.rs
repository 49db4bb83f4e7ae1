//! The machine room of `leno up`: a private piece of the machine in which pods have addresses, names and a network, as
//! on a Kubernetes node, without root and without any external program.
//!
//! ```text
//! host   front (leno up) ──fork──► ╔═ user, PID, network, mount, UTS and IPC namespaces ═══════════════════════════╗
//!          │  │                    ║ PID 1 reaper ──► runner: Sandbox                                              ║
//!          │  └─ front::serve ◄────║── Outside: sockets of the host's network, asked for one by one                ║
//!          └─ control socket ─────►║── ControlListener                                                             ║
//!                                  ║   leno0 10.244.0.1 ── kube_proxy (nftables) ── dns 10.96.0.10 ── egress relay ║
//!                                  ║     ├── veth ── Pod 10.244.0.2: network, mount and UTS namespace              ║
//!                                  ║     └── veth ── Pod 10.244.0.3 …                                              ║
//!                                  ╚═══════════════════════════════════════════════════════════════════════════════╝
//! ```
//!
//! When the front dies, however it dies, the kernel kills PID 1, with it everything in its PID namespace, and with the
//! last process go the network, the mounts and the private files: nothing is left behind.
//!
//! It must not know manifests, controllers or the object store; it is told of pods and services as plain data.
//!
//! # In this order
//! 1. [`enter()`], first thing in `main`, before any thread or runtime: returns [`Side::Front`] in the process that the
//!    user started and [`Side::Inside`] in the new one.
//! 2. Front: [`Front::start`] once a runtime runs (or before: it makes its own thread); then show things, and
//!    [`Front::terminate`] and [`Front::wait`] at the end.
//! 3. Inside: [`Sandbox::start`], [`Sandbox::set_services`] on every change, [`Sandbox::create_pod`], [`Pod::command`],
//!    [`Pod::destroy`], [`Sandbox::publish`], [`Sandbox::stop`].

mod capability;
mod channel;
pub mod control;
mod dns;
mod egress;
pub mod enter;
pub mod error;
pub mod exec;
mod kube_proxy;
pub mod namespace;
mod network;
pub mod outside;
pub mod pod;
mod publish;
mod relay;
pub mod service;
mod signal;

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::Duration,
};

use leno_runtime::Drain;
use tokio::task::spawn_blocking;

pub use capability::Privilege;
pub use control::{ControlListener, connect};
pub use enter::{Entry, Front, Inside, Side, enter};
pub use error::{EnterError, SandboxError};
pub use network::BRIDGE;
pub use outside::Outside;
pub use pod::{Pod, PodSettings};
pub use publish::Published;
pub use service::{Endpoint, Protocol, Service, ServiceAddress, ServicePort};

use dns::Dns;
use error::Doing as _;
use kube_proxy::Egress;
use network::Network;

/// The bridge's address: every pod's gateway. What the runner itself serves to pods listens here.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
/// The DNS server's address.
pub const DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// The first pod address that may be given out; the last is 10.244.255.254.
pub const FIRST_POD: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 2);
/// What `host.leno.internal` stands for: the host's loopback, where [`Settings::host_loopback`] allows it.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 2);
/// The domain below which services and pods have their names.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// What a sandbox allows.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether pods reach the world outside (TCP, and names through the host's resolver).
    pub egress: bool,
    /// Whether pods reach services on the host's loopback, as `host.leno.internal`.
    pub host_loopback: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { egress: true, host_loopback: false }
    }
}

/// How long relays may take to end.
const STOP: Duration = Duration::from_secs(2);

/// The running network of a mesh. Lives in the runner, inside.
#[derive(Debug)]
pub struct Sandbox {
    network: Network,
    egress: Egress,
    dns: Dns,
    outside: Outside,
    /// The relays and the DNS server; ended by [`Sandbox::stop`].
    drain: Drain,
}

impl Sandbox {
    /// Sets up bridge, addresses, packet steering, DNS and the way outside.
    ///
    /// # Errors
    /// When the kernel refuses a part of it; the text says which.
    pub async fn start(inside: &Inside, settings: &Settings) -> Result<Self, SandboxError> {
        let network = blocking(Network::create).await?;
        let (drain, drained) = leno_runtime::drain::channel();
        let outside = inside.outside.clone();
        let port = match settings.egress {
            true => Some(egress::start(&outside, drained.clone()).await?),
            false => None,
        };
        let egress = Egress { port, host_loopback: settings.host_loopback && settings.egress };
        let way = settings.egress.then_some(&outside);
        let dns = Dns::start(way, egress.host_loopback, drained).await?;
        let sandbox = Self { network, egress, dns, outside, drain };
        sandbox.set_services(Vec::new()).await?;
        Ok(sandbox)
    }

    /// Makes a pod's namespaces and its link, about 5 ms; nothing runs in it yet. May be called for several pods at once.
    ///
    /// # Errors
    /// When the kernel refuses a part of it.
    pub async fn create_pod(&self, settings: PodSettings) -> Result<Pod, SandboxError> {
        let network = self.network;
        blocking(move || pod::create(network, settings)).await
    }

    /// From now on these are all the services, for DNS and for virtual addresses alike. Replaced at once: no connection
    /// sees half of a change; connections that are open stay with their instance.
    ///
    /// # Errors
    /// When the kernel refuses the packet rules; the previous ones stay.
    pub async fn set_services(&self, services: Vec<Service>) -> Result<(), SandboxError> {
        let table = kube_proxy::table(&services, self.egress);
        blocking(move || Ok(leno_nft::install::replace(&table)?)).await?;
        // Names come last: who has been told an address can use it.
        self.dns.set(&services);
        Ok(())
    }

    /// What a host's name means to the pods of a namespace: the whole name, and its addresses.
    pub async fn resolve(&self, namespace: &str, host: &str) -> (String, Vec<Ipv4Addr>) {
        for name in pod::whole_names(namespace, host) {
            let addresses = self.dns.resolve(&name).await;
            if !addresses.is_empty() {
                return (name, addresses);
            }
        }
        (host.to_owned(), Vec::new())
    }

    /// Opens `host` on the host (port 0: any free one, see [`Published::address`]) and relays its connections to `target`,
    /// a service's virtual address or a pod's, until the answer is dropped.
    ///
    /// # Errors
    /// When the host's address cannot be opened, e.g. because it is in use.
    pub async fn publish(&self, host: SocketAddr, target: SocketAddrV4) -> Result<Published, SandboxError> {
        publish::open(&self.outside, host, target, self.drain.holder()).await
    }

    /// The way outside, for the runner's own needs.
    #[must_use]
    pub fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Ends relays and DNS, after all pods are gone. The network itself ends with the last process inside.
    pub async fn stop(self) {
        self.drain.start();
        if !self.drain.finish(STOP).await {
            tracing::warn!("relayed connections did not end in time");
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SandboxError> + Send + 'static,
) -> Result<T, SandboxError> {
    spawn_blocking(work).await.doing(|| "finish in time".to_owned())?
}
