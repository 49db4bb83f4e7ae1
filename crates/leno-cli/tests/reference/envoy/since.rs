//! Since when a field is supported: since the version that the page in the tree says, or since this one.

use std::{collections::HashMap, fs};

use crate::page;

/// The versions of a page.
pub(crate) struct Since(HashMap<(String, String), String>);

impl Since {
    /// Those of the page in the tree.
    pub(crate) fn read() -> Self {
        let page = fs::read_to_string(page::folder().join("envoy.md")).unwrap_or_default();
        let mut versions = HashMap::new();
        let mut message = String::new();
        for line in page.lines() {
            if let Some(heading) = line.strip_prefix("## `") {
                message = heading.trim_end_matches('`').to_owned();
            }
            let cells: Vec<_> = line.trim_start_matches("| ").split(" | ").collect();
            if let [field, _, _, since, ..] = cells[..]
                && let Some(field) = field.strip_prefix('`')
            {
                let key = (message.clone(), field.trim_end_matches('`').to_owned());
                versions.entry(key).or_insert_with(|| since.to_owned());
            }
        }
        Self(versions)
    }

    /// That of a field.
    pub(crate) fn of(&self, message: &str, field: &str) -> &str {
        let key = (message.to_owned(), field.to_owned());
        self.0.get(&key).map_or(env!("CARGO_PKG_VERSION"), String::as_str)
    }
}
