//! HTTPRouteGroups, TCPRoutes, UDPRoutes.

use std::collections::HashSet;

use crate::{
    problem::Problems,
    smi::{HttpRouteGroup, tcp_route::PortRouteSpec},
    syntax::regular_expression,
    yaml::node::key_path,
};

pub(super) fn check_http(group: &HttpRouteGroup, problems: &mut Problems<'_>) {
    if group.spec.matches.is_empty() {
        problems.add("spec.matches", "at least one entry", "an entry with only a name fits every request");
    }
    let mut names = HashSet::new();
    for (index, entry) in group.spec.matches.iter().enumerate() {
        let at = format!("spec.matches[{index}]");
        let field = format!("{at}.name");
        if entry.name.is_empty() {
            problems.add(&field, "a name", "");
        } else if !names.insert(&entry.name) {
            problems.add(&field, "a name that no other entry of the group has", "");
        }
        if let Some(Err(reason)) = entry.path_regex.as_deref().map(regular_expression::check) {
            problems.add(&format!("{at}.pathRegex"), format!("a regular expression (RE2): {reason}"), "");
        }
        for (name, value) in &entry.headers.0 {
            let field = key_path(&format!("{at}.headers"), name);
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:".contains(c);
            if name.is_empty() || !name.chars().all(token) {
                problems.add_value(&field, "so named", "the name of a header", "");
            }
            if let Err(reason) = regular_expression::check(value) {
                let found = crate::yaml::node::quoted(value);
                problems.add_value(&field, found, format!("a regular expression (RE2): {reason}"), "");
            }
        }
    }
}

pub(super) fn check_ports(spec: &PortRouteSpec, problems: &mut Problems<'_>) {
    for (index, _) in spec.matches.ports.iter().enumerate().filter(|(_, port)| **port == 0) {
        problems.add(&format!("spec.matches.ports[{index}]"), "an integer from 1 to 65535", "");
    }
}
