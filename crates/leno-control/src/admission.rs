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
use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};

/// The configuration of `deploy/webhook.yaml`.
const CONFIGURATION: &str = "leno";
/// How often is looked whether the configuration has our roots.
const LOOK: Duration = Duration::from_secs(60);
/// The largest question: an object may have 1.5 MiB in etcd, and comes twice.
const LARGEST: usize = 8 << 20;

/// The port's paths.
pub(crate) fn router(objects: watch::Receiver<Arc<Objects>>) -> Router {
    Router::new().route("/validate", post(validate)).layer(DefaultBodyLimit::max(LARGEST)).with_state(objects)
}

async fn validate(State(objects): State<watch::Receiver<Arc<Objects>>>, body: Bytes) -> Response {
    let admission = match Admission::read(&body) {
        Ok(admission) => admission,
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    };
    let objects = Arc::clone(&objects.borrow());
    let judged = tokio::task::spawn_blocking(move || {
        let verdict = judge(&admission.object, &objects);
        admission.answer(&verdict)
    });
    match judged.await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What is wrong with an object by itself refuses it. What it lacks among the others may come later, so that is a warning.
fn judge(object: &Value, others: &Objects) -> Verdict {
    let reading = read_json(object.clone());
    let refusals: Vec<String> = reading.invalid.iter().map(ToString::to_string).collect();
    let Some(manifest) = reading.manifests.into_iter().next().filter(|_| refusals.is_empty()) else {
        return Verdict { refusals, warnings: Vec::new() };
    };
    Verdict { refusals, warnings: remarks(manifest, others) }
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
        let now = cluster.trust_webhooks(CONFIGURATION, &roots).await.map_err(|error| error.to_string());
        if told.as_ref() != Some(&now) {
            match &now {
                Ok(true) => info!(configuration = CONFIGURATION, "objects are judged before they are stored"),
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
        let verdict = judge(&split(-1), &Objects::default());
        assert!(verdict.refusals[0].contains("spec.backends[0].weight is -1"), "{verdict:?}");
        let verdict = judge(&split(1), &Objects::default());
        assert!(verdict.refusals.is_empty() && verdict.warnings.iter().any(|it| it.contains("cart")), "{verdict:?}");
    }
}
