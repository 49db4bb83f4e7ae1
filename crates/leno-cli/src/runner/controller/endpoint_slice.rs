//! Endpoint slices from a service's selector and the state of the pods that it chooses.

use std::collections::BTreeMap;

use leno_manifest::{
    core::{
        EndpointSlice, Pod, Service,
        endpoint_slice::{AddressType, EndpointConditions, EndpointPort, SERVICE_NAME_LABEL, SliceEndpoint, TargetRef},
        pod::status::PodPhase,
        service::ServicePort,
    },
    meta::{IntOrString, ObjectMeta, OwnerReference, fits},
};
use leno_model::locality::ZONE_LABEL;

/// The slices of a service: one for each set of port numbers, because pods may name different ports alike.
pub(crate) fn slices<'a>(service: &Service, pods: impl Iterator<Item = &'a Pod>) -> Vec<EndpointSlice> {
    if service.spec.selector.is_empty() {
        return Vec::new();
    }
    let mut by_ports: BTreeMap<Vec<Option<u16>>, Vec<SliceEndpoint>> = BTreeMap::new();
    for pod in pods.filter(|pod| is_behind(service, pod)) {
        let ports = service.spec.ports.iter().map(|port| target(port, pod)).collect();
        if let Some(endpoint) = endpoint(service, pod) {
            by_ports.entry(ports).or_default().push(endpoint);
        }
    }
    if by_ports.is_empty() {
        by_ports.insert(service.spec.ports.iter().map(|_| None).collect(), Vec::new());
    }
    by_ports
        .into_iter()
        .enumerate()
        .map(|(index, (ports, endpoints))| slice(service, index, &ports, endpoints))
        .collect()
}

/// Whether the service chooses this pod.
pub(crate) fn is_behind(service: &Service, pod: &Pod) -> bool {
    service.metadata.namespace == pod.metadata.namespace
        && !service.spec.selector.is_empty()
        && fits(&service.spec.selector, &pod.metadata.labels)
}

/// The pod's port that a service port leads to; `None` when the pod has no port of that name.
pub(crate) fn target(port: &ServicePort, pod: &Pod) -> Option<u16> {
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(number)) => u16::try_from(*number).ok(),
        Some(IntOrString::String(name)) => pod.spec.named_port(name),
    }
}

/// The pod as an endpoint; `None` as long as it has no address, and when it has ended for good.
fn endpoint(service: &Service, pod: &Pod) -> Option<SliceEndpoint> {
    let status = pod.status.as_ref()?;
    let address = status.pod_ip.clone()?;
    if matches!(status.phase, Some(PodPhase::Succeeded | PodPhase::Failed)) {
        return None;
    }
    let terminating = pod.metadata.deletion_timestamp.is_some();
    let serving = status.is("Ready") || service.spec.publish_not_ready_addresses;
    let conditions = EndpointConditions {
        ready: Some(serving && !terminating),
        serving: Some(serving),
        terminating: Some(terminating),
    };
    Some(SliceEndpoint {
        addresses: vec![address],
        conditions,
        target_ref: Some(TargetRef {
            kind: "Pod".into(),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
        }),
        hostname: pod.spec.hostname.clone().filter(|_| pod.spec.subdomain.as_ref() == Some(&service.metadata.name)),
        node_name: Some(crate::runner::pod::NODE.into()),
        zone: pod.metadata.labels.get(ZONE_LABEL).cloned(),
        ..SliceEndpoint::default()
    })
}

fn slice(service: &Service, index: usize, ports: &[Option<u16>], endpoints: Vec<SliceEndpoint>) -> EndpointSlice {
    let name = &service.metadata.name;
    let mut labels = service.metadata.labels.clone();
    labels.insert(SERVICE_NAME_LABEL.into(), name.clone());
    labels.insert("endpointslice.kubernetes.io/managed-by".into(), "leno".into());
    let metadata = ObjectMeta {
        name: if index == 0 { format!("{name}-leno") } else { format!("{name}-leno-{index}") },
        namespace: service.metadata.namespace.clone(),
        labels,
        owner_references: vec![OwnerReference {
            api_version: "v1".into(),
            kind: "Service".into(),
            name: name.clone(),
            uid: service.metadata.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: None,
        }],
        ..ObjectMeta::default()
    };
    let port = |(port, number): (&ServicePort, &Option<u16>)| {
        number.map(|number| EndpointPort {
            name: port.name.clone(),
            port: Some(number),
            protocol: port.protocol,
            app_protocol: port.app_protocol.clone(),
        })
    };
    let ports = service.spec.ports.iter().zip(ports).filter_map(port).collect();
    EndpointSlice { metadata, address_type: AddressType::IPv4, endpoints, ports }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, ip: &str, ready: bool, port: u16) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": "cart"}},
            "spec": {"containers": [{"name": "app", "ports": [{"name": "web", "containerPort": port}]}]},
            "status": {"podIP": ip, "phase": "Running",
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}
        }))
        .unwrap()
    }

    fn service(target: &serde_json::Value) -> Service {
        serde_json::from_value(json!({
            "metadata": {"name": "cart", "namespace": "shop"},
            "spec": {"selector": {"app": "cart"}, "ports": [{"name": "http", "port": 80, "targetPort": target}]}
        }))
        .unwrap()
    }

    #[test]
    fn readiness_and_termination_become_conditions() {
        let mut ending = pod("c", "10.244.0.4", true, 8080);
        ending.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".into());
        let pods = [pod("a", "10.244.0.2", true, 8080), pod("b", "10.244.0.3", false, 8080), ending];
        let slices = slices(&service(&json!(8080)), pods.iter());
        assert_eq!(slices.len(), 1);
        let flags: Vec<_> = slices[0]
            .endpoints
            .iter()
            .map(|it| {
                (it.conditions.ready.unwrap(), it.conditions.serving.unwrap(), it.conditions.terminating.unwrap())
            })
            .collect();
        assert_eq!(flags, [(true, true, false), (false, false, false), (false, true, true)]);
        assert_eq!(slices[0].ports[0].port, Some(8080));
    }

    #[test]
    fn named_ports_may_differ_from_pod_to_pod() {
        let pods = [pod("a", "10.244.0.2", true, 8080), pod("b", "10.244.0.3", true, 9090)];
        let slices = slices(&service(&json!("web")), pods.iter());
        let ports: Vec<_> = slices.iter().map(|slice| slice.ports[0].port.unwrap()).collect();
        assert_eq!(ports, [8080, 9090]);
        assert_ne!(slices[0].metadata.name, slices[1].metadata.name);
    }

    #[test]
    fn a_service_without_pods_has_an_empty_slice_and_one_without_selector_none() {
        let mut service = service(&json!(8080));
        assert!(slices(&service, [].iter())[0].endpoints.is_empty());
        service.spec.selector.clear();
        assert!(slices(&service, [].iter()).is_empty());
    }
}
