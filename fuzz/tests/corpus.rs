//! Every seed goes through its target, without libFuzzer: what once failed stays mended.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use leno_fuzz::TARGETS;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The names in a folder, without what comes after the dot.
fn names(name: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn seeds_pass() {
    for (name, target) in TARGETS {
        for entry in fs::read_dir(folder("corpus").join(name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            // Half of a seed is as good a start as the whole.
            for bytes in [&bytes[..], &bytes[..bytes.len() / 2]] {
                let passed = std::panic::catch_unwind(|| target(bytes));
                assert!(passed.is_ok(), "{}", path.display());
            }
        }
    }
}

#[test]
fn every_target_has_a_program_and_seeds() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("src/bin"), targets);
    assert_eq!(names("corpus"), targets);
}

#[test]
fn seeds_of_resources_are_resources() {
    for entry in fs::read_dir(folder("corpus/xds_resources")).unwrap() {
        let path = entry.unwrap().path();
        assert!(leno_fuzz::xds_wire(&fs::read(&path).unwrap()).is_some(), "{}", path.display());
    }
}
