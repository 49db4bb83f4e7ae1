//! From what is written to what must run. Each file is one controller: a pure function from objects and pods to what
//! to do next. [`reconcile`] calls them all, again after every change.

pub(crate) mod deployment;
pub(crate) mod endpoint_slice;
pub(crate) mod reconcile;
pub(crate) mod rollout;
pub(crate) mod service_address;
pub(crate) mod stateful_set;

use std::time::Duration;

use leno_manifest::{
    core::{Pod, pod::PodTemplate},
    meta::{ObjectMeta, OwnerReference},
};

/// What a controller wants done next.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Pods to make.
    pub(crate) create: Vec<Pod>,
    /// Names of pods to end.
    pub(crate) delete: Vec<String>,
    /// When to look again, should nothing change before.
    pub(crate) wake: Option<Duration>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.create.is_empty() && self.delete.is_empty()
    }
}

/// A pod from a template.
fn template_pod(template: &PodTemplate, namespace: &str, name: String, owner: OwnerReference) -> Pod {
    let metadata = ObjectMeta {
        name,
        namespace: namespace.to_owned(),
        labels: template.metadata.labels.clone(),
        annotations: template.metadata.annotations.clone(),
        owner_references: vec![owner],
        ..ObjectMeta::default()
    };
    Pod { metadata, spec: template.spec.clone(), status: None }
}

/// The letters of generated names: no vowels, so no words, and nothing that looks like something else.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The number as so many letters.
fn code(mut number: u64, length: usize) -> String {
    let mut text = String::with_capacity(length);
    for _ in 0..length {
        text.push(char::from(LETTERS[usize::try_from(number % 27).unwrap_or_default()]));
        number /= 27;
    }
    text
}

/// The random end of a pod's name.
fn suffix() -> String {
    code(rand::random(), 5)
}

/// FNV-1a: the same for the same bytes in every run and on every machine.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
