//! Golden texts of errors: every `NAME.yaml` in `tests/golden` is read, and what is said about it must be `NAME.txt`.
//! `UPDATE_GOLDEN=1` writes them anew.

use std::{fs, path::Path};

use leno_manifest::read;

/// What is said about a file, one line each.
fn said(name: &str, text: &str) -> String {
    let reading = read(name, text);
    let mut lines = Vec::new();
    lines.extend(reading.manifests.iter().map(|manifest| format!("read {} {}", manifest.location, manifest.key())));
    lines.extend(reading.manifests.iter().flat_map(|it| it.check_local()).map(|it| format!("local {it}")));
    lines.extend(reading.invalid.iter().map(ToString::to_string));
    lines.extend(reading.ignored.iter().map(|ignored| format!("ignored {ignored}")));
    lines.join("\n") + "\n"
}

#[test]
fn errors_say_what_the_golden_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    // Read once, at the test's start.
    #[expect(clippy::disallowed_methods, reason = "a test's switch")]
    let update = std::env::var("UPDATE_GOLDEN").is_ok();
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    names.sort();
    assert!(!names.is_empty());
    for path in names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let said = said(&name, &fs::read_to_string(&path).unwrap());
        let golden = path.with_extension("txt");
        if update {
            fs::write(&golden, &said).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(said, expected, "{name} (UPDATE_GOLDEN=1 writes it anew)");
    }
}
