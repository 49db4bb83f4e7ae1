//! Configuration from a control plane over real TLS, and a certificate from it.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use leno_proto::v3::core::Node;
use leno_proxy::{
    config::SlotState,
    discovery::{Lookup, cache::Cache, control_plane::ControlPlane, run::Discovery, store::Store},
    identity::{Credentials, renew},
};
use leno_runtime::task;
use leno_xds::{
    ResourceType,
    client::{self, Backoff, Config},
};
use tokio::task::JoinHandle;

use crate::support::{
    control::{Control, base, eds_cluster, load_assignment, tcp_listener},
    id, run, until,
};

const LONG: Duration = Duration::from_secs(5);

/// The control thread's part of a sidecar.
struct Agent {
    lookup: Lookup,
    credentials: Arc<Credentials>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn agent(control: &Control, state: Option<&Path>) -> Agent {
    let plane = ControlPlane {
        address: control.address.to_string(),
        name: "leno-control".into(),
        ca_file: control.ca_file(),
        mark: None,
    };
    let credentials = Arc::<Credentials>::default();
    let store = Store::new(Arc::clone(&credentials), plane.clone());
    let (lookup, questions) = Lookup::new(Arc::clone(store.inbound()), Arc::clone(store.outbound()));
    let discovery = Discovery::new(store, Cache::open(state).unwrap());
    let (of, who) = (plane.clone(), Arc::clone(&credentials));
    let connector = move || -> futures_util::future::BoxFuture<'static, _> {
        let (of, who) = (of.clone(), Arc::clone(&who));
        Box::pin(async move { of.channel(Some(who.wait().await)) })
    };
    let backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(100));
    let node = Node { id: "test/client-1".into(), ..Node::default() };
    let manner = client::Manner::default();
    let config = Config { node, connector: Arc::new(connector), backoff, held: Vec::new(), manner };
    let handler = discovery.clone();
    let (handle, client) = client::client(config, move |update| handler.apply(update));
    let connect = move || plane.channel(None);
    let tasks = vec![
        task::spawn(renew::run(Arc::clone(&credentials), connect, control.token_file(), id("client"), "client".into())),
        task::spawn(client.run()),
        task::spawn(discovery.follow(handle, questions)),
    ];
    Agent { lookup, credentials, tasks }
}

#[test]
fn a_certificate_is_had_and_renewed_at_half_its_life() {
    run(async {
        let control = Control::start("client", Duration::from_secs(3)).await;
        let agent = agent(&control, None);
        let first = agent.credentials.wait().await.svid();
        assert_eq!(first.id(), &id("client"));
        until(|| control.signed() >= 2 && !Arc::ptr_eq(&first, &agent.credentials.identity().unwrap().svid())).await;
        assert_eq!(agent.credentials.failed(), 0);
    });
}

#[test]
fn a_refused_token_is_counted_and_tried_again() {
    run(async {
        let control = Control::start("client", Duration::from_secs(3600)).await;
        std::fs::write(control.token_file(), "wrong").unwrap();
        let agent = agent(&control, None);
        until(|| agent.credentials.failed() == 1).await;
        std::fs::write(control.token_file(), "the-token").unwrap();
        agent.credentials.wait().await;
    });
}

#[test]
fn a_destination_is_asked_for_when_it_is_first_dialled() {
    run(async {
        let control = Control::start("client", Duration::from_secs(3600)).await;
        base(&control);
        let agent = agent(&control, None);
        let inbound = agent.lookup.inbound().known(LONG).await.unwrap();
        assert!(inbound.is_some());
        assert!(agent.lookup.outbound().known(LONG).await.unwrap().is_some());

        let unknown = agent.lookup.destination("10.96.0.99:80".parse().unwrap()).await.unwrap();
        assert!(unknown.known(LONG).await.unwrap().is_none(), "the control plane says that it is not there");

        let name = "outbound/test/echo:80";
        let endpoints: Vec<SocketAddr> = vec!["10.244.0.9:80".parse().unwrap()];
        control.set(ResourceType::Cluster, name, &eds_cluster(name));
        control.set(ResourceType::Endpoint, name, &load_assignment(name, &endpoints));
        control.set(ResourceType::Listener, "outbound/10.96.0.7:80", &tcp_listener("outbound/10.96.0.7:80", name));
        let known = agent.lookup.destination("10.96.0.7:80".parse().unwrap()).await.unwrap();
        assert!(known.known(LONG).await.unwrap().is_some());
        // In use only once all that it refers to is.
        let snapshot = agent.lookup.snapshot().await.unwrap();
        let cluster = snapshot.clusters.iter().find(|slot| &**slot.name() == name).unwrap();
        assert_eq!(cluster.state(), SlotState::Ready);
        let found = cluster.get().unwrap().endpoints("10.96.0.7:80".parse().unwrap()).await;
        assert_eq!(found.endpoints[0].address, endpoints[0]);
        // A service that is deleted is unknown again.
        control.remove(ResourceType::Listener, "outbound/10.96.0.7:80");
        until(|| known.state() == SlotState::Absent).await;
    });
}

