//! Manifests, as people write them.

use leno_manifest::{Reading, read};

/// Nothing ends the process, the same text is read alike twice, and an object survives being written as YAML and as
/// JSON.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Reading { manifests, invalid, .. } = read("fuzz.yaml", text);
    let again = read("fuzz.yaml", text);
    assert_eq!(manifests, again.manifests);
    assert_eq!(invalid, again.invalid);
    for invalid in &invalid {
        assert!(!invalid.to_string().is_empty());
    }
    for manifest in &manifests {
        let _shown = manifest.check_local();
        survives(manifest, &manifest.object.to_yaml());
        survives(manifest, &manifest.object.to_json().to_string());
    }
}

fn survives(manifest: &leno_manifest::Manifest, text: &str) {
    let reading = read("again.yaml", text);
    assert_eq!(reading.invalid, [], "{text}");
    let objects: Vec<_> = reading.manifests.iter().map(|manifest| &manifest.object).collect();
    assert_eq!(objects, [&manifest.object], "{text}");
}
