//! Links between the documents lead somewhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::page;

#[test]
fn links_of_the_documents_lead_to_files() {
    if page::is_update() {
        // They are being written at this moment.
        return;
    }
    let root = page::folder().join("../..");
    let mut documents = Vec::new();
    gather(&root.join("docs"), &mut documents);
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "ROADMAP.md", "CHANGELOG.md", "SECURITY.md"] {
        documents.push(root.join(name));
    }
    assert!(documents.len() > 10, "{documents:?}");
    let broken: Vec<_> = documents.iter().flat_map(|document| broken(document)).collect();
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

fn gather(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("docs is a folder") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            gather(&path, found);
        } else if path.extension().is_some_and(|it| it == "md") {
            found.push(path);
        }
    }
}

/// The links of a document that lead to no file, or to no heading of it.
fn broken(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).expect("a document is text");
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let own = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    let leads = |target: &str| {
        let (file, heading) = target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
        let path = if file.is_empty() { document.to_owned() } else { document.with_file_name(file) };
        let path = path.components().as_path().to_owned();
        path.exists() && heading.is_none_or(|heading| headings(&path).contains(&heading.to_owned()))
    };
    own.filter(|target| !leads(target)).map(|target| format!("{}: {target}", document.display())).collect()
}

/// The anchors of a document's headings, as GitHub makes them.
fn headings(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap_or_default();
    let headings = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    let anchor = |heading: &str| {
        let kept = heading.to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    headings.map(anchor).collect()
}