#[test]
fn a_refused_resource_leaves_the_last_good_one_in_use() {
    run(async {
        let control = Control::start("client", Duration::from_secs(3600)).await;
        base(&control);
        let agent = agent(&control, None);
        let before = agent.lookup.inbound().known(LONG).await.unwrap().unwrap();
        let mut broken = tcp_listener("inbound", "inbound");
        broken.default_filter_chain.as_mut().unwrap().filters[0].name = "no.such.filter".into();
        broken.default_filter_chain.as_mut().unwrap().filters[0].config_type = None;
        control.set(ResourceType::Listener, "inbound", &broken);
        until(|| !control.refused().is_empty()).await;
        let refused = control.refused().remove(0);
        assert!(refused.contains("inbound") && refused.contains("filter"), "{refused}");
        assert!(Arc::ptr_eq(&before, &agent.lookup.inbound().get().unwrap()));
        assert_eq!(agent.lookup.snapshot().await.unwrap().rejected.len(), 1);
        control.set(ResourceType::Listener, "inbound", &tcp_listener("inbound", "passthrough"));
        until(|| !Arc::ptr_eq(&before, &agent.lookup.inbound().get().unwrap())).await;
        assert_eq!(agent.lookup.snapshot().await.unwrap().rejected.len(), 0);
    });
}

#[test]
fn nobody_waits_for_a_cluster_that_was_refused() {
    run(async {
        let control = Control::start("client", Duration::from_secs(3600)).await;
        base(&control);
        let agent = agent(&control, None);
        let name = "outbound/test/echo:80";
        let mut broken = eds_cluster(name);
        broken.alt_stat_name = "other".into();
        broken.cluster_discovery_type = None;
        broken.lrs_report_endpoint_metrics = vec!["cpu".into()];
        control.set(ResourceType::Cluster, name, &broken);
        control.set(ResourceType::Listener, "outbound/10.96.0.7:80", &tcp_listener("outbound/10.96.0.7:80", name));
        let slot = agent.lookup.destination("10.96.0.7:80".parse().unwrap()).await.unwrap();
        let listener = slot.known(LONG).await.unwrap().unwrap();
        until(|| !control.refused().is_empty()).await;
        let snapshot = agent.lookup.snapshot().await.unwrap();
        let cluster = snapshot.clusters.iter().find(|slot| &**slot.name() == name).unwrap();
        until(|| cluster.state() == SlotState::Absent).await;
        // A good one is used as soon as it comes.
        control.set(ResourceType::Cluster, name, &eds_cluster(name));
        control.set(ResourceType::Endpoint, name, &load_assignment(name, &[]));
        until(|| cluster.state() == SlotState::Ready).await;
        drop(listener);
    });
}

#[test]
fn what_was_known_is_used_after_a_restart_without_control_plane() {
    run(async {
        let mut control = Control::start("client", Duration::from_secs(3600)).await;
        base(&control);
        let name = "outbound/test/echo:80";
        let destination: SocketAddr = "10.96.0.7:80".parse().unwrap();
        control.set(ResourceType::Cluster, name, &eds_cluster(name));
        control.set(ResourceType::Endpoint, name, &load_assignment(name, &[]));
        control.set(ResourceType::Listener, "outbound/10.96.0.7:80", &tcp_listener("outbound/10.96.0.7:80", name));
        let state = tempfile::tempdir().unwrap();
        let first = agent(&control, Some(state.path()));
        let slot = first.lookup.destination(destination).await.unwrap();
        assert!(slot.known(LONG).await.unwrap().is_some());
        control.stop().await;
        drop((first, slot));

        let second = agent(&control, Some(state.path()));
        let slot = second.lookup.destination(destination).await.unwrap();
        assert!(slot.known(LONG).await.unwrap().is_some());
        assert!(second.lookup.inbound().known(LONG).await.unwrap().is_some());
        // Back again: changes arrive.
        control.set(
            ResourceType::Listener,
            "outbound/10.96.0.7:80",
            &tcp_listener("outbound/10.96.0.7:80", "passthrough"),
        );
        let before = slot.get().unwrap();
        control.resume().await;
        until(|| !Arc::ptr_eq(&before, &slot.get().unwrap())).await;
    });
}
