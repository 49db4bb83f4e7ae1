//! Whether every field that the reference calls supported occurs in a case.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{
    case::{self, Case},
    report,
};

/// The messages whose fields a case can have: what stands in a connection manager or a cluster of a case.
const MESSAGES: [&str; 6] = [
    "envoy.config.route.v3.",
    "envoy.extensions.filters.http.",
    "envoy.extensions.filters.network.http_connection_manager.v3.",
    "envoy.type.matcher.v3.",
    "envoy.config.cluster.v3.",
    "envoy.config.endpoint.v3.",
];

/// What `config` writes itself into the file of every case.
const FRAME: [&str; 5] =
    ["connect_timeout", "load_assignment", "endpoint", "address", "typed_extension_protocol_options"];

/// What two proxies from the same file cannot show, and where it is shown instead.
pub(crate) const ELSEWHERE: [(&str, &str); 4] = [
    ("rds", "e2e/tests/xds: Envoy and Leno under the same control plane"),
    ("eds_cluster_config", "e2e/tests/xds: Envoy and Leno under the same control plane"),
    ("eds_config", "e2e/tests/xds: Envoy and Leno under the same control plane"),
    (
        "service_name",
        "what the control plane is asked for in place of the cluster's name: it makes no difference to callers",
    ),
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
    // Cases of connections have clusters and connection managers, too.
    let folder = format!("{}/oracle/transport/cases", env!("CARGO_MANIFEST_DIR"));
    for file in fs::read_dir(folder).expect("there are cases") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("it can be read");
        report::fields(&case::read(&text), &mut there);
    }
    there.extend(FRAME.iter().chain(ELSEWHERE.iter().map(|(field, _)| field)).map(|field| (*field).to_owned()));
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
