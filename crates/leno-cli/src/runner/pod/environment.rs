//! The environment of a container: what Kubernetes gives it, from a pod's manifest, ConfigMaps, Secrets and services.

use std::collections::BTreeMap;

use leno_manifest::core::{
    ConfigMap, Pod, Secret, Service,
    pod::{Container, EnvFromSource, EnvVar, environment::KeySelector},
};

/// All that a variable's value can come from.
pub(crate) struct Sources<'a> {
    /// The pod, with its status as far as it is known: its address must be.
    pub(crate) pod: &'a Pod,
    /// The ConfigMaps of the pod's namespace.
    pub(crate) config_maps: BTreeMap<&'a str, &'a ConfigMap>,
    /// The Secrets of the pod's namespace.
    pub(crate) secrets: BTreeMap<&'a str, &'a Secret>,
    /// The services of the pod's namespace, for `NAME_SERVICE_HOST` and its like.
    pub(crate) services: Vec<&'a Service>,
    /// Variables that every process has: `PATH`, `HOME`… A manifest may set them anew.
    pub(crate) base: &'a [(String, String)],
}

/// The variables of a container, in the order that they were given.
///
/// # Errors
/// What is missing, in words for people: Kubernetes' `CreateContainerConfigError`.
pub(crate) fn environment(sources: &Sources<'_>, container: &Container) -> Result<Variables, String> {
    let mut variables = Variables::default();
    for (name, value) in sources.base {
        variables.set(name, value.clone());
    }
    service_links(sources, &mut variables);
    variables.set("HOSTNAME", hostname(sources.pod).to_owned());
    for source in &container.env_from {
        whole(sources, source, &mut variables)?;
    }
    for variable in &container.env {
        let value = value(sources, variable, &variables)?;
        if let Some(value) = value {
            variables.set(&variable.name, value);
        }
    }
    Ok(variables)
}

/// The host name of a pod: its own name unless the manifest says otherwise.
pub(crate) fn hostname(pod: &Pod) -> &str {
    pod.spec.hostname.as_deref().unwrap_or(&pod.metadata.name)
}

/// Named values in the order of their first setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variables(Vec<(String, String)>);

impl Variables {
    fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every variable.
    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// The text with each `$(NAME)` replaced by that variable's value; `$$(NAME)` stays `$(NAME)`, and so does the name
    /// of a variable that is not set ([Kubernetes]' rule).
    ///
    /// [Kubernetes]: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let reference = rest.strip_prefix('(').and_then(|inside| inside.split_once(')'));
            match reference.and_then(|(name, after)| Some((self.get(name)?, after))) {
                Some((value, after)) => {
                    out.push_str(value);
                    rest = after;
                }
                None => out.push('$'),
            }
        }
        out.push_str(rest);
        out
    }
}

/// Variables that name the services which are there when the container starts ([enableServiceLinks]).
///
/// [enableServiceLinks]: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
fn service_links(sources: &Sources<'_>, variables: &mut Variables) {
    let word = |text: &str| text.to_ascii_uppercase().replace(['-', '.'], "_");
    for service in &sources.services {
        let Some(ip) = service.spec.cluster_ip.as_deref().filter(|ip| *ip != "None") else { continue };
        let name = word(&service.metadata.name);
        variables.set(&format!("{name}_SERVICE_HOST"), ip.to_owned());
        for (index, port) in service.spec.ports.iter().enumerate() {
            if index == 0 {
                variables.set(&format!("{name}_SERVICE_PORT"), port.port.to_string());
            }
            if !port.name.is_empty() {
                variables.set(&format!("{name}_SERVICE_PORT_{}", word(&port.name)), port.port.to_string());
            }
        }
    }
}

/// Sets every value of a ConfigMap or Secret whose key can be the name of a variable.
fn whole(sources: &Sources<'_>, from: &EnvFromSource, variables: &mut Variables) -> Result<(), String> {
    let fits = |key: &str| {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        key.chars().all(legal) && !key.starts_with(|c: char| c.is_ascii_digit())
    };
    if let Some(reference) = &from.config_map_ref {
        match sources.config_maps.get(reference.name.as_str()) {
            Some(map) => {
                for (key, value) in map.data.iter().filter(|(key, _)| fits(key)) {
                    variables.set(&format!("{}{key}", from.prefix), value.clone());
                }
            }
            None if reference.optional == Some(true) => {}
            None => return Err(format!("configmap {:?} not found", reference.name)),
        }
    }
    if let Some(reference) = &from.secret_ref {
        match sources.secrets.get(reference.name.as_str()) {
            Some(secret) => {
                for key in secret.keys().filter(|key| fits(key)) {
                    let bytes = secret.value(key).unwrap_or_default();
                    variables.set(&format!("{}{key}", from.prefix), text(bytes, &reference.name, key)?);
                }
            }
            None if reference.optional == Some(true) => {}
            None => return Err(format!("secret {:?} not found", reference.name)),
        }
    }
    Ok(())
}

