//! The objects of a cluster, as last read.
//!
//! An API server takes what the schemas of its CustomResourceDefinitions allow, which is more than makes sense: of an object
//! that is broken by an edit the last good version is kept.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use leno_kube::{Change, Followed};
use leno_manifest::{
    Kind, Manifest, ObjectKey,
    read::{DEFAULT_NAMESPACE, read_json},
};
use leno_model::{Invalid, SecretName};
use serde_json::Value;

use crate::{
    Contents, certificate,
    secret::{HIDDEN, shown_to_servers, without_secrets},
};

/// An annotation of `kubectl apply` that repeats the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The objects of a cluster.
#[derive(Default)]
pub(super) struct Held(BTreeMap<ObjectKey, One>);

/// One object.
#[derive(Default)]
struct One {
    /// Its last good version.
    good: Option<Manifest>,
    /// What is wrong with it now; then `good` is an earlier version.
    invalid: Vec<Invalid>,
}

impl Held {
    /// Takes a change in. Tells whether it makes a difference: much that is written to an object (who leads, when it was
    /// seen last) is nothing to the mesh.
    pub(super) fn apply(&mut self, Followed { kind, change }: Followed) -> bool {
        match change {
            Change::All(values) => {
                let mut changed = false;
                let mut keys = BTreeSet::new();
                for value in values {
                    if let Some((key, differs)) = self.put(kind, value) {
                        keys.insert(key);
                        changed |= differs;
                    }
                }
                let before = self.0.len();
                self.0.retain(|key, _| key.kind != kind || keys.contains(key));
                changed || self.0.len() != before
            }
            Change::Put(value) => self.put(kind, *value).is_some_and(|(_, differs)| differs),
            Change::Gone { namespace, name } => self.0.remove(&ObjectKey::new(kind, &namespace, &name)).is_some(),
        }
    }

    /// Takes an object in, and gives its key and whether it differs from what was known.
    fn put(&mut self, kind: Kind, mut value: Value) -> Option<(ObjectKey, bool)> {
        let key = key(kind, &value)?;
        reduce(kind, &mut value);
        let reading = read_json(value);
        let good = reading.manifests.into_iter().next();
        let is_new = !self.0.contains_key(&key);
        let one = self.0.entry(key.clone()).or_default();
        let differs = is_new || (good.is_some() && good != one.good) || reading.invalid != one.invalid;
        if good.is_some() {
            one.good = good;
        }
        one.invalid = reading.invalid;
        Some((key, differs))
    }

    /// All that the cluster says.
    pub(super) fn contents(&self) -> Contents {
        let good = || self.0.values().filter_map(|one| one.good.as_ref());
        let shown: BTreeSet<SecretName> = good().filter_map(|it| shown_to_servers(&it.object)).collect();
        let mut contents = Contents::default();
        for (key, one) in &self.0 {
            contents.invalid.extend(one.invalid.iter().cloned());
            if let Some(manifest) = &one.good {
                let object = without_secrets(&manifest.object, &shown);
                contents.objects.insert(match object {
                    Cow::Borrowed(_) => manifest.clone(),
                    Cow::Owned(object) => Manifest::from(object),
                });
                if !one.invalid.is_empty() {
                    contents.stale.insert(key.clone());
                }
            }
        }
        contents
    }
}

fn key(kind: Kind, value: &Value) -> Option<ObjectKey> {
    let metadata = &value["metadata"];
    let namespace = match kind.is_namespaced() {
        true => metadata["namespace"].as_str().unwrap_or(DEFAULT_NAMESPACE),
        false => "",
    };
    Some(ObjectKey::new(kind, namespace, metadata["name"].as_str()?))
}

/// Leaves out what is not used and takes room.
fn reduce(kind: Kind, value: &mut Value) {
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    if let Some(annotations) = value["metadata"]["annotations"].as_object_mut() {
        annotations.remove(LAST_APPLIED);
    }
    if kind != Kind::ConfigMap {
        return;
    }
    if let Some(object) = value.as_object_mut() {
        object.remove("binaryData");
    }
    if let Some(annotations) = value["metadata"]["annotations"].as_object_mut() {
        annotations.clear();
    }
    for text in value["data"].as_object_mut().into_iter().flat_map(|data| data.values_mut()) {
        let roots = text.as_str().and_then(|text| certificate::roots(text.as_bytes()));
        *text = Value::String(roots.unwrap_or_else(|| HIDDEN.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn split(weight: i64) -> Value {
        json!({
            "apiVersion": "split.smi-spec.io/v1alpha4", "kind": "TrafficSplit",
            "metadata": {
                "name": "cart", "namespace": "shop", "uid": "1", "resourceVersion": "7", "generation": 2,
                "annotations": {LAST_APPLIED: "{}"}, "finalizers": ["x"], "selfLink": "y"
            },
            "spec": {"service": "cart", "backends": [{"service": "cart-v1", "weight": weight}]}
        })
    }

    fn put(value: Value) -> Followed {
        Followed { kind: Kind::TrafficSplit, change: Change::Put(Box::new(value)) }
    }

    #[test]
    fn of_a_broken_object_the_last_good_version_is_kept_until_it_is_gone() {
        let mut held = Held::default();
        assert!(held.apply(put(split(5))));
        let mut again = split(5);
        again["metadata"]["resourceVersion"] = json!("8");
        assert!(!held.apply(put(again)));
        let contents = held.contents();
        assert_eq!((contents.objects.len(), contents.invalid.len()), (1, 0), "{:?}", contents.invalid);

        held.apply(put(split(-1)));
        let contents = held.contents();
        assert_eq!((contents.objects.len(), contents.stale.len(), contents.invalid.len()), (1, 1, 1));
        let text = contents.invalid[0].to_string();
        assert!(text.starts_with("TrafficSplit shop/cart: spec.backends[0].weight is -1"), "{text}");

        held.apply(put(split(6)));
        assert!(held.contents().stale.is_empty() && held.contents().invalid.is_empty());
        held.apply(Followed { kind: Kind::TrafficSplit, change: Change::All(Vec::new()) });
        assert!(held.contents().objects.is_empty());
    }

    #[test]
    fn of_secrets_and_configuration_only_certificates_are_passed_on() {
        let put = |kind: Kind, data: Value| {
            let metadata = json!({"name": "roots", "namespace": "shop"});
            let value = json!({"apiVersion": "v1", "kind": kind.as_str(), "metadata": metadata, "data": data});
            Followed { kind, change: Change::Put(Box::new(value)) }
        };
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem().replace("\r\n", "\n");
        let both = format!("{}{certificate}", key.serialize_pem());
        let mut held = Held::default();
        held.apply(put(Kind::Secret, json!({"tls.key": "c2VjcmV0"})));
        held.apply(put(Kind::ConfigMap, json!({"password": "secret", "ca.crt": both})));
        let text = format!("{:?}", held.contents().objects);
        let line = certificate.lines().nth(1).unwrap();
        assert!(text.contains(line), "{text}");
        assert!(!["c2VjcmV0", "\"secret\"", "PRIVATE KEY"].iter().any(|hidden| text.contains(hidden)), "{text}");
        assert_eq!(held.contents().objects.len(), 2);
    }
}
