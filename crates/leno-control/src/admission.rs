//! The admission webhook: what `leno validate` would refuse is refused before it is stored, with the same words.
//!
//! ```text
//! API server ─► POST /validate (15017, TLS) ─► read alone: wrong ─► refused
//!                                            └► among all others: unresolved, conflicting, without effect ─► stored, with warnings
//! ```

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use leno_kube::{Admission, Cluster, Verdict};
use leno_manifest::{Manifest, read::read_json};
use leno_model::ObjectRef;
use leno_runtime::Drained;
use leno_source::{Assembly, Objects, assemble};
use serde_json::Value;
use tokio::{
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tracing::{info, warn};

/// The configuration of `deploy/webhook.yaml`.
const CONFIGURATION: &str = "leno";
/// How often is looked whether the configuration has our roots.
const LOOK: Duration = Duration::from_secs(60);
/// How long the API server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest question: an object may have 1.5 MiB in etcd, and comes twice.
const LARGEST: usize = 8 << 20;

/// How many objects may be looked at among all others at a time: that takes as long as there are objects.
const AT_ONCE: usize = 1;

/// What questions are answered with.
#[derive(Clone)]
struct Judge {
    objects: watch::Receiver<Arc<Objects>>,
    among: Arc<Semaphore>,
}

/// The port's paths.
pub(crate) fn router(objects: watch::Receiver<Arc<Objects>>) -> Router {
    let judge = Judge { objects, among: Arc::new(Semaphore::new(AT_ONCE)) };
    Router::new().route("/validate", post(validate)).layer(DefaultBodyLimit::max(LARGEST)).with_state(judge)
}

async fn validate(State(Judge { objects, among }): State<Judge>, body: Bytes) -> Response {
    let admission = match Admission::read(&body) {
        Ok(admission) => admission,
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    };
    // Warnings are good to have: whoever asks while others are answered has to do without.
    let Ok(permit) = among.try_acquire_owned() else {
        return Json(admission.answer(&judge(&admission.object, None))).into_response();
    };
    let objects = Arc::clone(&objects.borrow());
    let judged = tokio::task::spawn_blocking(move || {
        let verdict = judge(&admission.object, Some(&objects));
        drop(permit);
        admission.answer(&verdict)
    });
    match judged.await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What is wrong with an object by itself refuses it. What it lacks among the others may come later, so that is a warning; so is
/// what Leno does not understand of a kind that is not its own alone. An object that is on its way out is let go.
fn judge(object: &Value, others: Option<&Objects>) -> Verdict {
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Verdict::default();
    }
    let reading = read_json(object.clone());
    let wrong: Vec<String> = reading.invalid.iter().map(ToString::to_string).collect();
    let (refusals, mut warnings) = match is_shared(object) {
        true => (Vec::new(), wrong),
        false => (wrong, Vec::new()),
    };
    if let (true, Some(others), Some(manifest)) = (refusals.is_empty(), others, reading.manifests.into_iter().next()) {
        warnings.extend(remarks(manifest, others));
    }
    Verdict { refusals, warnings }
}

/// Whether gateways of others use the kind, too.
fn is_shared(object: &Value) -> bool {
    let group = object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map(|(group, _)| group);
    group == Some(leno_manifest::gateway::GROUP)
}

/// What would be said of an object among all others.
fn remarks(manifest: Manifest, others: &Objects) -> Vec<String> {
    let own = ObjectRef::from(&manifest.key());
    let mut all = others.clone();
    all.insert(manifest);
    let Assembly { invalid, notes, .. } = assemble(&all);
    let invalid = invalid.iter().filter(|it| it.object.as_ref() == Some(&own)).map(ToString::to_string);
    let notes = notes.iter().filter(|it| it.object == own).map(|note| note.text.clone());
    invalid.chain(notes).collect()
}

/// Keeps the roots in the webhook's configuration, so that the API server believes this control plane.
pub(crate) async fn be_trusted(cluster: Cluster, roots: String, mut drained: Drained) {
    let mut told = None;
    loop {
        let asked = timeout(PATIENCE, cluster.trust_webhooks(CONFIGURATION, &roots)).await;
        let now = asked.map_or_else(
            |_| Err("the API server does not answer".to_owned()),
            |now| now.map_err(|error| error.to_string()),
        );
        if told.as_ref() != Some(&now) {
            match &now {
                Ok(true) => info!(
                    configuration = CONFIGURATION,
                    "the API server is told whom to believe when it asks about objects"
                ),
                Ok(false) => {
                    info!(
                        configuration = CONFIGURATION,
                        "no webhook is installed: objects are judged once they are stored"
                    );
                }
                Err(error) => warn!(%error, "the webhook's configuration cannot be kept up to date"),
            }
            told = Some(now);
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            () = drained.wait() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn split(weight: i64) -> Value {
        json!({
            "apiVersion": "split.smi-spec.io/v1alpha4", "kind": "TrafficSplit",
            "metadata": {"name": "cart", "namespace": "shop"},
            "spec": {"service": "cart", "backends": [{"service": "cart-v1", "weight": weight}]}
        })
    }

    #[test]
    fn what_is_wrong_is_refused_and_what_is_missing_is_a_warning() {
        let verdict = judge(&split(-1), Some(&Objects::default()));
        assert!(verdict.refusals[0].contains("spec.backends[0].weight is -1"), "{verdict:?}");
        let verdict = judge(&split(1), Some(&Objects::default()));
        assert!(verdict.refusals.is_empty() && verdict.warnings.iter().any(|it| it.contains("cart")), "{verdict:?}");
        assert_eq!(judge(&split(1), None), Verdict::default());
    }

    #[test]
    fn what_others_may_understand_or_is_to_go_is_not_refused() {
        let route = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "cart", "namespace": "shop"}, "spec": {"comesNextYear": true}
        });
        let verdict = judge(&route, None);
        assert!(verdict.refusals.is_empty() && verdict.warnings[0].contains("comesNextYear"), "{verdict:?}");
        let mut leaving = split(-1);
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(judge(&leaving, None), Verdict::default());
    }
}
