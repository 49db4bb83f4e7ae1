//! Whether every field that the reference calls supported occurs in a case.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{case::Case, report};

/// The messages whose fields a case can have: what stands in a connection manager or a cluster of a case.
const MESSAGES: [&str; 6] = [
    "envoy.config.route.v3.",
    "envoy.extensions.filters.http.",
    "envoy.extensions.filters.network.http_connection_manager.v3.",
    "envoy.type.matcher.v3.",
    "envoy.config.cluster.v3.",
    "envoy.config.endpoint.v3.",
];

/// Supported fields that no case has, by name: `message.field`. Names alone are compared, as most fields are alone in
/// having theirs.
pub(crate) fn missing(cases: &[Case]) -> Vec<String> {
    let mut there = BTreeSet::new();
    for case in cases {
        report::fields(&Value::Object(case.manager.clone()), &mut there);
        report::fields(&Value::Object(case.clusters.clone()), &mut there);
        report::fields(&Value::Object(case.assignments.clone()), &mut there);
    }
    let page = fs::read_to_string(format!("{}/../docs/reference/envoy.md", env!("CARGO_MANIFEST_DIR")));
    let page = page.expect("the reference is there");
    let mut message = "";
    let mut missing = BTreeSet::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## `") {
            message = heading.split('`').next().unwrap_or_default();
        }
        let mut cells = line.strip_prefix("| `").into_iter().flat_map(|row| row.split(" | "));
        let (Some(field), _, Some("supported")) = (cells.next(), cells.next(), cells.next()) else { continue };
        let field = field.trim_end_matches('`');
        if MESSAGES.iter().any(|of| message.starts_with(of)) && !there.contains(field) {
            missing.insert(format!("{message}.{field}"));
        }
    }
    missing.into_iter().collect()
}
