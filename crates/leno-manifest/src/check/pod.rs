//! What pods run.

use std::{collections::HashSet, net::IpAddr};

use super::service::check_port;
use crate::{
    core::pod::{
        Container, EnvFromSource, EnvVar, EnvVarSource, LifecycleHandler, Pod, PodSpec, Probe,
        probe::HttpGetAction,
    },
    meta::IntOrString,
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

pub(super) fn check(spec: &PodSpec, path: &str, problems: &mut Problems<'_>) {
    if spec.containers.is_empty() {
        problems.add(&format!("{path}.containers"), "at least one container", "");
    }
    if let Err(rule) = name::dns_subdomain(spec.account()) {
        problems.add(&format!("{path}.serviceAccountName"), rule, "");
    }
    for (text, field) in [(&spec.hostname, "hostname"), (&spec.subdomain, "subdomain")] {
        if let Some(Err(rule)) = text.as_deref().map(name::dns_label) {
            problems.add(&format!("{path}.{field}"), rule, "");
        }
    }
    let mut seen = HashSet::new();
    for (at, container, init) in containers(spec, path) {
        let field = format!("{at}.name");
        if let Err(rule) = name::dns_label(&container.name) {
            problems.add(&field, rule, "");
        } else if !seen.insert(&container.name) {
            problems.add(&field, "a name that no other container of the pod has", "");
        }
        check_container(container, &at, init, problems);
    }
    check_port_names(spec, path, problems);
}

/// Every container with its path, and whether it is an init container.
fn containers<'a>(
    spec: &'a PodSpec,
    path: &'a str,
) -> impl Iterator<Item = (String, &'a Container, bool)> {
    let of = move |list: &'a [Container], field: &'static str, init| {
        let at = move |(index, container)| (format!("{path}.{field}[{index}]"), container, init);
        list.iter().enumerate().map(at)
    };
    of(&spec.init_containers, "initContainers", true).chain(of(
        &spec.containers,
        "containers",
        false,
    ))
}

fn check_container(container: &Container, at: &str, init: bool, problems: &mut Problems<'_>) {
    for (index, port) in container.ports.iter().enumerate() {
        if port.container_port == 0 {
            problems.add(
                &format!("{at}.ports[{index}].containerPort"),
                "an integer from 1 to 65535",
                "",
            );
        }
        if let Some(Err(rule)) = port.name.as_deref().map(name::port) {
            problems.add(&format!("{at}.ports[{index}].name"), rule, "");
        }
    }
    for (index, variable) in container.env.iter().enumerate() {
        check_variable(variable, &format!("{at}.env[{index}]"), problems);
    }
    for (index, source) in container.env_from.iter().enumerate() {
        check_source(source, &format!("{at}.envFrom[{index}]"), problems);
    }
    if container.command.first().is_some_and(String::is_empty) {
        problems.add(&format!("{at}.command[0]"), "a program", "");
    }
    let sidecar = container.restart_policy.as_deref() == Some("Always");
    if container.restart_policy.is_some() && !(init && sidecar) {
        problems.add(
            &format!("{at}.restartPolicy"),
            "Always on an init container, and nothing elsewhere",
            "",
        );
    }
    let probes = [
        (&container.readiness_probe, "readinessProbe", false),
        (&container.liveness_probe, "livenessProbe", true),
        (&container.startup_probe, "startupProbe", true),
    ];
    for (probe, field, once) in probes {
        let Some(probe) = probe else { continue };
        let field = format!("{at}.{field}");
        if init && !sidecar {
            problems.add_value(&field, "given", "no probe on an init container", "");
        }
        check_probe(probe, container, &field, once, problems);
    }
    let lifecycle = container.lifecycle.as_ref();
    let handlers = [
        (
            lifecycle.and_then(|it| it.post_start.as_ref()),
            "lifecycle.postStart",
        ),
        (
            lifecycle.and_then(|it| it.pre_stop.as_ref()),
            "lifecycle.preStop",
        ),
    ];
    for (handler, field) in handlers {
        if let Some(handler) = handler {
            check_handler(handler, container, &format!("{at}.{field}"), problems);
        }
    }
}

