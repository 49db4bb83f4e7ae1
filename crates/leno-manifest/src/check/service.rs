//! Services.

use std::{collections::HashSet, net::IpAddr};

use super::metadata::check_labels;
use crate::{
    annotation::{PUBLISH, items, published},
    core::{
        Service,
        service::{ServicePort, ServiceType},
    },
    meta::IntOrString,
    problem::Problems,
    syntax::name,
    yaml::node::key_path,
};

pub(super) fn check(service: &Service, problems: &mut Problems<'_>) {
    let spec = &service.spec;
    if spec.type_ == ServiceType::ExternalName {
        let fix = "dial the outside name itself, or write a headless Service and an EndpointSlice with its addresses";
        problems.add("spec.type", "ClusterIP, NodePort or LoadBalancer", fix);
        return;
    }
    if spec.external_name.is_some() {
        problems.add("spec.externalName", "no externalName", "remove it: only services of type ExternalName have one");
    }
    check_labels(&spec.selector, "spec.selector", problems);
    check_addresses(service, problems);
    // A headless service may do without: it is then only a name for pods.
    if spec.ports.is_empty() && !service.is_headless() {
        problems.add("spec.ports", "at least one port", "");
    }
    check_ports(&spec.ports, problems);
    check_publish(service, problems);
}

fn check_addresses(service: &Service, problems: &mut Problems<'_>) {
    let sound = |text: &str| text.is_empty() || text == "None" || text.parse::<IpAddr>().is_ok();
    let spec = &service.spec;
    if spec.cluster_ip.as_deref().is_some_and(|text| !sound(text)) {
        problems.add("spec.clusterIP", "an IP address, or None for a headless service", "");
    }
    for (index, _) in spec.cluster_ips.iter().enumerate().filter(|(_, text)| !sound(text)) {
        problems.add(&format!("spec.clusterIPs[{index}]"), "an IP address, or None for a headless service", "");
    }
    if service.is_headless() && spec.type_ != ServiceType::ClusterIP {
        problems.add("spec.clusterIP", "an IP address: only type ClusterIP can be headless", "");
    }
}

fn check_ports(ports: &[ServicePort], problems: &mut Problems<'_>) {
    let (mut names, mut numbers) = (HashSet::new(), HashSet::new());
    for (index, port) in ports.iter().enumerate() {
        let at = format!("spec.ports[{index}]");
        let field = format!("{at}.name");
        if port.name.is_empty() {
            if ports.len() > 1 {
                problems.add(&field, "a name, because there are several ports", "");
            }
        } else if let Err(rule) = name::dns_label(&port.name) {
            problems.add(&field, rule, "");
        } else if !names.insert(&port.name) {
            problems.add(&field, "a name that no other port has", "");
        }
        if port.port == 0 {
            problems.add(&format!("{at}.port"), "an integer from 1 to 65535", "");
        } else if !numbers.insert((port.port, port.protocol)) {
            problems.add(&format!("{at}.port"), "a number that no other port of its protocol has", "");
        }
        let field = format!("{at}.targetPort");
        if let Some(target) = &port.target_port {
            check_port(target, &field, problems);
        }
        if port.app_protocol.as_deref().is_some_and(|word| name::label_key(word).is_err()) {
            problems.add(&format!("{at}.appProtocol"), "a protocol's name such as http or kubernetes.io/h2c", "");
        }
    }
}

/// A port by number or name.
pub(super) fn check_port(port: &IntOrString, field: &str, problems: &mut Problems<'_>) {
    match port {
        IntOrString::Int(number) if !(1..=65535).contains(number) => {
            problems.add(field, "an integer from 1 to 65535, or a port's name", "");
        }
        IntOrString::String(text) => {
            if let Err(rule) = name::port(text) {
                let fix = match text.parse::<u16>() {
                    Ok(number) => format!("write {number}, without quotes"),
                    Err(_) => String::new(),
                };
                problems.add(field, format!("a number, or a port's name: {rule}"), fix);
            }
        }
        IntOrString::Int(_) => {}
    }
}

/// Ports that are published must exist, and be told when there are several.
fn check_publish(service: &Service, problems: &mut Problems<'_>) {
    let Some(value) = service.metadata.annotations.get(PUBLISH) else {
        return;
    };
    let field = key_path("metadata.annotations", PUBLISH);
    let ports = &service.spec.ports;
    for (host, name) in items(value).filter_map(published) {
        match name {
            Some(name) if !ports.iter().any(|port| port.name == name || port.port.to_string() == name) => {
                let names = ports.iter().map(|port| port.name.as_str()).filter(|name| !name.is_empty());
                let names = names.collect::<Vec<_>>().join(", ");
                problems.add(&field, format!("a port of the service after ':' ({names})"), "");
            }
            None if ports.len() > 1 => {
                let fix = format!("write e.g. {host}:{}", ports.first().map_or("", |port| port.name.as_str()));
                problems.add(&field, "a host port, ':' and a port's name, because there are several ports", fix);
            }
            Some(_) | None => {}
        }
    }
}
