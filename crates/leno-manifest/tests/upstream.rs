//! The Gateway API's own definitions and manifests say whether its kinds are read as they are meant. They come from the
//! Go module proxy, so this runs only when asked for, with `go` in `PATH`: `cargo test -p leno-manifest -- --ignored`.

use std::{fs, path::PathBuf, process::Command};

use leno_manifest::{Kind, crd, read, yaml};
use serde_json::Value;

/// The version that the types follow.
const VERSION: &str = "v1.5.1";

/// The folder of a Go module.
fn module(path: &str) -> PathBuf {
    let folder = std::env::temp_dir();
    let wanted = format!("{path}@{VERSION}");
    let output = Command::new("go").args(["mod", "download", "-json", &wanted]).current_dir(folder).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    told["Dir"].as_str().unwrap_or_else(|| panic!("{told}")).into()
}

/// The schema of the newest version in a definition.
fn schema(text: &str) -> Value {
    let documents = yaml::documents(text);
    let definition = documents[0].root.as_ref().unwrap().to_json();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"].clone()
}

/// What differs between two schemas, as far as names, types and words go.
fn differences(ours: &Value, theirs: &Value, at: &str, found: &mut Vec<String>) {
    let kind = |schema: &Value| schema["type"].as_str().unwrap_or("any").to_owned();
    if kind(ours) != kind(theirs) {
        found.push(format!("{at} is {} here, {} there", kind(ours), kind(theirs)));
    }
    let words = |schema: &Value| {
        let words = schema["enum"].as_array().into_iter().flatten();
        let mut words: Vec<_> = words.filter_map(Value::as_str).map(str::to_owned).collect();
        words.sort();
        words
    };
    if words(ours) != words(theirs) {
        found.push(format!("{at} has the words {:?} here, {:?} there", words(ours), words(theirs)));
    }
    let (our_fields, their_fields) = (ours["properties"].as_object(), theirs["properties"].as_object());
    for (name, field) in their_fields.into_iter().flatten() {
        match ours["properties"].get(name) {
            Some(ours) => differences(ours, field, &format!("{at}.{name}"), found),
            None => found.push(format!("{at}.{name} is not here")),
        }
    }
    let there = |name: &&String| theirs["properties"].get(name.as_str()).is_some();
    found.extend(
        our_fields
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
            .filter(|name| !there(name))
            .map(|name| format!("{at}.{name} is not there")),
    );
    if ours.get("items").is_some() && theirs.get("items").is_some() {
        differences(&ours["items"], &theirs["items"], &format!("{at}[]"), found);
    }
}

#[test]
#[ignore = "needs the Go module proxy"]
fn fields_are_those_of_upstreams_definitions() {
    let folder = module("sigs.k8s.io/gateway-api").join("config/crd/experimental");
    for kind in [
        Kind::HttpRoute,
        Kind::GrpcRoute,
        Kind::TlsRoute,
        Kind::GatewayTcpRoute,
        Kind::ReferenceGrant,
        Kind::BackendTlsPolicy,
    ] {
        let theirs = schema(&fs::read_to_string(folder.join(crd::file_name(kind))).unwrap());
        let ours = schema(&crd::print(kind));
        let mut found = Vec::new();
        differences(&ours["spec"], &theirs["spec"], "spec", &mut found);
        if theirs.get("status").is_some() {
            differences(&ours["status"], &theirs["status"], "status", &mut found);
        }
        assert!(found.is_empty(), "{}:\n{}", kind.as_str(), found.join("\n"));
    }
}

#[test]
#[ignore = "needs the Go module proxy"]
fn upstreams_manifests_are_read() {
    let folders = [
        module("sigs.k8s.io/gateway-api/conformance").join("tests/mesh"),
        module("sigs.k8s.io/gateway-api").join("examples/standard"),
        module("sigs.k8s.io/gateway-api").join("examples/experimental"),
    ];
    let mut read_so_far = 0;
    for file in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let name = file.display().to_string();
        let reading = read(&name, &fs::read_to_string(&file).unwrap());
        let wrong: Vec<_> = reading.invalid.iter().map(ToString::to_string).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        read_so_far += reading.manifests.len();
    }
    assert!(read_so_far > 40, "{read_so_far}");
}
