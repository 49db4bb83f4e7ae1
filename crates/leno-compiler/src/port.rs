//! What is spoken on a workload's own ports.

use std::collections::BTreeMap;

use leno_model::{Protocol, ServiceName, Snapshot, WorkloadName};

/// A port of a workload that services lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkloadPort {
    /// The first service (by name) that leads to it, and its service port: what telemetry calls it.
    pub(crate) service: (ServiceName, u16),
    /// All of them, by name.
    pub(crate) services: Vec<(ServiceName, u16)>,
    /// What is spoken on it; [`Protocol::Detect`] where services disagree.
    pub(crate) protocol: Protocol,
}

/// The workload's ports that services lead to, by number. Datagram ports are left out.
pub(crate) fn workload_ports(snapshot: &Snapshot, workload: &WorkloadName) -> BTreeMap<u16, WorkloadPort> {
    let mut ports: BTreeMap<u16, WorkloadPort> = BTreeMap::new();
    for (service, number, target) in snapshot.ports_of(workload) {
        let Some(port) = service.port(number) else {
            continue;
        };
        if port.protocol == Protocol::Udp {
            continue;
        }
        ports
            .entry(target)
            .and_modify(|known| {
                known.services.push((service.name.clone(), number));
                if known.protocol != port.protocol {
                    known.protocol = merged(known.protocol, port.protocol);
                }
            })
            .or_insert_with(|| {
                let service = (service.name.clone(), number);
                WorkloadPort { services: vec![service.clone()], service, protocol: port.protocol }
            });
    }
    ports
}

/// What a port speaks that two services declare differently: both speak HTTP, or nobody knows.
fn merged(one: Protocol, other: Protocol) -> Protocol {
    let http = |protocol| matches!(protocol, Protocol::Http | Protocol::Http2);
    if http(one) && http(other) { Protocol::Http } else { Protocol::Detect }
}