fn check_variable(variable: &EnvVar, at: &str, problems: &mut Problems<'_>) {
    if let Err(rule) = name::environment(&variable.name) {
        problems.add(&format!("{at}.name"), rule, "");
    }
    let Some(source) = &variable.value_from else {
        return;
    };
    let field = format!("{at}.valueFrom");
    if variable
        .value
        .as_deref()
        .is_some_and(|text| !text.is_empty())
    {
        problems.add_value(
            &field,
            "given beside value",
            "one of value and valueFrom",
            "",
        );
    }
    let given = [
        source.field_ref.is_some(),
        source.config_map_key_ref.is_some(),
        source.secret_key_ref.is_some(),
        source.resource_field_ref.is_some(),
    ];
    exactly_one(
        &given,
        &field,
        "fieldRef, configMapKeyRef, secretKeyRef, resourceFieldRef",
        problems,
    );
    if let Some(reference) = &source.field_ref {
        let path = reference.field_path.as_str();
        let keyed = |prefix: &str| {
            let key = path
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix("['"));
            key.and_then(|rest| rest.strip_suffix("']"))
                .is_some_and(|key| name::label_key(key).is_ok())
        };
        if !FIELDS.contains(&path) && !keyed("metadata.labels") && !keyed("metadata.annotations") {
            let expected = format!(
                "one of {}, metadata.labels['KEY'], metadata.annotations['KEY']",
                FIELDS.join(", ")
            );
            problems.add(&format!("{field}.fieldRef.fieldPath"), expected, "");
        }
    }
    check_keys(source, &field, problems);
}

