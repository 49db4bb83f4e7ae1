//! What names mean in the mesh; pure.
//!
//! The layout is Kubernetes': <https://github.com/kubernetes/dns/blob/master/docs/specification.md>

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
};

use crate::sandbox::{
    CLUSTER_DOMAIN, HOST,
    network::{PODS, SERVICES},
    service::{Endpoint, Protocol, Service, ServiceAddress, ServicePort},
};

/// The name of the host, where its loopback may be reached.
const HOST_NAME: &str = "host.leno.internal";

/// What a name has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// An address.
    Address(Ipv4Addr),
    /// A port of a host.
    Service { port: u16, target: String },
    /// Another name of an address.
    Pointer(String),
    /// Another name, to be asked in its place.
    Alias(String),
}

/// What the mesh says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All that it has; nothing, for a name that only has names below.
    Name(Vec<Data>),
    /// There is no such name.
    NoName,
    /// The name is not the mesh's to speak of.
    Elsewhere,
}

/// All names of the mesh: in lower case, without the final dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Zone {
    names: BTreeMap<String, Vec<Data>>,
}

impl Zone {
    /// The names of these services.
    pub(super) fn new(services: &[Service], host_loopback: bool) -> Self {
        let mut zone = Self::default();
        zone.exists(&format!("svc.{CLUSTER_DOMAIN}"));
        zone.exists(&format!("pod.{CLUSTER_DOMAIN}"));
        for (range, _) in [PODS, SERVICES] {
            zone.exists(&reverse_zone(range));
        }
        if host_loopback {
            zone.add(HOST_NAME, Data::Address(HOST));
        }
        for service in services {
            zone.add_service(service);
        }
        zone
    }

    /// What is known of a name, in lower case and without the final dot.
    pub(super) fn find(&self, name: &str) -> Found {
        if let Some(data) = self.names.get(name) {
            return Found::Name(data.clone());
        }
        if let Some(address) = pod_address(name) {
            return Found::Name(vec![Data::Address(address)]);
        }
        let reverse = [PODS, SERVICES].map(|(range, _)| reverse_zone(range));
        let ours = is_below(name, CLUSTER_DOMAIN) || reverse.iter().any(|zone| is_below(name, zone));
        if is_pod_namespace(name) {
            Found::Name(Vec::new())
        } else if ours {
            Found::NoName
        } else {
            Found::Elsewhere
        }
    }

    fn add_service(&mut self, service: &Service) {
        let name = full_name(service);
        match &service.address {
            ServiceAddress::Virtual(address) => {
                self.add(&name, Data::Address(*address));
                self.add(&reverse_name(*address), Data::Pointer(name.clone()));
                for port in &service.ports {
                    let target = name.clone();
                    self.add_port(&name, port, port.port, target);
                }
                // Names of instances are of use without a virtual address in the way, too.
                let named = service.named_endpoints().filter(|it| it.hostname.is_some());
                for endpoint in named {
                    self.add_endpoint(&name, endpoint);
                }
            }
            ServiceAddress::Headless => {
                self.exists(&name);
                for endpoint in service.named_endpoints() {
                    self.add_headless(&name, &service.ports, endpoint);
                }
            }
            ServiceAddress::External(target) => {
                let target = target.trim_end_matches('.').to_lowercase();
                self.add(&name, Data::Alias(target));
            }
        }
    }

    fn add_headless(&mut self, service: &str, ports: &[ServicePort], endpoint: &Endpoint) {
        self.add(service, Data::Address(endpoint.address));
        let target = self.add_endpoint(service, endpoint);
        for (port, number) in ports.iter().zip(&endpoint.ports) {
            if let Some(number) = number {
                self.add_port(service, port, *number, target.clone());
            }
        }
    }

    fn add_port(&mut self, service: &str, port: &ServicePort, number: u16, target: String) {
        let Some(port_name) = &port.name else {
            return;
        };
        let protocol = match port.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let data = Data::Service { port: number, target };
        let port_name = port_name.to_lowercase();
        self.add(&format!("_{port_name}._{protocol}.{service}"), data);
    }

    /// An instance's own name, which is its pod's host name or its address with dashes.
    fn add_endpoint(&mut self, service: &str, endpoint: &Endpoint) -> String {
        let own = endpoint.hostname.as_ref().map(|name| name.to_lowercase());
        let own = own.unwrap_or_else(|| endpoint.address.to_string().replace('.', "-"));
        let name = format!("{own}.{service}");
        self.add(&name, Data::Address(endpoint.address));
        self.add(&reverse_name(endpoint.address), Data::Pointer(name.clone()));
        name
    }

    fn add(&mut self, name: &str, data: Data) {
        self.exists(name);
        let all = self.names.entry(name.to_owned()).or_default();
        if !all.contains(&data) {
            all.push(data);
        }
    }

    /// The name is there, and so are all above it (though they may have nothing).
    fn exists(&mut self, name: &str) {
        let mut rest = name;
        while rest.contains('.') && !self.names.contains_key(rest) {
            self.names.insert(rest.to_owned(), Vec::new());
            rest = rest.split_once('.').map_or("", |(_, above)| above);
            if is_above_ours(rest) {
                break;
            }
        }
    }
}

/// Names above the mesh's zones belong to the world.
fn is_above_ours(name: &str) -> bool {
    [CLUSTER_DOMAIN, "leno.internal"].iter().any(|zone| zone.ends_with(name) && *zone != name)
        || name.ends_with("in-addr.arpa") && name.split('.').count() < 4
}

fn full_name(service: &Service) -> String {
    let name = &service.name;
    format!("{}.{}.svc.{CLUSTER_DOMAIN}", name.name, name.namespace).to_lowercase()
}

fn reverse_name(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa")
}

/// The zone of the addresses of a /16.
fn reverse_zone([a, b, ..]: [u8; 4]) -> String {
    format!("{b}.{a}.in-addr.arpa")
}

fn is_below(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

/// `10-244-0-5.NAMESPACE.pod.cluster.local`: the address that the name itself says.
fn pod_address(name: &str) -> Option<Ipv4Addr> {
    let rest = name.strip_suffix(&format!(".pod.{CLUSTER_DOMAIN}"))?;
    let (address, namespace) = rest.split_once('.')?;
    let address: Ipv4Addr = address.replace('-', ".").parse().ok()?;
    let ([a, b, ..], _) = PODS;
    (!namespace.contains('.') && address.octets().starts_with(&[a, b])).then_some(address)
}

fn is_pod_namespace(name: &str) -> bool {
    let rest = name.strip_suffix(&format!(".pod.{CLUSTER_DOMAIN}"));
    rest.is_some_and(|namespace| !namespace.contains('.'))
}

/// A resolver of the host, from a line of its `/etc/resolv.conf`.
pub(super) fn upstreams(resolv_conf: &str) -> Vec<std::net::SocketAddr> {
    let server = |line: &str| {
        let address = line.trim().strip_prefix("nameserver")?.trim();
        // An address with a zone (fe80::1%eth0) means a link that is not known here.
        let address: std::net::IpAddr = address.parse().ok()?;
        Some(std::net::SocketAddr::new(address, 53))
    };
    let found: Vec<_> = resolv_conf.lines().filter_map(server).take(3).collect();
    if found.is_empty() {
        // What resolv.conf(5) says an empty file means.
        return vec![SocketAddrV4::new(Ipv4Addr::LOCALHOST, 53).into()];
    }
    found
}
