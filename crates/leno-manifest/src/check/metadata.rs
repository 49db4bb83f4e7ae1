//! Names, labels and annotations.

use std::collections::BTreeMap;

use super::name_rule;
use crate::{
    meta::{LabelOperator, LabelSelector, ObjectMeta},
    object::Kind,
    problem::Problems,
    syntax::{ip_range, name},
    yaml::node::key_path,
};

/// Whether pods get a sidecar: label or annotation of Namespaces and pods.
pub(crate) const INJECT: &str = "leno.dev/inject";
/// Opens a host port for a Service.
pub(crate) const PUBLISH: &str = "leno.dev/publish";

/// The prefix of names that are Leno's own.
const OURS: &str = "leno.dev/";

pub(super) fn check(kind: Kind, metadata: &ObjectMeta, problems: &mut Problems<'_>) {
    if let Err(rule) = name_rule(kind, &metadata.name) {
        problems.add("metadata.name", rule, "");
    }
    if kind.is_namespaced()
        && !metadata.namespace.is_empty()
        && let Err(rule) = name::dns_label(&metadata.namespace)
    {
        problems.add("metadata.namespace", rule, "");
    }
    check_words(&metadata.labels, &metadata.annotations, "metadata", problems);
}

/// The labels and annotations of an object or a pod template.
pub(super) fn check_words(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    path: &str,
    problems: &mut Problems<'_>,
) {
    check_labels(labels, &format!("{path}.labels"), problems);
    let path_of_annotations = format!("{path}.annotations");
    for (key, value) in annotations {
        let field = key_path(&path_of_annotations, key);
        if let Err(rule) = name::label_key(key) {
            problems.add_value(&field, "so named", rule, "");
        }
        check_our_word(key, value, &field, problems);
    }
    if let Some(value) = labels.get(INJECT) {
        check_our_word(INJECT, value, &key_path(&format!("{path}.labels"), INJECT), problems);
    }
}

pub(super) fn check_labels(labels: &BTreeMap<String, String>, path: &str, problems: &mut Problems<'_>) {
    for (key, value) in labels {
        let field = key_path(path, key);
        if let Err(rule) = name::label_key(key) {
            problems.add_value(&field, "so named", rule, "");
        }
        if let Err(rule) = name::label_value(value) {
            problems.add(&field, rule, "");
        }
    }
}

/// The values of Leno's own annotations.
fn check_our_word(key: &str, value: &str, field: &str, problems: &mut Problems<'_>) {
    let Some(word) = key.strip_prefix(OURS) else {
        return;
    };
    let each = |sound: &dyn Fn(&str) -> bool| list(value).all(sound);
    let port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    let (sound, expected) = match word {
        "inject" => (matches!(value, "enabled" | "disabled"), "enabled or disabled"),
        "exclude-inbound-ports" | "exclude-outbound-ports" => {
            (each(&port), "port numbers from 1 to 65535 with commas between them")
        }
        "exclude-outbound-ip-ranges" | "include-outbound-ip-ranges" => {
            let range = |text: &str| ip_range::parse(text).is_some();
            (each(&range), "ranges of addresses such as 10.0.0.0/8 with commas between them")
        }
        "exclude-interfaces" => {
            let interface = |text: &str| name::interface(text).is_ok();
            (each(&interface), "names of network interfaces with commas between them")
        }
        "exclude-uids" => (each(&|text: &str| text.parse::<u32>().is_ok()), "user ids with commas between them"),
        "publish" => {
            let (host, service) = value.split_once(':').map_or((value, None), |(host, port)| (host, Some(port)));
            let named = service.is_none_or(|name| name::dns_label(name).is_ok());
            (port(host) && named, "a port number of the host, or that, ':' and the name of a port of the service")
        }
        // Names of later versions, or of tools built on Leno.
        _ => (true, ""),
    };
    if !sound {
        problems.add(field, expected, "");
    }
}

/// The items of a list with commas between them.
fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// The selector of a Deployment or StatefulSet: it must choose the pods of its own template.
pub(super) fn check_selector(
    selector: &LabelSelector,
    template: &BTreeMap<String, String>,
    problems: &mut Problems<'_>,
) {
    check_labels(&selector.match_labels, "spec.selector.matchLabels", problems);
    for (index, requirement) in selector.match_expressions.iter().enumerate() {
        let field = format!("spec.selector.matchExpressions[{index}].values");
        let wants_values = matches!(requirement.operator, LabelOperator::In | LabelOperator::NotIn);
        if wants_values == requirement.values.is_empty() {
            let expected = if wants_values {
                "at least one value for In and NotIn"
            } else {
                "no value for Exists and DoesNotExist"
            };
            problems.add(&field, expected, "");
        }
    }
    if selector.is_empty() {
        problems.add("spec.selector", "labels that choose its pods", "write the template's labels under matchLabels");
    } else if !selector.fits(template) {
        let shown: Vec<_> = template.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let expected = match shown.as_slice() {
            [] => "labels of the template, which has none".to_owned(),
            shown => format!("labels of the template, which has {}", shown.join(", ")),
        };
        problems.add("spec.selector", expected, "make selector and spec.template.metadata.labels agree");
    }
}
