//! Whether a pod gets a sidecar.

use std::{collections::BTreeMap, fmt};

use leno_manifest::{
    annotation::INJECT,
    core::{
        Namespace, Pod,
        pod::{PodSpec, PodTemplate},
    },
};

/// The name of the sidecar among a pod's containers: an init container with restart policy `Always`.
pub const SIDECAR_CONTAINER: &str = "leno-proxy";

/// Whether a pod gets a sidecar, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it gets one.
    pub inject: bool,
    /// Why.
    pub reason: Reason,
}

/// Why a pod gets a sidecar, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The pod itself says so.
    Pod,
    /// Its namespace says so.
    Namespace,
    /// Nobody says anything.
    NotAsked,
    /// It shares the node's network, which cannot be redirected for one pod.
    HostNetwork,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.inject { "enabled" } else { "disabled" };
        match self.reason {
            Reason::Pod => write!(f, "the pod has {INJECT}: {word}"),
            Reason::Namespace => write!(f, "its namespace has {INJECT}: {word}"),
            Reason::NotAsked => {
                write!(f, "neither the pod nor its namespace has {INJECT}: enabled")
            }
            Reason::HostNetwork => f.write_str("the pod uses the network of its node"),
        }
    }
}

/// Whether the pods of a template get a sidecar. `namespace` is the one that they live in, if there is an object of it.
#[must_use]
pub fn injected(namespace: Option<&Namespace>, template: &PodTemplate) -> Decision {
    let metadata = &template.metadata;
    decide(namespace, &metadata.labels, &metadata.annotations, &template.spec)
}

/// Whether a pod gets a sidecar.
#[must_use]
pub fn injected_into(namespace: Option<&Namespace>, pod: &Pod) -> Decision {
    decide(namespace, &pod.metadata.labels, &pod.metadata.annotations, &pod.spec)
}

/// Whether a pod has a sidecar: its containers tell, once it is placed on a node; before, the [`Decision`] does.
#[must_use]
pub fn is_meshed(namespace: Option<&Namespace>, pod: &Pod) -> bool {
    // A namespace that is labelled later gives no sidecar to the pods that run in it already.
    has_sidecar(&pod.spec) || (pod.spec.node_name.is_none() && injected_into(namespace, pod).inject)
}

/// Whether a pod has a sidecar among its containers.
#[must_use]
pub fn has_sidecar(spec: &PodSpec) -> bool {
    spec.init_containers.iter().chain(&spec.containers).any(|container| container.name == SIDECAR_CONTAINER)
}

fn decide(
    namespace: Option<&Namespace>,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    spec: &PodSpec,
) -> Decision {
    let own = annotations.get(INJECT).or_else(|| labels.get(INJECT)).map(String::as_str);
    let of_namespace = namespace.and_then(|namespace| namespace.metadata.annotation_or_label(INJECT));
    let (word, reason) = match (own, of_namespace) {
        (Some(word), _) => (word, Reason::Pod),
        (None, Some(word)) => (word, Reason::Namespace),
        (None, None) => {
            return Decision { inject: false, reason: Reason::NotAsked };
        }
    };
    let inject = word == "enabled";
    if inject && spec.host_network {
        return Decision { inject: false, reason: Reason::HostNetwork };
    }
    Decision { inject, reason }
}

#[cfg(test)]
mod tests {
    use leno_manifest::core::pod::Container;

    use super::*;

    fn namespace(word: Option<&str>) -> Namespace {
        let mut namespace = Namespace::default();
        namespace.metadata.labels.extend(word.map(|word| (INJECT.to_owned(), word.to_owned())));
        namespace
    }

    fn template(word: Option<&str>) -> PodTemplate {
        let mut template = PodTemplate::default();
        template.metadata.annotations.extend(word.map(|word| (INJECT.to_owned(), word.to_owned())));
        template
    }

    #[test]
    fn the_pod_wins_over_its_namespace() {
        for (of_namespace, of_pod, inject, reason) in [
            (None, None, false, Reason::NotAsked),
            (Some("enabled"), None, true, Reason::Namespace),
            (Some("disabled"), None, false, Reason::Namespace),
            (Some("enabled"), Some("disabled"), false, Reason::Pod),
            (Some("disabled"), Some("enabled"), true, Reason::Pod),
            (None, Some("enabled"), true, Reason::Pod),
        ] {
            let decision = injected(Some(&namespace(of_namespace)), &template(of_pod));
            assert_eq!(decision, Decision { inject, reason }, "{of_namespace:?} {of_pod:?}");
        }
        assert!(!injected(None, &template(None)).inject);
    }

    #[test]
    fn a_label_of_the_pod_counts_like_an_annotation() {
        let mut template = PodTemplate::default();
        template.metadata.labels.insert(INJECT.into(), "enabled".into());
        assert!(injected(None, &template).inject);
        template.metadata.annotations.insert(INJECT.into(), "disabled".into());
        assert!(!injected(None, &template).inject);
    }

    #[test]
    fn the_nodes_network_is_never_redirected() {
        let mut template = template(Some("enabled"));
        template.spec.host_network = true;
        let decision = injected(None, &template);
        assert_eq!(decision, Decision { inject: false, reason: Reason::HostNetwork });
        assert_eq!(decision.to_string(), "the pod uses the network of its node");
    }

    #[test]
    fn a_pod_that_runs_is_meshed_by_its_containers() {
        let enabled = namespace(Some("enabled"));
        let mut pod = Pod::default();
        assert!(is_meshed(Some(&enabled), &pod));
        pod.spec.node_name = Some("leno".into());
        assert!(!is_meshed(Some(&enabled), &pod));
        pod.spec.init_containers.push(Container { name: SIDECAR_CONTAINER.into(), ..Container::default() });
        assert!(is_meshed(None, &pod));
    }
}
