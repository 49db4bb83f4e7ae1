//! What pods run.

use std::{collections::HashSet, net::IpAddr};

use super::{environment, probe};
use crate::{
    core::pod::{Container, Pod, PodSpec},
    problem::Problems,
    syntax::name,
};

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
fn containers<'a>(spec: &'a PodSpec, path: &'a str) -> impl Iterator<Item = (String, &'a Container, bool)> {
    let of = move |list: &'a [Container], field: &'static str, init| {
        let at = move |(index, container)| (format!("{path}.{field}[{index}]"), container, init);
        list.iter().enumerate().map(at)
    };
    of(&spec.init_containers, "initContainers", true).chain(of(&spec.containers, "containers", false))
}

fn check_container(container: &Container, at: &str, init: bool, problems: &mut Problems<'_>) {
    for (index, port) in container.ports.iter().enumerate() {
        if port.container_port == 0 {
            problems.add(&format!("{at}.ports[{index}].containerPort"), "an integer from 1 to 65535", "");
        }
        if let Some(Err(rule)) = port.name.as_deref().map(name::port) {
            problems.add(&format!("{at}.ports[{index}].name"), rule, "");
        }
    }
    for (index, variable) in container.env.iter().enumerate() {
        environment::check_variable(variable, &format!("{at}.env[{index}]"), problems);
    }
    for (index, source) in container.env_from.iter().enumerate() {
        environment::check_source(source, &format!("{at}.envFrom[{index}]"), problems);
    }
    if container.command.first().is_some_and(String::is_empty) {
        problems.add(&format!("{at}.command[0]"), "a program", "");
    }
    let sidecar = container.restart_policy.as_deref() == Some("Always");
    if container.restart_policy.is_some() && !(init && sidecar) {
        problems.add(&format!("{at}.restartPolicy"), "Always on an init container, and nothing elsewhere", "");
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
        probe::check_probe(probe, container, &field, once, problems);
    }
    let lifecycle = container.lifecycle.as_ref();
    let handlers = [
        (lifecycle.and_then(|it| it.post_start.as_ref()), "lifecycle.postStart"),
        (lifecycle.and_then(|it| it.pre_stop.as_ref()), "lifecycle.preStop"),
    ];
    for (handler, field) in handlers {
        if let Some(handler) = handler {
            probe::check_handler(handler, container, &format!("{at}.{field}"), problems);
        }
    }
}

fn check_port_names(spec: &PodSpec, path: &str, problems: &mut Problems<'_>) {
    let mut seen = HashSet::new();
    for (at, container, init) in containers(spec, path) {
        for (index, port) in container.ports.iter().enumerate().filter(|_| !init) {
            let Some(name) = &port.name else { continue };
            if !seen.insert((name, port.protocol)) {
                problems.add(&format!("{at}.ports[{index}].name"), "a name that no other port of the pod has", "");
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
    for (index, _) in status.pod_ips.iter().enumerate().filter(|(_, it)| !sound(&it.ip)) {
        problems.add(&format!("status.podIPs[{index}].ip"), "an IP address", "");
    }
}

/// What Kubernetes asks of pods that people write. (Those that run already may have containers that others put in.)
pub(super) fn check_written(spec: &PodSpec, path: &str, problems: &mut Problems<'_>) {
    for (at, container, _) in containers(spec, path) {
        if container.image.as_deref().is_none_or(str::is_empty) {
            let fix = "Kubernetes asks for one; the local runner does not use it, so any name will do there";
            problems.add(&format!("{at}.image"), "an image", fix);
        }
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
            if variable.value_from.as_ref().is_some_and(|source| source.resource_field_ref.is_some()) {
                let field = format!("{at}.env[{index}].valueFrom.resourceFieldRef");
                problems.add_value(&field, "given", "a source that the local runner has", "write a value");
            }
        }
    }
    if spec.host_network {
        problems.add(&format!("{path}.hostNetwork"), "false: pods of the local runner have a network of their own", "");
    }
}
