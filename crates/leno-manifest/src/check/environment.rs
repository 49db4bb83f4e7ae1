//! Variables of containers.

use crate::{
    core::pod::{EnvFromSource, EnvVar, EnvVarSource},
    problem::Problems,
    syntax::name,
};

/// The fields of a pod that a variable can have.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

pub(super) fn check_variable(variable: &EnvVar, at: &str, problems: &mut Problems<'_>) {
    if let Err(rule) = name::environment(&variable.name) {
        problems.add(&format!("{at}.name"), rule, "");
    }
    let Some(source) = &variable.value_from else {
        return;
    };
    let field = format!("{at}.valueFrom");
    if variable.value.as_deref().is_some_and(|text| !text.is_empty()) {
        problems.add_value(&field, "given beside value", "one of value and valueFrom", "");
    }
    let given = [
        source.field_ref.is_some(),
        source.config_map_key_ref.is_some(),
        source.secret_key_ref.is_some(),
        source.resource_field_ref.is_some(),
    ];
    problems.exactly_one(&given, &field, "fieldRef, configMapKeyRef, secretKeyRef, resourceFieldRef");
    if let Some(reference) = &source.field_ref {
        let path = reference.field_path.as_str();
        let keyed = |prefix: &str| {
            let key = path.strip_prefix(prefix).and_then(|rest| rest.strip_prefix("['"));
            key.and_then(|rest| rest.strip_suffix("']")).is_some_and(|key| name::label_key(key).is_ok())
        };
        if !FIELDS.contains(&path) && !keyed("metadata.labels") && !keyed("metadata.annotations") {
            let expected = format!("one of {}, metadata.labels['KEY'], metadata.annotations['KEY']", FIELDS.join(", "));
            problems.add(&format!("{field}.fieldRef.fieldPath"), expected, "");
        }
    }
    check_keys(source, &field, problems);
}

fn check_keys(source: &EnvVarSource, field: &str, problems: &mut Problems<'_>) {
    let references = [(&source.config_map_key_ref, "configMapKeyRef"), (&source.secret_key_ref, "secretKeyRef")];
    for (reference, kind) in references {
        let Some(reference) = reference else { continue };
        if let Err(rule) = name::dns_subdomain(&reference.name) {
            problems.add(&format!("{field}.{kind}.name"), rule, "");
        }
        if let Err(rule) = name::data_key(&reference.key) {
            problems.add(&format!("{field}.{kind}.key"), rule, "");
        }
    }
}

pub(super) fn check_source(source: &EnvFromSource, at: &str, problems: &mut Problems<'_>) {
    let references = [(&source.config_map_ref, "configMapRef"), (&source.secret_ref, "secretRef")];
    let given = references.map(|(reference, _)| reference.is_some());
    problems.exactly_one(&given, at, "configMapRef, secretRef");
    for (reference, field) in references {
        if let Some(Err(rule)) = reference.as_ref().map(|it| name::dns_subdomain(&it.name)) {
            problems.add(&format!("{at}.{field}.name"), rule, "");
        }
    }
    if !source.prefix.is_empty() && name::environment(&source.prefix).is_err() {
        problems.add(&format!("{at}.prefix"), "the beginning of a variable's name", "");
    }
}
