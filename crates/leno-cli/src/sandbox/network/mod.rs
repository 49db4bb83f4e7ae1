//! The mesh's own network: a bridge that every pod is plugged into, in the namespace that the runner is in.
//!
//! A pod has its address alone (/32) and reaches everything, its neighbours too, through the gateway. So every packet
//! between pods passes this namespace, where virtual addresses are rewritten, in both directions.

pub(super) mod link;

use std::{fs, net::Ipv4Addr, os::fd::BorrowedFd};

use link::{LOOPBACK, Links, Veth};

use super::{
    DNS, GATEWAY, HOST,
    error::{Doing as _, SandboxError},
};

/// The bridge's name; what is captured there is all that is between pods.
pub const BRIDGE: &str = "leno0";
/// The bridge's index, beyond those that links of the kernel's own have in a new namespace.
const BRIDGE_INDEX: u32 = 1000;
/// A pod's link is there under this name.
const POD_LINK: &str = "eth0";
/// And this index.
const POD_LINK_INDEX: u32 = 100;
/// The range of pods' addresses.
pub(super) const PODS: ([u8; 4], u8) = ([10, 244, 0, 0], 16);
/// The range of services' addresses.
pub(super) const SERVICES: ([u8; 4], u8) = ([10, 96, 0, 0], 16);

/// The network of the mesh. It ends with the namespace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network(());

impl Network {
    /// Sets it up in the calling thread's namespace.
    ///
    /// # Errors
    /// When the kernel refuses a part of it.
    pub(super) fn create() -> Result<Self, SandboxError> {
        mesh_settings();
        let links = Links::open().doing(|| "open a netlink socket".into())?;
        links.set_up(LOOPBACK).doing(|| "set up lo".into())?;
        links
            .add_bridge(BRIDGE, BRIDGE_INDEX)
            .doing(|| format!("make bridge {BRIDGE}; the kernel's bridge module may be missing"))?;
        let address = |index, address, prefix| {
            links.add_address(index, address, prefix).doing(|| format!("give {address} to a link"))
        };
        address(BRIDGE_INDEX, GATEWAY, PODS.1)?;
        address(LOOPBACK, DNS, 32)?;
        address(LOOPBACK, HOST, 32)?;
        // Virtual addresses that no rule rewrites must be routed somewhere to be refused with a reason.
        let (services, prefix) = SERVICES;
        links.add_link_route(BRIDGE_INDEX, services.into(), prefix).doing(|| "route services".into())?;
        Ok(Self(()))
    }

    /// Plugs a pod in. Called in this namespace, and then [`attach`] in the pod's.
    pub(super) fn plug(self, address: Ipv4Addr, namespace: BorrowedFd<'_>) -> Result<(), SandboxError> {
        let [.., high, low] = address.octets();
        let veth = Veth {
            name: &format!("pod{high}-{low}"),
            index: link_index(address),
            bridge: BRIDGE_INDEX,
            peer_name: POD_LINK,
            peer_index: POD_LINK_INDEX,
            peer_namespace: namespace,
        };
        let links = Links::open().doing(|| "open a netlink socket".into())?;
        links.add_veth(&veth).doing(|| format!("make the link of pod {address}"))
    }

    /// Takes a pod's link away.
    pub(super) fn unplug(self, address: Ipv4Addr) -> Result<(), SandboxError> {
        let links = Links::open().doing(|| "open a netlink socket".into())?;
        links.delete(link_index(address)).doing(|| format!("take the link of pod {address} away"))
    }
}

/// The index of the near end of a pod's link, one for each pod address.
fn link_index(address: Ipv4Addr) -> u32 {
    0x1_0000 | (address.to_bits() & 0xffff)
}

/// The pod's side, in the pod's namespace, before its link is there.
pub(super) fn prepare() -> Result<(), SandboxError> {
    common_settings();
    let links = Links::open().doing(|| "open a netlink socket".into())?;
    links.set_up(LOOPBACK).doing(|| "set up lo".into())
}

/// The pod's side, in the pod's namespace, once its link is there.
pub(super) fn attach(address: Ipv4Addr) -> Result<(), SandboxError> {
    let links = Links::open().doing(|| "open a netlink socket".into())?;
    let what = || format!("set up the link of pod {address}");
    links.add_address(POD_LINK_INDEX, address, 32).doing(what)?;
    links.set_up(POD_LINK_INDEX).doing(what)?;
    links.add_link_route(POD_LINK_INDEX, GATEWAY, 32).doing(what)?;
    links.add_default_route(POD_LINK_INDEX, GATEWAY).doing(what)
}

fn mesh_settings() {
    common_settings();
    set("ipv4/ip_forward", "1");
    // A pod's packet to its neighbour leaves by the link that it came by: no reason to tell it a shorter way.
    set("ipv4/conf/all/send_redirects", "0");
    set("ipv4/conf/default/send_redirects", "0");
    // Where the kernel would ask the packet rules on the bridge already, packets that a rule sends back to where they
    // came from would be lost there.
    for kind in ["iptables", "ip6tables", "arptables"] {
        set(&format!("bridge/bridge-nf-call-{kind}"), "0");
    }
}

/// Settings of every namespace. They are not essential one by one: where `/proc/sys` may not be written (in some
/// containers), what needs them fails with its own error.
fn common_settings() {
    for scope in ["all", "default"] {
        set(&format!("ipv4/conf/{scope}/rp_filter"), "0");
        set(&format!("ipv4/conf/{scope}/accept_redirects"), "0");
    }
    // Pods have no IPv6 address but ::1. (Interfaces that are there, that is, lo, keep theirs.)
    set("ipv6/conf/default/disable_ipv6", "1");
    // Programs serve port 80 without privilege, as in containers.
    set("ipv4/ip_unprivileged_port_start", "0");
    // And ping.
    let group = rustix::process::getegid().as_raw();
    set("ipv4/ping_group_range", &format!("{group} {group}"));
}

fn set(name: &str, value: &str) {
    if let Err(error) = fs::write(format!("/proc/sys/net/{name}"), value) {
        tracing::debug!(name, value, %error, "network setting refused");
    }
}
