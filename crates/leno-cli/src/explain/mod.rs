//! What `leno explain` does: who is meant is found out as the caller's own DNS would, then the caller's sidecar is asked what
//! it would do with the request, then the sidecars of those who might get it.
//!
//! ```text
//! --from ─► pod ─┐
//! --to ─► DNS ───┴► the caller's sidecar ─► where it may go, endpoints ─► the server's sidecar, one of each workload
//! ```

mod mesh;
pub(crate) mod show;

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, bail};
use leno_api::{
    explain::{Branch, Endpoint, Explanation, Payload, Question, Refusal, Way},
    runner::{PodView, Resolved},
};
use leno_model::WorkloadName;
use serde::Serialize;

use self::mesh::Mesh;
use crate::{
    client::{Client, query},
    cmd::find_pod,
};

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Who calls.
    pub(crate) from: String,
    /// The host that is called, as the caller names it.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// What is sent.
    pub(crate) payload: Payload,
}

/// What becomes of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Who calls, `namespace/pod`.
    pub(crate) from: String,
    /// The host that is called, as the caller names it, with the port.
    pub(crate) to: String,
    /// What the host means.
    pub(crate) resolved: Resolved,
    /// What is sent.
    pub(crate) request: Payload,
    /// What is good to know, a sentence each.
    pub(crate) notes: Vec<String>,
    /// What the caller's sidecar does; `None`: none is in the way.
    pub(crate) caller: Option<Explanation>,
    /// Where it may go.
    pub(crate) places: Vec<Place>,
    /// What is refused before it goes anywhere.
    pub(crate) refusals: Vec<Refusal>,
    /// The share of such requests that reach an endpoint, in per cent.
    pub(crate) reaches: f64,
}

/// A place that it may go to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Place {
    /// As the caller's sidecar has it.
    #[serde(flatten)]
    pub(crate) branch: Branch,
    /// Who answers there, one of each workload.
    pub(crate) servers: Vec<Server>,
}

/// Instances of a workload that may get it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Server {
    /// The one that was asked, `namespace/pod`, or an address.
    pub(crate) pod: String,
    /// How many there are like it.
    pub(crate) instances: usize,
    /// What its sidecar does; `None`: none is in the way.
    pub(crate) explanation: Option<Explanation>,
    /// What keeps it from being asked at all.
    pub(crate) refusals: Vec<Refusal>,
    /// What is good to know; may be empty.
    pub(crate) note: String,
}

impl Report {
    /// Whether all such requests reach an endpoint.
    pub(crate) fn reaches_all(&self) -> bool {
        self.reaches > 99.999
    }
}

/// Finds out what becomes of it.
///
/// # Errors
/// When nothing can be said: there is no such mesh, pod or name, or a sidecar does not answer.
pub(crate) async fn explain(client: &Client, asked: Asked) -> anyhow::Result<Report> {
    let from = find_pod(client, None, &asked.from).await?;
    let mesh = Mesh::read(client).await?;
    let pod = mesh.pod(&from.namespace, &from.name).context("the caller is gone")?;
    let source: IpAddr = pod.ip.parse().with_context(|| format!("pod {from} has no address yet"))?;
    let resolved = resolve(client, &from.namespace, &asked.host).await?;
    let mut report = Report {
        from: from.to_string(),
        to: format!("{}:{}", asked.host, asked.port),
        request: asked.payload.clone(),
        notes: Vec::new(),
        caller: None,
        places: Vec::new(),
        refusals: Vec::new(),
        reaches: 0.0,
        resolved,
    };
    let Some(address) = report.resolved.addresses.first().copied() else {
        report.refusals.push(nowhere(format!(
            "{} has no address: {}",
            report.resolved.name,
            mesh.nameless(&report.resolved.name)
        )));
        return Ok(report);
    };
    if report.resolved.addresses.len() > 1 {
        let others = report.resolved.addresses.len() - 1;
        report
            .notes
            .push(format!("{} has {others} more addresses; this is what becomes of a call to {address}", report.to));
    }
    let destination = SocketAddr::new(address.into(), asked.port);
    let caller = Caller { client, mesh: &mesh, source, destination };
    let (branches, identity) = caller.branches(&from, pod, &mut report).await?;
    if let Some(service) = mesh.lacks_port(destination) {
        report.refusals.push(nowhere(format!("service {service} has no port {}", asked.port)));
    }
    if !report.refusals.iter().any(Refusal::is_whole) {
        for branch in branches {
            report.places.push(caller.place(branch, identity.as_deref(), &asked.payload).await?);
        }
    }
    report.reaches = reaches(&report);
    Ok(report)
}

/// What a host means to pods of a namespace.
async fn resolve(client: &Client, namespace: &str, host: &str) -> anyhow::Result<Resolved> {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(Resolved { name: host.to_owned(), addresses: vec![address] }),
        Ok(IpAddr::V6(_)) => bail!("{host}: pods have IPv4 addresses only"),
        Err(_) => client.get(&format!("/v1/resolve/{}/{}", query(namespace), query(host))).await,
    }
}

/// What is sent nowhere at all.
pub(crate) fn nowhere(detail: String) -> Refusal {
    Refusal { share: 100.0, flag: "-".to_owned(), detail, ..Refusal::default() }
}

/// The share that a list of refusals leaves, 0 to 1.
fn left(refusals: &[Refusal]) -> f64 {
    refusals.iter().map(|refusal| 1.0 - refusal.share / 100.0).product()
}