fn check_keys(source: &EnvVarSource, field: &str, problems: &mut Problems<'_>) {
    let references = [
        (&source.config_map_key_ref, "configMapKeyRef"),
        (&source.secret_key_ref, "secretKeyRef"),
    ];
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

fn check_source(source: &EnvFromSource, at: &str, problems: &mut Problems<'_>) {
    let references = [
        (&source.config_map_ref, "configMapRef"),
        (&source.secret_ref, "secretRef"),
    ];
    let given = references.map(|(reference, _)| reference.is_some());
    exactly_one(&given, at, "configMapRef, secretRef", problems);
    for (reference, field) in references {
        if let Some(Err(rule)) = reference.as_ref().map(|it| name::dns_subdomain(&it.name)) {
            problems.add(&format!("{at}.{field}.name"), rule, "");
        }
    }
    if !source.prefix.is_empty() && name::environment(&source.prefix).is_err() {
        problems.add(
            &format!("{at}.prefix"),
            "the beginning of a variable's name",
            "",
        );
    }
}

fn exactly_one(given: &[bool], field: &str, names: &str, problems: &mut Problems<'_>) {
    let count = given.iter().filter(|given| **given).count();
    if count != 1 {
        let found = if count == 0 {
            "without any"
        } else {
            "given with several"
        };
        problems.add_value(field, found, format!("exactly one of {names}"), "");
    }
}

fn check_probe(
    probe: &Probe,
    container: &Container,
    at: &str,
    once: bool,
    problems: &mut Problems<'_>,
) {
    let given = [
        probe.http_get.is_some(),
        probe.tcp_socket.is_some(),
        probe.exec.is_some(),
        probe.grpc.is_some(),
    ];
    exactly_one(&given, at, "httpGet, tcpSocket, exec, grpc", problems);
    let times = [
        (probe.timeout_seconds, "timeoutSeconds"),
        (probe.period_seconds, "periodSeconds"),
        (probe.success_threshold, "successThreshold"),
        (probe.failure_threshold, "failureThreshold"),
        (
            probe.termination_grace_period_seconds,
            "terminationGracePeriodSeconds",
        ),
    ];
    for (_, field) in times.iter().filter(|(value, _)| *value == Some(0)) {
        problems.add(&format!("{at}.{field}"), "an integer from 1 up", "");
    }
    if once && probe.success_threshold.is_some_and(|count| count > 1) {
        problems.add(
            &format!("{at}.successThreshold"),
            "1: only readiness can ask for more",
            "",
        );
    }
    if let Some(request) = &probe.http_get {
        check_request(request, container, &format!("{at}.httpGet"), problems);
    }
    if let Some(socket) = &probe.tcp_socket {
        check_container_port(
            &socket.port,
            container,
            &format!("{at}.tcpSocket.port"),
            problems,
        );
    }
    if probe
        .exec
        .as_ref()
        .is_some_and(|exec| exec.command.is_empty())
    {
        problems.add(
            &format!("{at}.exec.command"),
            "a program and its arguments",
            "",
        );
    }
    if probe.grpc.as_ref().is_some_and(|grpc| grpc.port == 0) {
        problems.add(&format!("{at}.grpc.port"), "an integer from 1 to 65535", "");
    }
}

fn check_handler(
    handler: &LifecycleHandler,
    container: &Container,
    at: &str,
    problems: &mut Problems<'_>,
) {
    let given = [
        handler.exec.is_some(),
        handler.http_get.is_some(),
        handler.sleep.is_some(),
        handler.tcp_socket.is_some(),
    ];
    exactly_one(&given, at, "exec, httpGet, sleep, tcpSocket", problems);
    if handler
        .exec
        .as_ref()
        .is_some_and(|exec| exec.command.is_empty())
    {
        problems.add(
            &format!("{at}.exec.command"),
            "a program and its arguments",
            "",
        );
    }
    if let Some(request) = &handler.http_get {
        check_request(request, container, &format!("{at}.httpGet"), problems);
    }
}

fn check_request(
    request: &HttpGetAction,
    container: &Container,
    at: &str,
    problems: &mut Problems<'_>,
) {
    check_container_port(&request.port, container, &format!("{at}.port"), problems);
    for (index, header) in request.http_headers.iter().enumerate() {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if header.name.is_empty() || !header.name.chars().all(token) {
            problems.add(
                &format!("{at}.httpHeaders[{index}].name"),
                "the name of a header",
                "",
            );
        }
    }
}

fn check_container_port(
    port: &IntOrString,
    container: &Container,
    field: &str,
    problems: &mut Problems<'_>,
) {
    check_port(port, field, problems);
    let IntOrString::String(text) = port else {
        return;
    };
    let known: Vec<_> = container
        .ports
        .iter()
        .filter_map(|port| port.name.as_deref())
        .collect();
    if name::port(text).is_ok() && !known.contains(&text.as_str()) {
        let expected = match known.as_slice() {
            [] => format!("a number: the container {} names no port", container.name),
            known => format!(
                "a number, or a port's name of the container {} ({})",
                container.name,
                known.join(", ")
            ),
        };
        problems.add(field, expected, "");
    }
}

fn check_port_names(spec: &PodSpec, path: &str, problems: &mut Problems<'_>) {
    let mut seen = HashSet::new();
    for (at, container, init) in containers(spec, path) {
        for (index, port) in container.ports.iter().enumerate().filter(|_| !init) {
            let Some(name) = &port.name else { continue };
            if !seen.insert((name, port.protocol)) {
                problems.add(
                    &format!("{at}.ports[{index}].name"),
                    "a name that no other port of the pod has",
                    "",
                );
            }
        }
    }
}

pub(super) fn check_addresses(pod: &Pod, problems: &mut Problems<'_>) {
    let Some(status) = &pod.status else { return };
    let sound = |text: &str| text.is_empty() || text.parse::<IpAddr>().is_ok();
    if status.pod_ip.as_deref().is_some_and(|text| !sound(text)) {
        problems.add("status.podIP", "an IP address", "");
    }
    for (index, _) in status
        .pod_ips
        .iter()
        .enumerate()
        .filter(|(_, it)| !sound(&it.ip))
    {
        problems.add(&format!("status.podIPs[{index}].ip"), "an IP address", "");
    }
}

/// What keeps the local runner from running a pod.
pub(super) fn check_local(spec: &PodSpec, path: &str, problems: &mut Problems<'_>) {
    for (at, container, _) in containers(spec, path) {
        if container.command.is_empty() {
            let expected = format!("the program that container {} runs", container.name);
            let fix = "name it: the local runner takes nothing from images";
            problems.add(&format!("{at}.command"), expected, fix);
        }
        for (index, variable) in container.env.iter().enumerate() {
            if variable
                .value_from
                .as_ref()
                .is_some_and(|source| source.resource_field_ref.is_some())
            {
                let field = format!("{at}.env[{index}].valueFrom.resourceFieldRef");
                problems.add_value(
                    &field,
                    "given",
                    "a source that the local runner has",
                    "write a value",
                );
            }
        }
    }
    if spec.host_network {
        problems.add(
            &format!("{path}.hostNetwork"),
            "false: pods of the local runner have a network of their own",
            "",
        );
    }
}
