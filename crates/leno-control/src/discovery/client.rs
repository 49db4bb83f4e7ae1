//! Who is at the other end of a stream, and what it may see.

use std::time::SystemTime;

use leno_compiler::{Client as Agent, Kind, Scope};
use leno_model::{ServiceAccountName, Snapshot, SpiffeId, WorkloadName, resource_name};
use leno_proto::v3::core::Node;
use tonic::{
    Extensions, Status,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};

/// The longest node id that is taken; names of Kubernetes are shorter.
const NODE_ID: usize = 512;

/// A client of the discovery service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// For whom resources are compiled.
    pub(crate) scope: Scope,
    /// Who it has proved to be; `None` on the plaintext port, where every node is taken at its word.
    identity: Option<ServiceAccountName>,
}

impl Client {
    /// Whether it may see this resource: of inbound listeners only its own, of keys only those that it shows.
    pub(crate) fn may_see(&self, snapshot: &Snapshot, kind: Kind, name: &str) -> bool {
        if kind == Kind::Secret {
            // Nobody's word is taken for it: keys do not go over the plaintext port.
            let shows = |secret| self.identity.as_ref().is_some_and(|account| snapshot.shows_secret(account, &secret));
            return resource_name::parse_client_certificate(name).is_some_and(shows);
        }
        let own = kind == Kind::Listener && name == resource_name::INBOUND;
        let Some(identity) = self.identity.as_ref().filter(|_| own) else {
            return true;
        };
        // Asked each time: the workload may have come, or come anew as somebody else, since the stream opened.
        snapshot.workloads.get(&self.scope.workload).is_some_and(|workload| workload.service_account == *identity)
    }
}

/// Who a node is; over TLS its certificate has to say the same.
pub(super) fn admit(snapshot: &Snapshot, node: &Node, extensions: &Extensions) -> Result<Client, Status> {
    if node.id.len() > NODE_ID {
        return Err(Status::invalid_argument(format!(
            "node id has {} bytes, expected at most {NODE_ID}",
            node.id.len()
        )));
    }
    let client = Agent::of_user_agent(&node.user_agent_name);
    let workload = workload_name(&node.id);
    let Some(identity) = identity(extensions)? else {
        let workload = workload.unwrap_or_else(|| WorkloadName::new("", &node.id));
        return Ok(Client { scope: Scope { workload, client }, identity: None });
    };
    let workload = workload
        .ok_or_else(|| Status::invalid_argument(format!("node id is {:?}, expected NAMESPACE/POD", node.id)))?;
    check(snapshot, &workload, &identity)?;
    Ok(Client { scope: Scope { workload, client }, identity: Some(identity.service_account) })
}

/// Who has proved to be at the other end of a connection; `None` where it is in plaintext.
///
/// # Errors
/// When it is over TLS, and nobody has.
pub(crate) fn identity(extensions: &Extensions) -> Result<Option<SpiffeId>, Status> {
    extensions.get::<TlsConnectInfo<TcpConnectInfo>>().map(certified).transpose()
}

/// The identity in the certificate that the connection was made with. The handshake has verified it.
fn certified(tls: &TlsConnectInfo<TcpConnectInfo>) -> Result<SpiffeId, Status> {
    let chain = tls.peer_certs().unwrap_or_default();
    if chain.is_empty() {
        return Err(Status::unauthenticated("a client certificate is needed; ask the signing service for one"));
    }
    leno_tls::peer_identity(&chain).map_err(|error| Status::unauthenticated(error.to_string()))
}

/// When the certificate ends that the connection was made with.
pub(super) fn certificate_end(extensions: &Extensions) -> Option<SystemTime> {
    let tls = extensions.get::<TlsConnectInfo<TcpConnectInfo>>()?;
    let chain = tls.peer_certs()?;
    let (_, not_after) = leno_tls::svid::validity(chain.first()?).ok()?;
    Some(not_after)
}

fn check(snapshot: &Snapshot, workload: &WorkloadName, identity: &SpiffeId) -> Result<(), Status> {
    let denied = |what: String| Err(Status::permission_denied(what));
    if identity.trust_domain != snapshot.mesh.trust_domain {
        return denied(format!("{identity} is not of trust domain {}", snapshot.mesh.trust_domain));
    }
    if identity.service_account.namespace != workload.namespace {
        return denied(format!("{identity} cannot be workload {workload}"));
    }
    // A workload that is not known yet may be so in a moment: proxies start while their pods are written down. It is
    // told nothing of its own until then (`may_see`).
    match snapshot.workloads.get(workload) {
        Some(known) if known.service_account != identity.service_account => {
            denied(format!("workload {workload} runs as {}, not as {identity}", known.service_account))
        }
        Some(_) | None => Ok(()),
    }
}

