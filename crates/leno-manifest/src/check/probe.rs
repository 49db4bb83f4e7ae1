//! Probes and lifecycle handlers.

use super::service::check_port;
use crate::{
    core::pod::{Container, LifecycleHandler, Probe, probe::HttpGetAction},
    meta::IntOrString,
    problem::Problems,
    syntax::name,
};

pub(super) fn check_probe(probe: &Probe, container: &Container, at: &str, once: bool, problems: &mut Problems<'_>) {
    let given = [probe.http_get.is_some(), probe.tcp_socket.is_some(), probe.exec.is_some(), probe.grpc.is_some()];
    problems.exactly_one(&given, at, "httpGet, tcpSocket, exec, grpc");
    let times = [
        (probe.timeout_seconds, "timeoutSeconds"),
        (probe.period_seconds, "periodSeconds"),
        (probe.success_threshold, "successThreshold"),
        (probe.failure_threshold, "failureThreshold"),
        (probe.termination_grace_period_seconds, "terminationGracePeriodSeconds"),
    ];
    for (_, field) in times.iter().filter(|(value, _)| *value == Some(0)) {
        problems.add(&format!("{at}.{field}"), "an integer from 1 up", "");
    }
    if once && probe.success_threshold.is_some_and(|count| count > 1) {
        problems.add(&format!("{at}.successThreshold"), "1: only readiness can ask for more", "");
    }
    if let Some(request) = &probe.http_get {
        check_request(request, container, &format!("{at}.httpGet"), problems);
    }
    if let Some(socket) = &probe.tcp_socket {
        check_container_port(&socket.port, container, &format!("{at}.tcpSocket.port"), problems);
    }
    if probe.exec.as_ref().is_some_and(|exec| exec.command.is_empty()) {
        problems.add(&format!("{at}.exec.command"), "a program and its arguments", "");
    }
    if probe.grpc.as_ref().is_some_and(|grpc| grpc.port == 0) {
        problems.add(&format!("{at}.grpc.port"), "an integer from 1 to 65535", "");
    }
}

pub(super) fn check_handler(handler: &LifecycleHandler, container: &Container, at: &str, problems: &mut Problems<'_>) {
    let given =
        [handler.exec.is_some(), handler.http_get.is_some(), handler.sleep.is_some(), handler.tcp_socket.is_some()];
    problems.exactly_one(&given, at, "exec, httpGet, sleep, tcpSocket");
    if handler.exec.as_ref().is_some_and(|exec| exec.command.is_empty()) {
        problems.add(&format!("{at}.exec.command"), "a program and its arguments", "");
    }
    if let Some(request) = &handler.http_get {
        check_request(request, container, &format!("{at}.httpGet"), problems);
    }
}

fn check_request(request: &HttpGetAction, container: &Container, at: &str, problems: &mut Problems<'_>) {
    check_container_port(&request.port, container, &format!("{at}.port"), problems);
    for (index, header) in request.http_headers.iter().enumerate() {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if header.name.is_empty() || !header.name.chars().all(token) {
            problems.add(&format!("{at}.httpHeaders[{index}].name"), "the name of a header", "");
        }
    }
}

fn check_container_port(port: &IntOrString, container: &Container, field: &str, problems: &mut Problems<'_>) {
    check_port(port, field, problems);
    let IntOrString::String(text) = port else {
        return;
    };
    let known: Vec<_> = container.ports.iter().filter_map(|port| port.name.as_deref()).collect();
    if name::port(text).is_ok() && !known.contains(&text.as_str()) {
        let expected = match known.as_slice() {
            [] => format!("a number: the container {} names no port", container.name),
            known => format!("a number, or a port's name of the container {} ({})", container.name, known.join(", ")),
        };
        problems.add(field, expected, "");
    }
}