/// The value of one variable; `None` when it is optional and missing.
fn value(sources: &Sources<'_>, variable: &EnvVar, earlier: &Variables) -> Result<Option<String>, String> {
    let Some(from) = &variable.value_from else {
        return Ok(Some(earlier.expand(variable.value.as_deref().unwrap_or_default())));
    };
    if let Some(field) = &from.field_ref {
        return match field_of(sources.pod, &field.field_path) {
            Some(value) => Ok(Some(value)),
            None => Err(format!("env {}: the pod has no field {:?} for fieldRef", variable.name, field.field_path)),
        };
    }
    if let Some(key) = &from.config_map_key_ref {
        let map = sources.config_maps.get(key.name.as_str());
        let found = map.and_then(|map| map.data.get(&key.key)).cloned();
        return missing_unless_optional(found, key, "configmap", map.is_some());
    }
    if let Some(key) = &from.secret_key_ref {
        let secret = sources.secrets.get(key.name.as_str());
        let bytes = secret.and_then(|secret| secret.value(&key.key));
        let found = bytes.map(|bytes| text(bytes, &key.name, &key.key)).transpose()?;
        return missing_unless_optional(found, key, "secret", secret.is_some());
    }
    if from.resource_field_ref.is_some() {
        let name = &variable.name;
        return Err(format!(
            "env {name}: resourceFieldRef means nothing here, the local runner sets no limits; write a value"
        ));
    }
    Ok(Some(String::new()))
}

fn missing_unless_optional(
    found: Option<String>,
    key: &KeySelector,
    kind: &str,
    exists: bool,
) -> Result<Option<String>, String> {
    match found {
        None if key.optional == Some(true) => Ok(None),
        None if exists => Err(format!("couldn't find key {} in {kind} {:?}", key.key, key.name)),
        None => Err(format!("{kind} {:?} not found", key.name)),
        found => Ok(found),
    }
}

fn text(bytes: Vec<u8>, secret: &str, key: &str) -> Result<String, String> {
    String::from_utf8(bytes)
        .map_err(|_| format!("key {key} of secret {secret:?} is not UTF-8 and cannot be a variable"))
}

/// The value of a field of the pod that `fieldRef` may name ([downward API]).
///
/// [downward API]: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#downwardapi-fieldRef
fn field_of(pod: &Pod, path: &str) -> Option<String> {
    let status = pod.status.as_ref();
    let keyed = |prefix: &str| Some(path.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']")?.to_owned());
    match path {
        "metadata.name" => Some(pod.metadata.name.clone()),
        "metadata.namespace" => Some(pod.metadata.namespace.clone()),
        "metadata.uid" => Some(pod.metadata.uid.clone().unwrap_or_default()),
        "spec.nodeName" => Some(pod.spec.node_name.clone().unwrap_or_else(|| super::NODE.to_owned())),
        "spec.serviceAccountName" => Some(pod.spec.account().to_owned()),
        "status.podIP" => status?.pod_ip.clone(),
        "status.podIPs" => Some(status?.addresses().collect::<Vec<_>>().join(",")),
        "status.hostIP" | "status.hostIPs" => status?.host_ip.clone(),
        _ => {
            let map = |prefix, values: &BTreeMap<String, String>| {
                keyed(prefix).map(|key| values.get(&key).cloned().unwrap_or_default())
            };
            map("metadata.labels", &pod.metadata.labels)
                .or_else(|| map("metadata.annotations", &pod.metadata.annotations))
        }
    }
}

#[cfg(test)]
mod tests {
    use leno_manifest::core::pod::PodStatus;

    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        Variables(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn references_are_expanded_as_kubernetes_does() {
        let known = variables(&[("A", "1"), ("B", "two")]);
        for (text, expected) in [
            ("x$(A)y$(B)", "x1ytwo"),
            ("$$(A)", "$(A)"),
            ("$(NONE) $A $", "$(NONE) $A $"),
            ("$$$(A)", "$1"),
            ("$(A", "$(A"),
            ("äö$(A)ü", "äö1ü"),
        ] {
            assert_eq!(known.expand(text), expected, "{text}");
        }
    }

    fn container(value: serde_json::Value) -> Container {
        serde_json::from_value(value).unwrap()
    }

    fn pod() -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = "cart-1".into();
        pod.metadata.namespace = "shop".into();
        pod.metadata.labels.insert("app".into(), "cart".into());
        pod.status = Some(PodStatus { pod_ip: Some("10.244.0.7".into()), ..PodStatus::default() });
        pod
    }

    fn sources<'a>(pod: &'a Pod, map: &'a ConfigMap) -> Sources<'a> {
        let config_maps = BTreeMap::from([("settings", map)]);
        Sources { pod, config_maps, secrets: BTreeMap::new(), services: vec![], base: &[] }
    }

    #[test]
    fn fields_maps_and_earlier_variables_are_read() {
        let (pod, mut map) = (pod(), ConfigMap::default());
        map.data.insert("LEVEL".into(), "debug".into());
        let container = container(serde_json::json!({"name": "app",
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "settings"}}],
        "env": [
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "ONE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "LEVEL"}}},
            {"name": "URL", "value": "http://$(IP)/$(P_LEVEL)"},
        ]}));
        let variables = environment(&sources(&pod, &map), &container).unwrap();
        assert_eq!(variables.get("URL"), Some("http://10.244.0.7/debug"));
        assert_eq!(variables.get("APP"), Some("cart"));
        assert_eq!(variables.get("HOSTNAME"), Some("cart-1"));
    }

    #[test]
    fn what_is_missing_is_named_unless_optional() {
        let (pod, map) = (pod(), ConfigMap::default());
        let with = |optional: bool| {
            container(serde_json::json!({"name": "app", "env": [
                {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "NO", "optional": optional}}}]}))
        };
        let error = environment(&sources(&pod, &map), &with(false)).unwrap_err();
        assert_eq!(error, "couldn't find key NO in configmap \"settings\"");
        assert_eq!(environment(&sources(&pod, &map), &with(true)).unwrap().get("X"), None);
    }
}