/// The share that reaches an endpoint, in per cent.
fn reaches(report: &Report) -> f64 {
    let server =
        |server: &Server| left(&server.refusals) * server.explanation.as_ref().map_or(1.0, |it| it.passes() / 100.0);
    let place = |place: &Place| {
        let (mut reached, mut all) = (0.0, 0.0);
        for one in &place.servers {
            #[expect(clippy::cast_precision_loss, reason = "a number of pods")]
            let instances = one.instances as f64;
            reached += instances * server(one);
            all += instances;
        }
        let servers = if all > 0.0 { reached / all } else { 0.0 };
        place.branch.share * left(&place.branch.refusals) * servers
    };
    report.places.iter().map(place).sum::<f64>() * left(&report.refusals)
}

/// A call whose ends are known.
struct Caller<'a> {
    client: &'a Client,
    mesh: &'a Mesh,
    source: IpAddr,
    destination: SocketAddr,
}

impl Caller<'_> {
    /// Where it may go, and the identity that the caller proves; what else is known of it is added to the report.
    async fn branches(
        &self,
        from: &WorkloadName,
        pod: &PodView,
        report: &mut Report,
    ) -> anyhow::Result<(Vec<Branch>, Option<String>)> {
        let plain = match self.mesh.bypasses(from, self.destination) {
            _ if !pod.meshed => Some(format!("{from} has no sidecar ({})", pod.mesh_reason)),
            Some(what) => Some(format!("{what} bypasses the sidecar of {from}")),
            None => None,
        };
        if let Some(why) = plain {
            report.notes.push(format!("{why}: it calls in plaintext, as on any cluster"));
            return Ok((self.mesh.plain(self.destination, report), None));
        }
        let explanation = self.ask_caller(from, &report.request).await?;
        let behind = self.mesh.behind(&from.namespace, &from.name);
        report.notes.extend(behind.map(|behind| format!("the sidecar of {from} {behind}")));
        report.refusals.extend(explanation.refusals.iter().cloned());
        let (branches, identity) = (explanation.branches.clone(), explanation.identity.clone());
        report.caller = Some(explanation);
        Ok((branches, Some(identity)))
    }

    /// What the caller's sidecar does.
    async fn ask_caller(&self, from: &WorkloadName, payload: &Payload) -> anyhow::Result<Explanation> {
        let question = Question {
            way: Way::Outbound,
            destination: self.destination,
            source: self.source,
            payload: payload.clone(),
        };
        self.ask(&from.namespace, &from.name, &question).await
    }

    async fn ask(&self, namespace: &str, pod: &str, question: &Question) -> anyhow::Result<Explanation> {
        let path = format!("/v1/explain/{namespace}/{pod}");
        self.client.post(&path, question).await.with_context(|| format!("ask the sidecar of {namespace}/{pod}"))
    }

    /// Who answers at a place: of each workload one is asked.
    async fn place(&self, branch: Branch, identity: Option<&str>, payload: &Payload) -> anyhow::Result<Place> {
        let mut workloads: Vec<(&Endpoint, usize)> = Vec::new();
        for endpoint in branch.endpoints.iter().filter(|endpoint| endpoint.candidate) {
            let alike = |(first, _): &&mut (&Endpoint, usize)| {
                let named = !endpoint.workload.is_empty();
                named
                    && first.namespace == endpoint.namespace
                    && first.workload == endpoint.workload
                    && first.identities == endpoint.identities
            };
            match workloads.iter_mut().find(alike) {
                Some((_, instances)) => *instances += 1,
                None => workloads.push((endpoint, 1)),
            }
        }
        // The request as it is sent on.
        let payload = branch.request.clone().map_or_else(|| payload.clone(), Payload::Http);
        let mut servers = Vec::new();
        if !branch.refusals.iter().any(Refusal::is_whole) {
            for (endpoint, instances) in workloads {
                let server = self.server(endpoint, identity, &payload).await?;
                servers.push(Server { instances, ..server });
            }
        }
        Ok(Place { branch, servers })
    }

    /// What happens at an endpoint.
    async fn server(&self, endpoint: &Endpoint, identity: Option<&str>, payload: &Payload) -> anyhow::Result<Server> {
        let address: SocketAddr = endpoint.address.parse().context("the address of an endpoint")?;
        let mut server = Server {
            pod: endpoint.address.clone(),
            instances: 1,
            explanation: None,
            refusals: Vec::new(),
            note: String::new(),
        };
        let Some(pod) = self.mesh.pod_at(address.ip()) else {
            server.note = "is outside the mesh: the connection is passed on as it is".to_owned();
            return Ok(server);
        };
        server.pod = format!("{}/{}", pod.namespace, pod.name);
        if !pod.meshed {
            server.note = "has no sidecar: its application gets it in plaintext".to_owned();
            return Ok(server);
        }
        if self.mesh.is_open_door(pod, address.port()) {
            server.note = format!("port {} bypasses its sidecar: its application gets it as it is", address.port());
            return Ok(server);
        }
        let identity = identity.filter(|_| !endpoint.identities.is_empty()).map(str::to_owned);
        let question = Question {
            way: Way::Inbound { identity },
            destination: address,
            source: self.source,
            payload: payload.clone(),
        };
        let explanation = self.ask(&pod.namespace, &pod.name, &question).await?;
        if !endpoint.identities.is_empty() && !endpoint.identities.contains(&explanation.identity) {
            let expected = endpoint.identities.join(" or ");
            server.refusals.push(Refusal {
                status: 503,
                flag: "UF".to_owned(),
                reason: "upstream_identity".to_owned(),
                ..nowhere(format!("it proves {}, and the caller expects {expected}", explanation.identity))
            });
        }
        server.explanation = Some(explanation);
        server.note = self.mesh.behind(&pod.namespace, &pod.name).unwrap_or_default().to_owned();
        Ok(server)
    }
}
