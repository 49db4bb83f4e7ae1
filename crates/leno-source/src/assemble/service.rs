//! Services and EndpointSlices to services with endpoints.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
};

use leno_manifest::{
    Manifest,
    core::{
        EndpointSlice, Service as ServiceObject,
        endpoint_slice::{SERVICE_NAME_LABEL, SliceEndpoint},
        service::{ServicePort as PortObject, TrafficDistribution, Transport},
    },
};
use leno_model::{Endpoint, Locality, Protocol, Service, ServiceName, ServicePort, Workload, WorkloadName};

use super::{Remarks, workload::Placed};
use crate::{Note, NoteReason, Objects};

/// The pods by name and by address.
struct Pods<'a> {
    by_name: HashMap<&'a WorkloadName, &'a Placed>,
    by_address: HashMap<IpAddr, &'a Placed>,
}

/// Every service, in the order of their names.
pub(super) fn all(objects: &Objects, workloads: &[Placed], remarks: &mut Remarks) -> Vec<Service> {
    let pods = Pods {
        by_name: workloads.iter().map(|it| (&it.name, it)).collect(),
        // Of two pods with one address the one that stays is meant.
        by_address: workloads
            .iter()
            .filter(|it| it.terminating)
            .chain(workloads.iter().filter(|it| !it.terminating))
            .flat_map(|it| it.model().addresses.iter().map(move |address| (*address, it)))
            .collect(),
    };
    let mut slices: HashMap<ServiceName, Vec<&EndpointSlice>> = HashMap::new();
    for (manifest, slice) in objects.all::<EndpointSlice>() {
        let Some(name) = slice.metadata.labels.get(SERVICE_NAME_LABEL) else {
            let text = format!("it belongs to no service: the label {SERVICE_NAME_LABEL} is missing");
            remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
            continue;
        };
        slices.entry(ServiceName::new(&slice.metadata.namespace, name)).or_default().push(slice);
    }
    let mut services = Vec::new();
    let mut owners: HashMap<IpAddr, ServiceName> = HashMap::new();
    for (manifest, object) in objects.all::<ServiceObject>() {
        let name = ServiceName::new(&object.metadata.namespace, &object.metadata.name);
        let mut service = service(object, name, &slices, &pods);
        keep_own_addresses(&mut service, manifest, &mut owners, remarks);
        services.push(service);
    }
    services
}

/// An address that an earlier service has is not this one's.
fn keep_own_addresses(
    service: &mut Service,
    manifest: &Manifest,
    owners: &mut HashMap<IpAddr, ServiceName>,
    remarks: &mut Remarks,
) {
    let name = service.name.clone();
    service.cluster_ips.retain(|address| match owners.get(address) {
        None => {
            owners.insert(*address, name.clone());
            true
        }
        Some(owner) => {
            let text = format!("its address {address} is that of the service {owner} already, which keeps it");
            remarks.notes.push(Note::new(manifest, NoteReason::Conflict, text));
            false
        }
    });
}

fn service(
    object: &ServiceObject,
    name: ServiceName,
    slices: &HashMap<ServiceName, Vec<&EndpointSlice>>,
    pods: &Pods<'_>,
) -> Service {
    let spec = &object.spec;
    let mut cluster_ips: Vec<IpAddr> = Vec::new();
    for address in spec.cluster_ip.iter().chain(&spec.cluster_ips).filter_map(|text| text.parse().ok()) {
        if !cluster_ips.contains(&address) {
            cluster_ips.push(address);
        }
    }
    // Slices of both families list the same pods; those of the first address's family are enough.
    let family = cluster_ips.first().map(IpAddr::is_ipv4);
    let slices = slices.get(&name).map(Vec::as_slice).unwrap_or_default();
    let endpoints = |port: &PortObject| {
        let mut found: BTreeMap<SocketAddr, Endpoint> = BTreeMap::new();
        for slice in slices {
            for endpoint in of_slice(slice, port, spec.publish_not_ready_addresses, pods) {
                let same_family = family.is_none_or(|is_ipv4| is_ipv4 == endpoint.address.is_ipv4());
                // An endpoint may be in two slices while they are rewritten; one that is ready in one is ready.
                let earlier_is_ready = found.get(&endpoint.address).is_some_and(|earlier| earlier.ready);
                if same_family && !earlier_is_ready {
                    found.insert(endpoint.address, endpoint);
                }
            }
        }
        found.into_values().collect::<Vec<_>>()
    };
    let is_tcp = |port: &&PortObject| port.protocol == Transport::Tcp;
    // TCP and UDP may share a number; the mesh carries TCP.
    let udp_only = |port: &&PortObject| {
        port.protocol != Transport::Tcp && !spec.ports.iter().any(|it| it.port == port.port && is_tcp(&it))
    };
    let ports = || spec.ports.iter().filter(|port| is_tcp(port) || udp_only(port));
    Service {
        name,
        ports: ports().map(service_port).collect(),
        endpoints: ports().map(|port| (port.port, endpoints(port))).collect(),
        nearness: spec.traffic_distribution.map(TrafficDistribution::to_model),
        cluster_ips,
    }
}

