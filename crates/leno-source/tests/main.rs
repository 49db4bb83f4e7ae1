//! The crate's behaviour.

mod access;
mod examples;
mod following;
mod invariants;
mod routes;
mod services;
mod splits;
mod traffic;

use leno_manifest::read;
use leno_source::{Assembly, Objects, assemble};

/// The objects of a text that must be sound.
fn objects(text: &str) -> Objects {
    let reading = read("mesh.yaml", text);
    assert_eq!(reading.invalid, [], "{}", reading.invalid.first().map(ToString::to_string).unwrap_or_default());
    reading.manifests.into_iter().collect()
}

fn assembled(text: &str) -> Assembly {
    assemble(&objects(text))
}

/// What was said to be wrong.
fn wrong(assembly: &Assembly) -> Vec<String> {
    assembly.invalid.iter().map(ToString::to_string).collect()
}

/// What was remarked.
fn notes(assembly: &Assembly) -> Vec<String> {
    assembly.notes.iter().map(ToString::to_string).collect()
}
