//! Every proxy, and whether it has what it should have.

use std::collections::BTreeMap;

use leno_api::control::{ProxyStatus, Refusal, TypeStatus};
use leno_model::{Workload, WorkloadName};
use leno_xds::server::{Flavour, ResourceSource as _, StreamStatus};

use super::seconds;
use crate::{discovery::workload_name, wire::Control};

/// Every meshed workload and every other client that is connected, sorted by namespace and pod.
pub(super) fn list(control: &Control) -> Vec<ProxyStatus> {
    let snapshot = control.mesh.snapshot();
    // A change that the source has seen, but that is still being gathered, is in force nowhere.
    let lagging = control.statuses.borrow().version != snapshot.version;
    let position = control.mesh.feed().position();
    let mut proxies: BTreeMap<WorkloadName, ProxyStatus> = BTreeMap::new();
    for workload in snapshot.workloads.values().filter(|workload| workload.meshed) {
        proxies.insert(workload.name.clone(), absent(control, workload));
    }
    // Streams are in the order in which they opened: a proxy's last one counts.
    for stream in control.ads.board().streams() {
        let name = workload_name(&stream.node.id).unwrap_or_else(|| WorkloadName::new("", &stream.node.id));
        let proxy = proxies.entry(name.clone()).or_insert_with(|| stranger(&name, &stream));
        connected(proxy, &stream, lagging || stream.seen < position);
    }
    proxies.into_values().collect()
}

fn absent(control: &Control, workload: &Workload) -> ProxyStatus {
    ProxyStatus {
        namespace: workload.name.namespace.clone(),
        pod: workload.name.name.clone(),
        workload: workload.owner.clone(),
        service_account: workload.service_account.name.clone(),
        agent: "leno-proxy".into(),
        stale: true,
        certificate_expires: control.expiries.of(&workload.name).map(seconds),
        ..ProxyStatus::default()
    }
}

fn stranger(name: &WorkloadName, stream: &StreamStatus) -> ProxyStatus {
    ProxyStatus {
        namespace: name.namespace.clone(),
        pod: name.name.clone(),
        workload: stream.node.cluster.clone(),
        ..ProxyStatus::default()
    }
}

fn connected(proxy: &mut ProxyStatus, stream: &StreamStatus, behind: bool) {
    proxy.agent.clone_from(&stream.node.user_agent_name);
    proxy.connected = true;
    proxy.connected_since = Some(seconds(stream.connected_at));
    proxy.protocol = match stream.flavour {
        Flavour::Delta => "delta".into(),
        Flavour::StateOfTheWorld => "sotw".into(),
    };
    proxy.types = stream.types.iter().map(of_type).collect();
    proxy.refusing = proxy.types.iter().any(|of_type| of_type.error.is_some());
    proxy.stale = behind || proxy.refusing || proxy.types.iter().any(|of_type| of_type.pending);
}

fn of_type(status: &leno_xds::server::TypeStatus) -> TypeStatus {
    let refusal = status.refused.as_ref().map(|refused| Refusal {
        version: refused.version.clone(),
        message: refused.message.clone(),
        at: seconds(refused.at),
    });
    TypeStatus {
        resource_type: status.resource_type.to_string(),
        names: status.names,
        wildcard: status.wildcard,
        pending: status.pending,
        version_sent: status.sent.as_ref().map(|sent| sent.version.clone()),
        sent_at: status.sent.as_ref().map(|sent| seconds(sent.at)),
        version_acknowledged: status.acknowledged.as_ref().map(|acknowledged| acknowledged.version.clone()),
        acknowledged_at: status.acknowledged.as_ref().map(|acknowledged| seconds(acknowledged.at)),
        error: refusal,
    }
}