/// Where an endpoint runs: what its pod says, and the slice of its zone.
fn locality(workload: Option<&Workload>, endpoint: &SliceEndpoint) -> Locality {
    let mut locality = workload.map(Workload::locality).unwrap_or_default();
    if let Some(zone) = endpoint.zone.as_ref().filter(|_| locality.zone.is_empty()) {
        locality.zone.clone_from(zone);
    }
    locality
}

fn service_port(port: &PortObject) -> ServicePort {
    let protocol = match port.protocol {
        Transport::Tcp => Protocol::declared(port.app_protocol.as_deref(), &port.name),
        Transport::Udp | Transport::Sctp => Protocol::Udp,
    };
    ServicePort { name: port.name.clone(), port: port.port, protocol }
}

/// The endpoints of a slice for a service port.
fn of_slice<'a>(
    slice: &'a EndpointSlice,
    port: &PortObject,
    publish_not_ready: bool,
    pods: &'a Pods<'a>,
) -> impl Iterator<Item = Endpoint> + 'a {
    let same =
        |it: &&leno_manifest::core::endpoint_slice::EndpointPort| it.name == port.name && it.protocol == port.protocol;
    let number = slice.ports.iter().find(same).and_then(|port| port.port);
    let endpoint = move |endpoint| number.and_then(|number| one(slice, endpoint, number, publish_not_ready, pods));
    slice.endpoints.iter().filter_map(endpoint)
}

fn one(
    slice: &EndpointSlice,
    endpoint: &SliceEndpoint,
    port: u16,
    publish_not_ready: bool,
    pods: &Pods<'_>,
) -> Option<Endpoint> {
    let address: IpAddr = endpoint.addresses.first()?.parse().ok()?;
    let conditions = endpoint.conditions;
    let takes_requests = publish_not_ready || conditions.ready.unwrap_or(true);
    let stays = !conditions.terminating.unwrap_or(false);
    let pod = match endpoint.target_ref.as_ref().filter(|it| it.kind == "Pod") {
        Some(reference) => {
            let namespace =
                if reference.namespace.is_empty() { &slice.metadata.namespace } else { &reference.namespace };
            let pod = pods.by_name.get(&WorkloadName::new(namespace, &reference.name)).copied();
            // The slice is older or newer than the pod: nobody knows who answers there, so nobody is sent there.
            Some(pod.filter(|pod| pod.model().addresses.contains(&address)))
        }
        None => pods.by_address.get(&address).copied().map(Some),
    };
    let known = pod.is_none_or(|pod| pod.is_some_and(|pod| !pod.terminating));
    let workload = pod.flatten().map(Placed::model);
    Some(Endpoint {
        address: SocketAddr::new(address, port),
        ready: takes_requests && stays && known,
        workload: workload.map(|workload| workload.name.clone()),
        service_account: workload.map(|workload| workload.service_account.clone()),
        meshed: workload.is_some_and(|workload| workload.meshed),
        locality: locality(workload, endpoint),
    })
}
