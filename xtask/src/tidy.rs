//! What lints cannot hold: which crate may use which, and how large a file may grow.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::run::{output, root};

/// Which of our crates each of our crates may use. A new edge is a decision: change this table and `ARCHITECTURE.md`
/// in a commit of its own.
const MAY_USE: [(&str, &[&str]); 24] = [
    ("leno-model", &[]),
    ("leno-proto", &[]),
    ("leno-http1", &[]),
    ("leno-http2", &[]),
    ("leno-runtime", &[]),
    ("leno-nft", &[]),
    ("leno-yaml", &[]),
    ("leno-engine", &["leno-model"]),
    ("leno-manifest", &["leno-model", "leno-yaml"]),
    ("leno-tls", &["leno-model"]),
    ("leno-api", &["leno-model"]),
    ("leno-xds", &["leno-proto", "leno-runtime"]),
    ("leno-ratelimit", &["leno-model", "leno-proto", "leno-runtime", "leno-yaml"]),
    ("leno-kube", &["leno-manifest"]),
    ("leno-source", &["leno-inject", "leno-kube", "leno-manifest", "leno-model", "leno-runtime", "leno-tls"]),
    ("leno-inject", &["leno-manifest", "leno-model"]),
    ("leno-compiler", &["leno-model", "leno-proto"]),
    ("leno-ca", &["leno-kube", "leno-model", "leno-proto", "leno-tls"]),
    (
        "leno-proxy",
        &[
            "leno-api",
            "leno-engine",
            "leno-http1",
            "leno-http2",
            "leno-model",
            "leno-nft",
            "leno-proto",
            "leno-runtime",
            "leno-tls",
            "leno-xds",
            "leno-yaml",
        ],
    ),
    (
        "leno-control",
        &[
            "leno-api",
            "leno-ca",
            "leno-compiler",
            "leno-kube",
            "leno-manifest",
            "leno-model",
            "leno-proto",
            "leno-ratelimit",
            "leno-runtime",
            "leno-source",
            "leno-tls",
            "leno-xds",
        ],
    ),
    (
        "leno-cli",
        &[
            "bookstore",
            "echo",
            "leno-api",
            "leno-ca",
            "leno-control",
            "leno-inject",
            "leno-kube",
            "leno-manifest",
            "leno-model",
            "leno-nft",
            "leno-proxy",
            "leno-ratelimit",
            "leno-runtime",
            "leno-source",
        ],
    ),
    ("bookstore", &[]),
    ("echo", &[]),
    ("xtask", &[]),
];

/// Code lines (no blanks, no comments, tests cut off) that a file may have.
const MAX_CODE_LINES: usize = 400;

/// Checks everything and reports all that is wrong at once.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut wrong = crate_graph()?;
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).context("read ARCHITECTURE.md")?;
    for (name, _) in MAY_USE {
        if name.starts_with("leno-") && !map.contains(&format!("`{name}`")) {
            wrong.push(format!("ARCHITECTURE.md does not name `{name}`"));
        }
    }
    for file in rust_files(&root())? {
        let text = std::fs::read_to_string(&file)?;
        let lines = code_lines(&text);
        let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        if lines > MAX_CODE_LINES && !is_test(&name) {
            wrong.push(format!("{name}: {lines} code lines, expected at most {MAX_CODE_LINES}; split it by idea"));
        }
        if !text.starts_with("//!") && !name.contains("/tests/") && !name.ends_with("build.rs") && !is_test(&name) {
            wrong.push(format!("{name}: no `//!` head that says what the file is for"));
        }
    }
    ensure!(wrong.is_empty(), "tidy:\n{}", wrong.join("\n"));
    Ok(())
}

/// Edges between our crates that the table does not have. Development dependencies are free.
fn crate_graph() -> anyhow::Result<Vec<String>> {
    let metadata = output(Command::new("cargo").args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let allowed: BTreeMap<_, _> = MAY_USE.into_iter().collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().context("metadata has packages")? {
        let name = package["name"].as_str().unwrap_or_default();
        let ours = package["dependencies"].as_array().into_iter().flatten();
        let ours = ours.filter(|dependency| dependency["path"].is_string() && dependency["kind"] != "dev");
        let used: Vec<_> = ours.filter_map(|dependency| dependency["name"].as_str()).collect();
        match allowed.get(name) {
            Some(may) => {
                let over = used.iter().filter(|used| !may.contains(used));
                wrong.extend(over.map(|used| format!("{name} uses {used}: not in the table of xtask/src/tidy.rs")));
            }
            None if used.is_empty() || name == "e2e" || name == "leno-fuzz" || name == "bench" => {}
            None => wrong.push(format!("{name}: not in the table of xtask/src/tidy.rs")),
        }
    }
    Ok(wrong)
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = output(Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"]))?;
    Ok(listed.lines().map(|line| folder.join(line)).filter(|file| file.exists()).collect())
}

fn is_test(name: &str) -> bool {
    name.starts_with("e2e/tests/")
        || name.contains("/tests/")
        || name.ends_with("/tests.rs")
        || name.starts_with("fuzz/")
        || name.contains("/generated/")
}

fn code_lines(text: &str) -> usize {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_tests_do_not_count() {
        let text = "//! Head.\n\n/// Doc.\nfn a() {\n    // why\n}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(code_lines(text), 2);
    }
}
