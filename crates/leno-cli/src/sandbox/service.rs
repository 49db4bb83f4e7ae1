//! What the sandbox is told of services: the data that DNS answers from and that packets are steered by.

use std::net::Ipv4Addr;

use leno_model::ServiceName;

/// A service as the network sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// How it is addressed.
    pub address: ServiceAddress,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Its instances, ready or not.
    pub endpoints: Vec<Endpoint>,
    /// Whether DNS names instances that are not ready (`publishNotReadyAddresses`).
    pub publish_not_ready: bool,
}

/// How a service is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceAddress {
    /// A virtual address; connections to it go to one ready instance, chosen at random.
    Virtual(Ipv4Addr),
    /// None (`clusterIP: None`): its name stands for the addresses of its instances.
    Headless,
    /// Another name (`type: ExternalName`), answered as CNAME.
    External(String),
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name, when it has one; SRV records are made for named ports.
    pub name: Option<String>,
    /// What is carried.
    pub protocol: Protocol,
    /// The number that clients use.
    pub port: u16,
}

/// What a port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// An instance of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its pod's address.
    pub address: Ipv4Addr,
    /// The pod's `hostname`, when its `subdomain` is this service: it then has a name of its own.
    pub hostname: Option<String>,
    /// Whether it takes new connections: ready and not terminating.
    pub ready: bool,
    /// The pod's port for each port of the service, in the service's order; `None` where the pod has none.
    pub ports: Vec<Option<u16>>,
}

impl Service {
    /// The instances that DNS names.
    pub fn named_endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(|endpoint| endpoint.ready || self.publish_not_ready)
    }
}
