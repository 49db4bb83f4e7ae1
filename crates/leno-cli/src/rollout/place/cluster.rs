//! An object of a cluster, through its API server.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt as _, stream};
use leno_api::runner::{Calls, Replaced};
use leno_inject::SIDECAR_CONTAINER;
use leno_kube::{Cluster, Error};
use leno_manifest::Kind;
use leno_model::ServiceName;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::{NotReplaced, PATIENCE, Place};
use crate::{runner::pod::sidecar::STATUS_PORT, totals};

/// How many sidecars are asked at a time.
const AT_ONCE: usize = 16;
/// How long one may take to answer.
const SIDECAR: Duration = Duration::from_secs(5);
/// The label that names the service of an EndpointSlice.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// An object of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct InCluster {
    /// The cluster.
    pub(crate) cluster: Cluster,
    /// The object's kind.
    pub(crate) kind: Kind,
    /// The object's namespace.
    pub(crate) namespace: String,
    /// The object's name.
    pub(crate) name: String,
}

/// What an API server answers that may be away for a while, as it is when it is upgraded: asked again for so long.
const AWAY: Duration = Duration::from_secs(60);
/// The pause before it is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// An answer within reason.
async fn soon<T>(ask: impl AsyncFn() -> Result<T, Error>) -> anyhow::Result<T> {
    let end = Instant::now() + AWAY;
    loop {
        let answer = timeout(PATIENCE, ask()).await;
        match answer.unwrap_or_else(|_| Err(Error::Unreachable("it does not answer".into()))) {
            Ok(answer) => return Ok(answer),
            Err(error) if !passes(&error) || Instant::now() >= end => return Err(error.into()),
            Err(_) => sleep(AGAIN).await,
        }
    }
}

/// Whether what went wrong may be over soon.
fn passes(error: &Error) -> bool {
    match error {
        Error::Unreachable(_) => true,
        // 410: a list took longer than the API server remembers.
        Error::Refused { code, .. } => matches!(code, 410 | 429 | 500..),
        Error::Access(_) | Error::Unsound(_) | Error::NoSuchKind(_) => false,
    }
}

impl Place for InCluster {
    // Every look asks each sidecar of the cluster through the API server.
    const LOOK: Duration = Duration::from_secs(5);

    async fn read(&self) -> anyhow::Result<Option<Value>> {
        soon(async || self.cluster.read(self.kind, &self.namespace, &self.name).await).await
    }

    async fn replace(&self, object: &Value) -> Result<Replaced, NotReplaced> {
        let replaced = soon(async || match self.cluster.replace(self.kind, object).await {
            Ok(object) => Ok(Some(object)),
            Err(leno_kube::NotReplaced::Changed) => Ok(None),
            Err(leno_kube::NotReplaced::Failed(error)) => Err(error),
        });
        match replaced.await.map_err(NotReplaced::Failed)? {
            Some(object) => Ok(Replaced { object, in_files: false }),
            None => Err(NotReplaced::Changed),
        }
    }

    async fn calls(&self, service: &ServiceName) -> anyhow::Result<Calls> {
        let pods = soon(async || self.cluster.list(Kind::Pod, None, "").await).await?;
        let callers = pods.iter().filter_map(sidecar);
        let asked = stream::iter(callers).map(|(namespace, name)| async move {
            let answer = self.cluster.get_from_pod(&namespace, &name, STATUS_PORT, "/stats/prometheus");
            let text = timeout(SIDECAR, answer).await.ok().and_then(Result::ok);
            (format!("{namespace}/{name}"), text.map(|text| totals::calls(&text, service)))
        });
        Ok(Calls { callers: asked.buffer_unordered(AT_ONCE).collect().await })
    }

    async fn ready(&self, service: &ServiceName) -> anyhow::Result<Option<u32>> {
        let ServiceName { namespace, name } = service;
        if soon(async || self.cluster.read(Kind::Service, namespace, name).await).await?.is_none() {
            return Ok(None);
        }
        let labels = format!("{SERVICE_NAME}={name}");
        let slices = soon(async || self.cluster.list(Kind::EndpointSlice, Some(namespace), &labels).await).await?;
        let endpoints = slices.iter().filter_map(|slice| slice["endpoints"].as_array()).flatten();
        // Without a word about it an endpoint is ready, says the API.
        let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"].as_bool() != Some(false));
        let instances: BTreeSet<String> = ready.map(instance).collect();
        Ok(Some(u32::try_from(instances.len()).unwrap_or(u32::MAX)))
    }
}

/// What tells an instance from others: its pod, which may have addresses of both families; else its address.
fn instance(endpoint: &Value) -> String {
    let pod = endpoint["targetRef"]["name"].as_str();
    pod.or_else(|| endpoint["addresses"][0].as_str()).unwrap_or_default().to_owned()
}

/// The namespace and name of a pod that runs with a sidecar.
fn sidecar(pod: &Value) -> Option<(String, String)> {
    let containers = |list: &str| pod["spec"][list].as_array().cloned().unwrap_or_default();
    let mut containers = containers("initContainers").into_iter().chain(containers("containers"));
    let runs = pod["status"]["phase"] == "Running" && pod["status"]["podIP"].is_string();
    if !runs || !containers.any(|container| container["name"] == SIDECAR_CONTAINER) {
        return None;
    }
    let metadata = &pod["metadata"];
    Some((metadata["namespace"].as_str()?.to_owned(), metadata["name"].as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_that_run_with_a_sidecar_are_asked() {
        let pod = |container: &str, phase: &str| {
            json!({
                "metadata": {"namespace": "shop", "name": "web"},
                "spec": {"initContainers": [{"name": container}], "containers": [{"name": "app"}]},
                "status": {"phase": phase, "podIP": "10.0.0.1"}
            })
        };
        assert_eq!(sidecar(&pod(SIDECAR_CONTAINER, "Running")), Some(("shop".into(), "web".into())));
        assert_eq!((sidecar(&pod("other", "Running")), sidecar(&pod(SIDECAR_CONTAINER, "Pending"))), (None, None));
    }

    #[test]
    fn an_instance_with_two_addresses_is_one() {
        let of_pod = |address: &str| json!({"addresses": [address], "targetRef": {"kind": "Pod", "name": "cart-1"}});
        assert_eq!(instance(&of_pod("10.0.0.1")), instance(&of_pod("fd00::1")));
        assert_eq!(instance(&json!({"addresses": ["10.0.0.2"]})), "10.0.0.2");
    }
}