/// The workload that a node id of the form `NAMESPACE/POD` names.
pub(crate) fn workload_name(node_id: &str) -> Option<WorkloadName> {
    let (namespace, name) = node_id.split_once('/')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains('/')).then(|| WorkloadName::new(namespace, name))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use leno_model::{
        ObjectRef, Protocol, SecretName, Service, ServiceName, ServicePort, TrustDomain, Workload,
        policy::{
            TrafficPolicy, TrafficSettings,
            traffic::{ClientCertificate, Roots, TlsOrigination, TlsVersions, UpstreamTls},
        },
    };

    use super::*;

    fn snapshot() -> Snapshot {
        let workload = Workload {
            name: WorkloadName::new("shop", "cart-1"),
            addresses: Vec::new(),
            service_account: ServiceAccountName::new("shop", "cart"),
            owner: "cart".into(),
            labels: BTreeMap::new(),
            meshed: true,
        };
        let mut snapshot = Snapshot::default();
        snapshot.workloads.insert(workload.name.clone(), Arc::new(workload));
        snapshot
    }

    fn id(domain: &str, namespace: &str, name: &str) -> SpiffeId {
        SpiffeId::new(TrustDomain::new(domain).unwrap(), ServiceAccountName::new(namespace, name))
    }

    #[test]
    fn a_certificate_has_to_be_that_of_the_workload() {
        let snapshot = snapshot();
        let (cart, new) = (WorkloadName::new("shop", "cart-1"), WorkloadName::new("shop", "new-1"));
        assert!(check(&snapshot, &cart, &id("cluster.local", "shop", "cart")).is_ok());
        assert!(check(&snapshot, &new, &id("cluster.local", "shop", "new")).is_ok(), "not known yet");
        let error = |workload, id| check(&snapshot, workload, &id).unwrap_err().message().to_owned();
        assert_eq!(
            error(&cart, id("cluster.local", "shop", "thief")),
            "workload shop/cart-1 runs as shop/cart, not as spiffe://cluster.local/ns/shop/sa/thief"
        );
        assert!(error(&cart, id("cluster.local", "other", "cart")).contains("cannot be workload"));
        assert!(error(&cart, id("elsewhere", "shop", "cart")).contains("not of trust domain"));
    }

    #[test]
    fn only_the_own_inbound_listener_is_seen() {
        let snapshot = snapshot();
        let client = |account: &str| Client {
            scope: Scope { workload: WorkloadName::new("shop", "cart-1"), client: Agent::Leno },
            identity: Some(ServiceAccountName::new("shop", account)),
        };
        assert!(client("cart").may_see(&snapshot, Kind::Listener, "inbound"));
        assert!(!client("thief").may_see(&snapshot, Kind::Listener, "inbound"));
        assert!(client("thief").may_see(&snapshot, Kind::Listener, "outbound"));
        assert!(!client("cart").may_see(&Snapshot::default(), Kind::Listener, "inbound"), "not known yet");
    }

    #[test]
    fn keys_are_seen_by_those_who_show_them_and_have_proved_who_they_are() {
        let mut snapshot = snapshot();
        let secret = SecretName::new("shop", "pay");
        let tls = UpstreamTls::Simple(TlsOrigination {
            roots: Roots::System,
            server_name: None,
            names: Vec::new(),
            versions: TlsVersions::default(),
            client_certificate: Some(ClientCertificate::Secret(secret)),
        });
        let service = ServiceName::new("shop", "pay");
        let port = ServicePort { name: String::new(), port: 80, protocol: Protocol::Http };
        let made = Service {
            name: service.clone(),
            cluster_ips: Vec::new(),
            ports: vec![port],
            endpoints: BTreeMap::new(),
            nearness: None,
        };
        snapshot.services.insert(service.clone(), Arc::new(made));
        let policy = TrafficPolicy {
            origin: ObjectRef::new("TrafficPolicy", "shop", "pay"),
            part: None,
            callers: vec![ServiceAccountName::new("shop", "cart")],
            settings: TrafficSettings { tls: Some(tls), ..TrafficSettings::default() },
        };
        snapshot.traffic_policies.insert(service, Arc::new(vec![policy]));
        let client = |account: Option<&str>| Client {
            scope: Scope { workload: WorkloadName::new("shop", "cart-1"), client: Agent::Leno },
            identity: account.map(|account| ServiceAccountName::new("shop", account)),
        };
        let name = "client-certificate/shop/pay";
        assert!(client(Some("cart")).may_see(&snapshot, Kind::Secret, name));
        assert!(!client(Some("thief")).may_see(&snapshot, Kind::Secret, name), "the policy is not for it");
        assert!(!client(None).may_see(&snapshot, Kind::Secret, name), "it has not proved who it is");
        assert!(!client(Some("cart")).may_see(&snapshot, Kind::Secret, "client-certificate/shop/other"));
    }

    #[test]
    fn node_ids_name_workloads() {
        assert_eq!(workload_name("shop/cart-1"), Some(WorkloadName::new("shop", "cart-1")));
        for other in ["", "shop", "/cart", "shop/", "a/b/c"] {
            assert_eq!(workload_name(other), None, "{other}");
        }
    }
}
