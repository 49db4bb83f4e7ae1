//! Pages of Markdown, and whether the ones in the tree are what they should be.

use std::{fmt::Write as _, fs, path::PathBuf};

/// What writes the pages anew.
const COMMAND: &str = "UPDATE_DOCS=1 cargo test -p leno-cli --test reference";

/// The folder of the pages.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference")
}

/// Whether pages are written anew.
#[expect(clippy::disallowed_methods, reason = "a test's switch")]
pub(crate) fn is_update() -> bool {
    std::env::var("UPDATE_DOCS").is_ok()
}

/// Compares a page with the file in the tree, or writes it.
pub(crate) fn check(name: &str, page: &str) {
    let page = format!("<!-- Printed from the code; do not edit. {COMMAND} -->\n\n{}\n", page.trim_end());
    let path = folder().join(name);
    if is_update() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    if found == page {
        return;
    }
    let same = found.lines().zip(page.lines()).take_while(|(found, expected)| found == expected).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_owned();
    panic!(
        "docs/reference/{name} is not what the code prints, from line {} on:\n- {}\n+ {}\nTo write it anew: {COMMAND}",
        same + 1,
        line(&found),
        line(&page)
    );
}

/// A table.
pub(crate) struct Table {
    text: String,
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut table = Self { text: String::new() };
        table.line(columns.iter().map(|column| (*column).to_owned()));
        table.line(columns.iter().map(|_| "---".to_owned()));
        table
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: &[&str]) {
        self.line(cells.iter().map(|cell| flat(cell).replace('|', "\\|")));
    }

    fn line(&mut self, cells: impl Iterator<Item = String>) {
        let cells: Vec<_> = cells.collect();
        writeln!(self.text, "| {} |", cells.join(" | ")).expect("a String takes everything");
    }

    /// The table in Markdown, with a blank line after it.
    pub(crate) fn markdown(self) -> String {
        self.text + "\n"
    }
}

/// A text as one line.
pub(crate) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Words as code, with commas between them.
pub(crate) fn codes<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(code).collect::<Vec<_>>().join(", ")
}

/// A word as code.
pub(crate) fn code(word: &str) -> String {
    format!("`{word}`")
}
