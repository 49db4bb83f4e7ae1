//! References.

use std::collections::HashSet;

use crate::{
    gateway::reference::{BackendReference, ParentReference},
    problem::Problems,
    syntax::name,
};

pub(super) fn parents(parents: &[ParentReference], problems: &mut Problems<'_>) {
    let mut seen = HashSet::new();
    for (index, parent) in parents.iter().enumerate() {
        let at = format!("spec.parentRefs[{index}]");
        names(&parent.name, parent.namespace.as_deref(), &at, problems);
        if let Some(Err(rule)) = parent.section_name.as_deref().map(name::dns_subdomain) {
            problems.add(&format!("{at}.sectionName"), rule, "");
        }
        let whole = (&parent.group, &parent.kind, &parent.namespace, &parent.name);
        if !seen.insert((whole, &parent.section_name, parent.port)) {
            let fix = "remove one of the two, or give each its sectionName or port";
            problems.add_value(&at, "the same parent again", "a parent once", fix);
        }
    }
}

pub(super) fn backend(backend: &BackendReference, at: &str, problems: &mut Problems<'_>) {
    names(&backend.name, backend.namespace.as_deref(), at, problems);
    if backend.is_service() && backend.port.is_none() {
        problems.add(&format!("{at}.port"), "the number of the service's port", "");
    }
}

fn names(object: &str, namespace: Option<&str>, at: &str, problems: &mut Problems<'_>) {
    if let Err(rule) = name::dns_subdomain(object) {
        problems.add(&format!("{at}.name"), rule, "");
    }
    if let Some(Err(rule)) = namespace.map(name::dns_label) {
        problems.add(&format!("{at}.namespace"), rule, "");
    }
}
