//! Names, labels and annotations.

use std::collections::BTreeMap;

use super::name_rule;
use crate::{
    annotation::{Annotation, INJECT},
    meta::{LabelOperator, LabelSelector, ObjectMeta},
    object::Kind,
    problem::Problems,
    syntax::name,
    yaml::node::key_path,
};

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
    check_words(kind, &metadata.labels, &metadata.annotations, "metadata", problems);
}

/// The labels and annotations of an object, or of a pod template, which is of kind Pod.
pub(super) fn check_words(
    kind: Kind,
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
        check_our_word(kind, (key, value), &field, problems);
    }
    if let Some(value) = labels.get(INJECT) {
        check_our_word(kind, (INJECT, value), &key_path(&format!("{path}.labels"), INJECT), problems);
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

/// The values of the annotations that Leno understands. Others are of later versions, or of other tools.
fn check_our_word(kind: Kind, (key, value): (&str, &str), field: &str, problems: &mut Problems<'_>) {
    if let Some(annotation) = Annotation::named(key)
        // Other tools' words are read on some kinds only; elsewhere they may mean anything.
        && (annotation.is_own() || annotation.on.contains(&kind))
        && !annotation.format.accepts(value)
    {
        problems.add(field, annotation.format.expected(), "");
    }
}

/// What a selector asks of labels.
pub(super) fn check_requirements(selector: &LabelSelector, at: &str, problems: &mut Problems<'_>) {
    check_labels(&selector.match_labels, &format!("{at}.matchLabels"), problems);
    for (index, requirement) in selector.match_expressions.iter().enumerate() {
        let field = format!("{at}.matchExpressions[{index}].values");
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
}

/// The selector of a Deployment or StatefulSet: it must choose the pods of its own template.
pub(super) fn check_selector(
    selector: &LabelSelector,
    template: &BTreeMap<String, String>,
    problems: &mut Problems<'_>,
) {
    check_requirements(selector, "spec.selector", problems);
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
