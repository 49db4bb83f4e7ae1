//! What the dependencies may be, as `deny.toml` says: `cargo deny` reads the same file where it is installed; this
//! check needs nothing but cargo.

use std::{collections::BTreeSet, process::Command};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::run::{output, root};

/// Holds licences, sources and bans.
pub(crate) fn check() -> anyhow::Result<()> {
    let deny: toml::Table = std::fs::read_to_string(root().join("deny.toml")).context("read deny.toml")?.parse()?;
    let allowed = strings(deny.get("licenses").and_then(|licenses| licenses.get("allow")));
    let metadata = output(Command::new("cargo").args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("metadata has packages")?;
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or("none stated");
        if !licence_allowed(licence, &(&allowed | &excepted(&deny, name))) {
            wrong.push(format!("{name}: licence {licence} is not in deny.toml's list"));
        }
        let source = package["source"].as_str().unwrap_or_default();
        if !source.is_empty() && !source.starts_with("registry+https://github.com/rust-lang/crates.io-index") {
            wrong.push(format!("{name}: comes from {source}, expected crates.io"));
        }
    }
    wrong.extend(banned(&deny)?);
    ensure!(wrong.is_empty(), "dependencies:\n{}", wrong.join("\n"));
    Ok(())
}

/// Crates of `[bans] deny` that a program links. Development dependencies may have them.
fn banned(deny: &toml::Table) -> anyhow::Result<Vec<String>> {
    let tree = output(Command::new("cargo").args([
        "tree",
        "--workspace",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--locked",
    ]))?;
    let linked: BTreeSet<_> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let bans = deny.get("bans").and_then(|bans| bans.get("deny")).and_then(toml::Value::as_array);
    let bans = bans.context("deny.toml has a list bans.deny")?;
    let names = bans.iter().filter_map(|ban| ban.get("crate").and_then(toml::Value::as_str));
    Ok(names.filter(|name| linked.contains(name)).map(|name| format!("{name}: banned by deny.toml")).collect())
}

/// Licences that deny.toml allows this crate alone.
fn excepted(deny: &toml::Table, name: &str) -> BTreeSet<String> {
    let exceptions = deny.get("licenses").and_then(|licenses| licenses.get("exceptions"));
    let exceptions = exceptions.and_then(toml::Value::as_array).into_iter().flatten();
    let mine = exceptions.filter(|exception| exception.get("crate").and_then(toml::Value::as_str) == Some(name));
    mine.flat_map(|exception| strings(exception.get("allow"))).collect()
}

fn strings(list: Option<&toml::Value>) -> BTreeSet<String> {
    let list = list.and_then(toml::Value::as_array);
    list.into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// Whether an SPDX expression can be met: any side of an OR, every side of an AND.
fn licence_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.trim();
    if let Some(inner) = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'))
        && !inner.contains('(')
    {
        return licence_allowed(inner, allowed);
    }
    if let Some(sides) = split_top(expression, " AND ") {
        return sides.iter().all(|side| licence_allowed(side, allowed));
    }
    if let Some(sides) = split_top(expression, " OR ") {
        return sides.iter().any(|side| licence_allowed(side, allowed));
    }
    allowed.contains(expression)
}

/// The parts between a word that stands outside parentheses; `None` when it stands nowhere.
fn split_top(expression: &str, word: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    for piece in expression.split(word) {
        let last = parts.last_mut()?;
        if last.matches('(').count() > last.matches(')').count() {
            last.push_str(word);
            last.push_str(piece);
        } else if last.is_empty() {
            last.push_str(piece);
        } else {
            parts.push(piece.to_owned());
        }
    }
    (parts.len() > 1).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_by_any_or_and_every_and() {
        let allowed: BTreeSet<_> = ["MIT", "Apache-2.0", "Unicode-3.0", "ISC"].map(str::to_owned).into();
        for met in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
            "ISC AND (Apache-2.0 OR ISC)",
        ] {
            assert!(licence_allowed(met, &allowed), "{met}");
        }
        for unmet in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-2.0 OR GPL-3.0) AND MIT", ""] {
            assert!(!licence_allowed(unmet, &allowed), "{unmet}");
        }
    }
}
