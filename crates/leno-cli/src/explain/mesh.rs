//! What is known of a running mesh: its pods, its services, and what bypasses sidecars.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use anyhow::Context;
use leno_api::{
    control::ProxyStatus,
    explain::{Branch, Endpoint},
    runner::{MeshView, PodView},
};
use leno_model::{WorkloadName, mesh::Interception};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Report, nowhere};
use crate::client::Client;

/// A mesh at one moment.
pub(super) struct Mesh {
    view: MeshView,
    services: Vec<Value>,
    slices: Vec<Value>,
    proxies: Vec<ProxyStatus>,
    /// What bypasses the sidecar of each pod.
    bypasses: BTreeMap<WorkloadName, Interception>,
}

impl Mesh {
    /// Reads it.
    pub(super) async fn read(client: &Client) -> anyhow::Result<Self> {
        let objects = |kind: &'static str| client.get::<Vec<Value>>(kind);
        let view = client.get("/v1/mesh").await?;
        let services = objects("/v1/objects?kind=Service").await?;
        let slices = objects("/v1/objects?kind=EndpointSlice").await?;
        let pods = objects("/v1/objects?kind=Pod").await?;
        let config = objects("/v1/objects?kind=MeshConfig").await?;
        let of_mesh = match config.first() {
            Some(config) => read::<leno_manifest::leno::mesh_config::MeshConfig>(config)?.to_model().interception,
            None => Interception::default(),
        };
        let bypass = |pod: &Value| {
            let annotations: BTreeMap<String, String> =
                pod.pointer("/metadata/annotations").map(read).transpose()?.unwrap_or_default();
            let name = WorkloadName::new(text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
            Ok((name, leno_inject::interception(&of_mesh, &annotations)))
        };
        let bypasses = pods.iter().map(bypass).collect::<anyhow::Result<_>>()?;
        // Who cannot be asked now is not said to be behind.
        let proxies = client.get("/v1/control/api/proxies").await.unwrap_or_default();
        Ok(Self { view, services, slices, proxies, bypasses })
    }

    /// A pod.
    pub(super) fn pod(&self, namespace: &str, name: &str) -> Option<&PodView> {
        self.view.pods.iter().find(|pod| pod.namespace == namespace && pod.name == name)
    }

    /// What keeps a pod's sidecar from what the control plane says now, if anything.
    pub(super) fn behind(&self, namespace: &str, name: &str) -> Option<&'static str> {
        let proxy = self.proxies.iter().find(|proxy| proxy.namespace == namespace && proxy.pod == name)?;
        match (proxy.connected, proxy.refusing, proxy.stale) {
            (false, ..) => Some("is not connected to the control plane: it goes by what it was told before"),
            (true, true, _) => Some("has refused some of what it was told (`leno proxy status`)"),
            (true, false, true) => Some("has not taken all that it was told into use yet"),
            (true, false, false) => None,
        }
    }

    /// The pod that has this address.
    pub(super) fn pod_at(&self, address: IpAddr) -> Option<&PodView> {
        let address = address.to_string();
        self.view.pods.iter().find(|pod| pod.ip == address)
    }

