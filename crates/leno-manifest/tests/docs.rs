//! Every manifest in `docs` is sound.

use std::{fs, path::Path};

use leno_manifest::read;

/// The blocks of YAML of a page.
fn blocks(page: &str) -> Vec<String> {
    let parts = page.split("```yaml\n").skip(1);
    parts.filter_map(|part| Some(part.split_once("```")?.0.to_owned())).collect()
}

#[test]
fn manifests_of_the_pages_are_read_without_a_remark() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut count = 0;
    for folder in ["tasks", "reference", "concepts"] {
        for entry in fs::read_dir(top.join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let page = fs::read_to_string(&entry).unwrap();
            // Others are the configuration of a proxy.
            let is_manifest = |block: &String| block.lines().any(|line| line.starts_with("apiVersion:"));
            for block in blocks(&page).into_iter().filter(is_manifest) {
                let reading = read(&name, &block);
                assert_eq!(reading.invalid, [], "{name}: {block}");
                assert!(!reading.manifests.is_empty(), "{name}: {block}");
                count += reading.manifests.len();
            }
        }
    }
    assert!(count > 20, "{count}");
}
