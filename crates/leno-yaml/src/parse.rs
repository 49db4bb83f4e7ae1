//! Text to trees.

use crate::{Content, Entry, Mark, Node, build::Builder, scalar};

/// The longest text that is read, in bytes. (The API server stops at 3 MiB an object.)
const MAX_BYTES: usize = 16 << 20;
/// What was wrong with a text.
#[derive(Clone, Debug, PartialEq)]
pub struct SyntaxError {
    /// Where.
    pub mark: Mark,
    /// The field; empty when none can be told.
    pub field: String,
    /// What was found.
    pub found: String,
    /// What would have been right.
    pub expected: String,
}

/// One document of a text.
#[derive(Debug)]
pub struct Document {
    /// Its tree; `None` when it could not be read at all.
    pub root: Option<Node>,
    /// What was wrong with it.
    pub errors: Vec<SyntaxError>,
}

/// The documents of a text: each is read even when another one is broken. Empty ones are left out.
#[must_use]
pub fn documents(text: &str) -> Vec<Document> {
    if text.len() > MAX_BYTES {
        let mark = Mark { line: 1, column: 1 };
        let found = format!("{} bytes long", text.len());
        let error = SyntaxError { mark, field: String::new(), found, expected: format!("at most {MAX_BYTES} bytes") };
        return vec![Document { root: None, errors: vec![error] }];
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    split(text).into_iter().flat_map(|(line, chunk)| chunk_documents(chunk, line)).collect()
}

/// Cuts a text before every line that starts a document, so that one broken document does not hide the others. Such a
/// line cannot be part of anything else (YAML 1.2 section 9.1.2). Gives each piece and the number of lines before it.
fn split(text: &str) -> Vec<(u32, &str)> {
    let mut pieces = Vec::new();
    let (mut start, mut start_line, mut at, mut directive) = (0, 0, 0, false);
    for (number, line) in (0_u32..).zip(text.split_inclusive('\n')) {
        let rest = line.strip_prefix("---");
        let starts = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if starts && !directive && at > start {
            pieces.push((start_line, &text[start..at]));
            (start, start_line) = (at, number);
        }
        // `%YAML` and `%TAG` belong to the document that follows them.
        directive = line.starts_with('%') || (directive && !starts);
        at += line.len();
    }
    pieces.push((start_line, &text[start..]));
    pieces
}

fn chunk_documents(chunk: &str, lines_before: u32) -> Vec<Document> {
    let mut builder = Builder::new(lines_before);
    let outcome = builder.run(chunk);
    let mut documents = builder.documents;
    if let Err(error) = outcome {
        // JSON that is no YAML: escapes of surrogate pairs, tabs.
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(chunk) {
            let mark = Mark { line: lines_before + 1, column: 1 };
            return vec![Document { root: Some(from_json(&value, mark)), errors: Vec::new() }];
        }
        documents.push(Document { root: None, errors: vec![error] });
    }
    documents
}

fn from_json(value: &serde_json::Value, mark: Mark) -> Node {
    use serde_json::Value;
    let content = match value {
        Value::Null => Content::Null,
        Value::Bool(value) => Content::Bool(*value, value.to_string()),
        Value::Number(number) => scalar::resolve(&number.to_string()),
        Value::String(text) => Content::String(text.clone()),
        Value::Array(items) => Content::List(items.iter().map(|item| from_json(item, mark)).collect()),
        Value::Object(map) => {
            let entry =
                |(key, value): (&String, &Value)| Entry { key: key.clone(), mark, value: from_json(value, mark) };
            Content::Map(map.iter().map(entry).collect())
        }
    };
    Node { mark, content }
}