    /// Why a name may have no address.
    pub(super) fn nameless(&self, name: &str) -> &'static str {
        let whole = |service: &&Value| {
            let own = format!("{}.{}", text(service, "/metadata/name"), text(service, "/metadata/namespace"));
            name == text(service, "/metadata/name") || name == own || name.starts_with(&format!("{own}.svc"))
        };
        match self.services.iter().any(|service| whole(&service)) {
            true => "it is a headless service without ready pods, or the caller is in another namespace",
            false => "no Service has this name, and the host's resolvers do not know it",
        }
    }

    /// What of a call to a destination keeps it from the caller's sidecar, if anything.
    pub(super) fn bypasses(&self, pod: &WorkloadName, destination: SocketAddr) -> Option<String> {
        let rules = self.bypasses.get(pod)?;
        let within = |ranges: &[String]| ranges.iter().any(|range| contains(range, destination.ip()));
        if rules.exclude_outbound_ports.contains(&destination.port()) {
            return Some(format!("port {}", destination.port()));
        }
        let included = rules.include_outbound_ranges.is_empty() || within(&rules.include_outbound_ranges);
        (!included || within(&rules.exclude_outbound_ranges)).then(|| destination.ip().to_string())
    }

    /// Whether callers reach a port of a pod past its sidecar.
    pub(super) fn is_open_door(&self, pod: &PodView, port: u16) -> bool {
        let rules = self.bypasses.get(&WorkloadName::new(&pod.namespace, &pod.name));
        rules.is_some_and(|rules| rules.exclude_inbound_ports.contains(&port))
    }

    fn service(&self, address: IpAddr) -> Option<&Value> {
        let address = address.to_string();
        self.services.iter().find(|service| text(service, "/spec/clusterIP") == address)
    }

    /// The service that has this address, but not the port.
    pub(super) fn lacks_port(&self, destination: SocketAddr) -> Option<String> {
        let service = self.service(destination.ip())?;
        port(service, destination.port()).is_none().then(|| name(service))
    }

    /// Where a call goes that no sidecar is in the way of.
    pub(super) fn plain(&self, destination: SocketAddr, report: &mut Report) -> Vec<Branch> {
        let endpoint = |address: SocketAddr| {
            let pod = self.pod_at(address.ip());
            Endpoint {
                address: address.to_string(),
                namespace: pod.map(|pod| pod.namespace.clone()).unwrap_or_default(),
                pod: pod.map(|pod| pod.name.clone()).unwrap_or_default(),
                workload: pod.map(|pod| pod.owner.clone()).unwrap_or_default(),
                candidate: true,
                health: "healthy".to_owned(),
                weight: 1,
                ..Endpoint::default()
            }
        };
        let mut branch = Branch { share: 100.0, ..Branch::default() };
        match self.service(destination.ip()) {
            None => branch.endpoints = vec![endpoint(destination)],
            Some(service) => {
                branch.service = name(service);
                branch.endpoints = self.ready(service, destination.port()).into_iter().map(endpoint).collect();
                if branch.endpoints.is_empty() && port(service, destination.port()).is_some() {
                    report.refusals.push(nowhere(format!("service {} has no ready pod", branch.service)));
                }
            }
        }
        vec![branch]
    }

    /// The ready endpoints of a service port.
    fn ready(&self, service: &Value, number: u16) -> Vec<SocketAddr> {
        let Some(port) = port(service, number) else { return Vec::new() };
        let named = text(port, "/name");
        let of_service = |slice: &&Value| {
            text(slice, "/metadata/namespace") == text(service, "/metadata/namespace")
                && text(slice, "/metadata/labels/kubernetes.io~1service-name") == text(service, "/metadata/name")
        };
        let mut ready = Vec::new();
        for slice in self.slices.iter().filter(of_service) {
            let numbers = list(slice, "/ports").iter().filter(|port| text(port, "/name") == named);
            let number = numbers.filter_map(|port| u16::try_from(port["port"].as_u64()?).ok()).next();
            let endpoints = list(slice, "/endpoints").iter();
            let endpoints = endpoints.filter(|it| it.pointer("/conditions/ready").is_none_or(|ready| ready != false));
            let addresses = endpoints.filter_map(|it| text(it, "/addresses/0").parse::<IpAddr>().ok());
            ready.extend(
                number
                    .into_iter()
                    .flat_map(|number| addresses.clone().map(move |address| SocketAddr::new(address, number))),
            );
        }
        ready
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> anyhow::Result<T> {
    serde_json::from_value(value.clone()).context("an object of the mesh is not understood")
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn name(object: &Value) -> String {
    format!("{}/{}", text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

/// A port of a service.
fn port(service: &Value, number: u16) -> Option<&Value> {
    list(service, "/spec/ports").iter().find(|port| port["port"] == number)
}

/// Whether a range of addresses, such as `10.0.0.0/8`, holds one.
fn contains(range: &str, address: IpAddr) -> bool {
    let (first, bits) = range.split_once('/').unwrap_or((range, "32"));
    match (first.parse(), bits.parse::<u32>(), address) {
        (Ok(IpAddr::V4(first)), Ok(bits), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            u32::from(first) & mask == u32::from(address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mesh() -> Mesh {
        let service = json!({
            "metadata": { "namespace": "shop", "name": "cart" },
            "spec": { "clusterIP": "10.96.0.7", "ports": [{ "name": "http", "port": 80 }] },
        });
        let slice = json!({
            "metadata": { "namespace": "shop", "labels": { "kubernetes.io/service-name": "cart" } },
            "ports": [{ "name": "http", "port": 8080 }],
            "endpoints": [
                { "addresses": ["10.244.0.2"], "conditions": { "ready": true } },
                { "addresses": ["10.244.0.3"], "conditions": { "ready": false } },
            ],
        });
        let rules = Interception {
            exclude_outbound_ports: vec![5432],
            exclude_outbound_ranges: vec!["192.168.0.0/16".into()],
            ..Interception::default()
        };
        let bypasses = [(WorkloadName::new("shop", "web"), rules)].into();
        Mesh { view: MeshView::default(), services: vec![service], slices: vec![slice], proxies: vec![], bypasses }
    }

    #[test]
    fn ready_endpoints_are_found_by_the_service() {
        let mesh = mesh();
        let address: IpAddr = "10.96.0.7".parse().unwrap();
        let service = mesh.service(address).unwrap();
        assert_eq!(mesh.ready(service, 80), ["10.244.0.2:8080".parse().unwrap()]);
        assert!(mesh.ready(service, 81).is_empty());
        assert_eq!(mesh.lacks_port(SocketAddr::new(address, 81)), Some("shop/cart".into()));
        assert_eq!(mesh.lacks_port(SocketAddr::new(address, 80)), None);
    }

    #[test]
    fn what_bypasses_a_sidecar_is_told() {
        let (mesh, web) = (mesh(), WorkloadName::new("shop", "web"));
        let why = |to: &str| mesh.bypasses(&web, to.parse().unwrap());
        assert_eq!(why("10.96.0.7:80"), None);
        assert_eq!(why("10.96.0.7:5432"), Some("port 5432".into()));
        assert_eq!(why("192.168.3.4:80"), Some("192.168.3.4".into()));
        assert!(contains("0.0.0.0/0", "1.2.3.4".parse().unwrap()) && !contains("x", "1.2.3.4".parse().unwrap()));
    }
}
