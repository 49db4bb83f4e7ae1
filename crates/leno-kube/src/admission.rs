//! What an API server asks of a webhook before it stores an object ([AdmissionReview]).
//!
//! [AdmissionReview]: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{
    api::{Api, DynamicObject, Patch, PatchParams},
    core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview},
};
use serde_json::{Value, json};

use crate::{Cluster, Error};

/// The longest warning; an API server cuts what is longer.
const WARNING: usize = 256;

/// An object that somebody wants to store.
#[derive(Debug)]
pub struct Admission {
    request: AdmissionRequest<DynamicObject>,
    /// The object as it would be stored.
    pub object: Value,
}

/// What is thought of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it must not be stored; empty when it may.
    pub refusals: Vec<String>,
    /// What whoever stores it is told.
    pub warnings: Vec<String>,
}

impl Admission {
    /// The question in the body of a request.
    ///
    /// # Errors
    /// What of it is not understood.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let review: AdmissionReview<DynamicObject> =
            serde_json::from_slice(body).map_err(|error| format!("this is no AdmissionReview: {error}"))?;
        let request: AdmissionRequest<DynamicObject> =
            review.try_into().map_err(|_| "the AdmissionReview has no request".to_owned())?;
        let object = request.object.as_ref().ok_or("the request has no object: only CREATE and UPDATE are judged")?;
        let object = serde_json::to_value(object).map_err(|error| error.to_string())?;
        Ok(Self { request, object })
    }

    /// The body of the answer.
    #[must_use]
    pub fn answer(&self, verdict: &Verdict) -> Value {
        let mut response = AdmissionResponse::from(&self.request);
        if !verdict.refusals.is_empty() {
            response = response.deny(verdict.refusals.join("\n"));
        }
        let warnings: Vec<String> = verdict.warnings.iter().map(|text| cut(text)).collect();
        response.warnings = Some(warnings).filter(|warnings| !warnings.is_empty());
        json!(response.into_review())
    }
}

/// The text, cut at the length that is shown.
fn cut(text: &str) -> String {
    if text.chars().count() <= WARNING {
        return text.to_owned();
    }
    let start: String = text.chars().take(WARNING - 1).collect();
    start + "…"
}

impl Cluster {
    /// Has the webhooks of a ValidatingWebhookConfiguration believed when they show a certificate of these roots (PEM);
    /// `false` when there is no such configuration.
    ///
    /// # Errors
    /// When the API server refuses (it takes the rights to `get` and `patch` it) or cannot be asked.
    pub async fn trust_webhooks(&self, configuration: &str, roots: &str) -> Result<bool, Error> {
        let api: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let Some(found) = api.get_opt(configuration).await? else { return Ok(false) };
        let webhooks = found.webhooks.unwrap_or_default();
        let bundle = k8s_openapi::ByteString(roots.as_bytes().to_vec());
        if webhooks.iter().all(|webhook| webhook.client_config.ca_bundle.as_ref() == Some(&bundle)) {
            return Ok(true);
        }
        let patched: Vec<Value> = webhooks
            .iter()
            .map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": bundle}}))
            .collect();
        // A strategic merge: webhooks are told apart by their names, and keep what is not said here.
        let patch = Patch::Strategic(json!({ "webhooks": patched }));
        api.patch(configuration, &PatchParams::default(), &patch).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(object: &Value) -> Vec<u8> {
        let kind = json!({"group": "g", "version": "v1", "kind": "K"});
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "7", "kind": kind, "resource": {"group": "g", "version": "v1", "resource": "ks"},
                "name": "a", "operation": "CREATE", "userInfo": {}, "object": object,
            },
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn an_answer_says_of_which_question_it_is() {
        let object = json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "a"}, "spec": {"x": 1}});
        let admission = Admission::read(&review(&object)).unwrap();
        assert_eq!(admission.object["spec"], json!({"x": 1}));
        let answer = admission.answer(&Verdict::default());
        assert_eq!((&answer["response"]["uid"], &answer["response"]["allowed"]), (&json!("7"), &json!(true)));
        let verdict = Verdict { refusals: vec!["no".into(), "nor so".into()], warnings: vec!["x".repeat(300)] };
        let response = &admission.answer(&verdict)["response"];
        assert_eq!((&response["allowed"], &response["status"]["message"]), (&json!(false), &json!("no\nnor so")));
        assert_eq!(response["warnings"][0].as_str().unwrap().chars().count(), WARNING);
    }

    #[test]
    fn what_is_no_question_is_refused() {
        assert!(Admission::read(b"{}").is_err());
        assert!(Admission::read(&review(&Value::Null)).unwrap_err().contains("no object"));
    }
}
