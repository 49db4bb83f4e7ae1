//! What was compared, for people: `target/oracle/report.md`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

use crate::{
    case::{self, Case},
    coverage,
};

/// Writes the report of the written cases.
pub(crate) fn write(cases: &[Case], missing: &[String]) {
    let mut files: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for case in cases {
        let file = case.name.split(": ").next().unwrap_or_default();
        let (count, requests) = files.entry(file).or_default();
        *count += 1;
        *requests += case.requests.len();
    }
    let requests: usize = cases.iter().map(|case| case.requests.len()).sum();
    let mut page = format!(
        "# The oracle\n\n{} written cases, {requests} requests to each of Envoy and Leno.\n\n\
         | file | cases | requests |\n| --- | --- | --- |\n",
        cases.len()
    );
    for (file, (count, requests)) in &files {
        page.push_str(&format!("| {file} | {count} | {requests} |\n"));
    }
    page.push_str("\n## Known differences\n\n");
    let known = case::read(include_str!("differences.yaml"));
    for (what, list) in known.as_object().into_iter().flatten() {
        for one in list.as_array().into_iter().flatten() {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            page.push_str(&format!("- {what}: `{}`: {}\n", text("name"), text("why")));
        }
    }
    page.push_str(&format!("\n## Supported fields without a case: {}\n\n", missing.len()));
    missing.iter().for_each(|field| page.push_str(&format!("- `{field}`\n")));
    page.push_str("\n## Shown elsewhere\n\n");
    coverage::ELSEWHERE.iter().for_each(|(field, where_to)| page.push_str(&format!("- `{field}`: {where_to}\n")));
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/oracle");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("report.md"), page).expect("written");
}

/// The names of all fields in a value.
pub(crate) fn fields(value: &Value, into: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                into.insert(name.clone());
                fields(value, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
