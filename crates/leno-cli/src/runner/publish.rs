//! Ports of the host that lead to services: annotation `leno.dev/publish`.
//!
//! As `kubectl port-forward` does, a connection enters the pod's own network and so comes to the application past the
//! sidecar: it is a person at the desk who looks, not a workload with an identity that policy could speak of.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use leno_api::runner::Happening;
use leno_manifest::{
    annotation::{PUBLISH, items, published},
    core::{Service, service::ServicePort},
};
use leno_model::{Protocol, ServiceName};
use leno_runtime::task::spawn;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{
    Runner,
    controller::endpoint_slice::{is_behind, target},
};
use crate::sandbox::{self, Published};

/// What opens ports of the host.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    open: BTreeMap<(ServiceName, u16), Open>,
    /// What was told not to work, so that it is told once.
    failed: BTreeMap<(ServiceName, u16), u16>,
}

/// An open port of the host.
#[derive(Debug)]
struct Open {
    port: u16,
    published: Published,
    relay: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

impl Publisher {
    /// Opens and closes ports until they are what the services ask for.
    pub(crate) async fn show(&mut self, runner: &Arc<Runner>) {
        let wanted: BTreeMap<(ServiceName, u16), ServicePort> = runner.read(|state| {
            let services = state.services.iter();
            services
                .flat_map(|(name, service)| wanted(service).map(move |(host, port)| ((name.clone(), host), port)))
                .collect()
        });
        let before = self.open.len();
        self.open.retain(|key, open| wanted.get(key).is_some_and(|port| port.port == open.port));
        self.failed.retain(|key, port| wanted.get(key).is_some_and(|wanted| wanted.port == *port));
        let mut has_changed = self.open.len() != before;
        for ((service, host), port) in wanted {
            let key = (service.clone(), host);
            if self.open.contains_key(&key) || self.failed.contains_key(&key) {
                continue;
            }
            has_changed = true;
            match publish(runner, &service, host, port.port).await {
                Ok(open) => {
                    let url = url(open.published.address(), &port);
                    runner.events.tell(Happening::Published { service: service.to_string(), url });
                    self.open.insert(key, open);
                }
                Err(error) => {
                    runner.events.warn(format!("service {service}: port {host} of the host cannot be opened: {error}"));
                    self.failed.insert(key, port.port);
                }
            }
        }
        if has_changed {
            runner.write(|state| {
                state.published.clear();
                for ((service, _), open) in &self.open {
                    let port = state.services.get(service).and_then(|it| port_numbered(it, open.port)).cloned();
                    let url = url(open.published.address(), &port.unwrap_or_default());
                    state.published.entry(service.clone()).or_default().push(url);
                }
            });
        }
    }
}

fn port_numbered(service: &Service, number: u16) -> Option<&ServicePort> {
    service.spec.ports.iter().find(|port| port.port == number)
}

/// The ports of the host that a service asks for, each with its own port.
fn wanted(service: &Service) -> impl Iterator<Item = (u16, ServicePort)> {
    let text = service.metadata.annotations.get(PUBLISH).map(String::as_str).unwrap_or_default();
    let one = |item: &str| {
        let (host, name) = published(item)?;
        let mut ports = service.spec.ports.iter();
        let port = match name {
            None => ports.next(),
            Some(name) => ports.find(|port| port.name == name || port.port.to_string() == name),
        };
        Some((host, port?.clone()))
    };
    items(text).filter_map(one).collect::<Vec<_>>().into_iter()
}

fn url(address: SocketAddr, port: &ServicePort) -> String {
    match Protocol::declared(port.app_protocol.as_deref(), &port.name) {
        Protocol::Http | Protocol::Http2 | Protocol::Detect => format!("http://{address}"),
        Protocol::Tcp | Protocol::Udp => address.to_string(),
    }
}

async fn publish(runner: &Arc<Runner>, service: &ServiceName, host: u16, port: u16) -> Result<Open, String> {
    // On the mesh's own loopback, which no pod can reach.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| error.to_string())?;
    let inside = listener.local_addr().map_err(|error| error.to_string())?;
    let target = SocketAddrV4::new(Ipv4Addr::LOCALHOST, inside.port());
    let published = runner.sandbox.publish((Ipv4Addr::LOCALHOST, host).into(), target).await;
    let published = published.map_err(|error| crate::output::chain(&error))?;
    let relay = spawn(serve(Arc::clone(runner), service.clone(), port, listener));
    Ok(Open { port, published, relay })
}

async fn serve(runner: Arc<Runner>, service: ServiceName, port: u16, listener: TcpListener) {
    let turn = Arc::new(AtomicUsize::new(0));
    while let Ok((stream, _)) = listener.accept().await {
        let (service, turn) = (service.clone(), Arc::clone(&turn));
        runner.spawn(move |runner| async move {
            // Whoever was not answered sees the end of the connection.
            relay(&runner, &service, port, stream, turn.fetch_add(1, Ordering::Relaxed)).await.ok();
        });
    }
}

async fn relay(runner: &Runner, service: &ServiceName, port: u16, mut from: TcpStream, turn: usize) -> io::Result<()> {
    let mut to = connect(runner, service, port, turn).await?;
    from.set_nodelay(true)?;
    to.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut from, &mut to).await.map(drop)
}

/// A connection to an instance that is ready, from inside its pod.
async fn connect(runner: &Runner, service: &ServiceName, port: u16, turn: usize) -> io::Result<TcpStream> {
    let instances: Vec<(Arc<sandbox::Pod>, SocketAddr)> = runner.read(|state| {
        let Some(service) = state.services.get(service) else { return Vec::new() };
        let Some(port) = port_numbered(service, port) else { return Vec::new() };
        let takes = |record: &&super::pods::PodRecord| {
            is_behind(service, &record.pod) && record.is_ready() && !record.is_terminating()
        };
        let instance = |record: &super::pods::PodRecord| {
            let place = record.place.clone()?;
            Some((place, (record.address, target(port, &record.pod)?).into()))
        };
        state.pods.values().filter(takes).filter_map(instance).collect()
    });
    let Some((place, address)) = instances.get(turn % instances.len().max(1)) else {
        return Err(io::ErrorKind::ConnectionRefused.into());
    };
    place.connect(*address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_names_ports_of_the_host_and_of_the_service() {
        let service = |text: &str| -> Service {
            serde_json::from_value(serde_json::json!({
                "metadata": {"name": "cart", "namespace": "shop", "annotations": {PUBLISH: text}},
                "spec": {"ports": [{"name": "http", "port": 80}, {"name": "admin", "port": 81}]}
            }))
            .unwrap()
        };
        let ports = |text| wanted(&service(text)).map(|(host, port)| (host, port.port)).collect::<Vec<_>>();
        assert_eq!(ports("8080"), [(8080, 80)]);
        assert_eq!(ports("8080:admin"), [(8080, 81)]);
        assert_eq!(ports("8080, 8081:81"), [(8080, 80), (8081, 81)]);
        assert_eq!(ports("8080:other"), []);
    }
}
