//! A tree with positions.

use serde_json::{Map, Value};

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub mark: Mark,
    /// What it is.
    pub content: Content,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Nothing.
    Null,
    /// `true` or `false`, with the text that was written for it (`yes`).
    Bool(bool, String),
    /// A whole number, with the text that was written for it (`0755`).
    Int(i128, String),
    /// Another number, with the text that was written for it.
    Float(f64, String),
    /// A text.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order written, every key once.
    Map(Vec<Entry>),
}

/// A key of a map and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key was written.
    pub mark: Mark,
    /// The value.
    pub value: Node,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The value; `None` when there is none.
    pub node: Option<&'a Node>,
    /// Where it was written, or where the nearest thing around it was.
    pub mark: Mark,
}

impl Node {
    /// The entries, if this is a map.
    #[must_use]
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.content {
            Content::Map(entries) => Some(entries),
            Content::Null
            | Content::Bool(..)
            | Content::Int(..)
            | Content::Float(..)
            | Content::String(_)
            | Content::List(_) => None,
        }
    }

    /// The entry with this key, if this is a map that has it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// The value of this key, if this is a map that has it and the value is not null.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value).filter(|value| value.content != Content::Null)
    }

    /// The value of this key to change, if this is a map that has it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.content {
            Content::Map(entries) => entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value),
            Content::Null
            | Content::Bool(..)
            | Content::Int(..)
            | Content::Float(..)
            | Content::String(_)
            | Content::List(_) => None,
        }
    }

    /// The text, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::String(text) => Some(text),
            Content::Null
            | Content::Bool(..)
            | Content::Int(..)
            | Content::Float(..)
            | Content::List(_)
            | Content::Map(_) => None,
        }
    }

    /// The items, if this is a list.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match &self.content {
            Content::List(items) => Some(items),
            Content::Null
            | Content::Bool(..)
            | Content::Int(..)
            | Content::Float(..)
            | Content::String(_)
            | Content::Map(_) => None,
        }
    }

    /// How many nodes the tree has.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.content {
            Content::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Content::Map(entries) => 1 + entries.iter().map(|entry| entry.value.size()).sum::<usize>(),
            Content::Null | Content::Bool(..) | Content::Int(..) | Content::Float(..) | Content::String(_) => 1,
        }
    }

    /// How many levels the tree has; 0 for a scalar.
    #[must_use]
    pub fn depth(&self) -> usize {
        match &self.content {
            Content::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Content::Map(entries) => 1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
            Content::Null | Content::Bool(..) | Content::Int(..) | Content::Float(..) | Content::String(_) => 0,
        }
    }

    /// What a path such as `spec.ports[1].name` or `metadata.labels["a.b/c"]` leads to.
    #[must_use]
    pub fn find(&self, path: &str) -> Found<'_> {
        let mut found = Found { node: Some(self), mark: self.mark };
        for step in steps(path) {
            let Some(node) = found.node else { break };
            match step {
                Step::Index(index) => {
                    found.node = node.items().and_then(|items| items.get(index));
                    found.mark = found.node.map_or(found.mark, |node| node.mark);
                }
                Step::Key(key) => {
                    let entry = node.entry(&key);
                    found.node = entry.map(|entry| &entry.value).filter(|value| value.content != Content::Null);
                    // Nothing was written for a null: its key is where it is.
                    found.mark = match (entry, found.node) {
                        (_, Some(node)) => node.mark,
                        (Some(entry), None) => entry.mark,
                        (None, None) => found.mark,
                    };
                }
            }
        }
        found
    }

    /// The value as people would write it in one line, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.content {
            Content::Null => "missing".into(),
            Content::Bool(_, text) | Content::Int(_, text) | Content::Float(_, text) => text.clone(),
            Content::String(text) => quoted(text),
            Content::List(items) if items.is_empty() => "an empty list".into(),
            Content::List(_) => "a list".into(),
            Content::Map(_) => "a map".into(),
        }
    }

    /// A value that was not written in a text: all its positions are 0.
    #[must_use]
    pub fn from_json(value: Value) -> Self {
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(value, value.to_string()),
            Value::Number(number) => match number.as_i128() {
                Some(value) => Content::Int(value, number.to_string()),
                None => Content::Float(number.as_f64().unwrap_or(f64::NAN), number.to_string()),
            },
            Value::String(text) => Content::String(text),
            Value::Array(items) => Content::List(items.into_iter().map(Self::from_json).collect()),
            Value::Object(map) => {
                let entry = |(key, value)| Entry { key, mark: Mark::default(), value: Self::from_json(value) };
                Content::Map(map.into_iter().map(entry).collect())
            }
        };
        Self { mark: Mark::default(), content }
    }

    /// The same without positions; nulls are left out of maps, as Kubernetes does it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value, _) => Value::Bool(*value),
            Content::Int(value, text) => integer(*value).unwrap_or_else(|| Value::String(text.clone())),
            Content::Float(value, _) => serde_json::Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Content::String(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Content::Map(entries) => {
                let given = entries.iter().filter(|entry| entry.value.content != Content::Null);
                Value::Object(given.map(|entry| (entry.key.clone(), entry.value.to_json())).collect::<Map<_, _>>())
            }
        }
    }
}

fn integer(value: i128) -> Option<Value> {
    i64::try_from(value).map(Value::from).or_else(|_| u64::try_from(value).map(Value::from)).ok()
}

/// A text in quotes, cut when it is long.
#[must_use]
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start:?}…")
}

/// One step of a path.
enum Step {
    Key(String),
    Index(usize),
}

/// The steps of a path. What cannot be read as a step ends it.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if rest.is_empty() {
            return steps;
        }
        if let Some(bracket) = rest.strip_prefix("[\"") {
            let Some((key, after)) = bracket.split_once("\"]") else {
                return steps;
            };
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else if let Some(bracket) = rest.strip_prefix('[') {
            let Some((index, after)) = bracket.split_once(']') else {
                return steps;
            };
            let Ok(index) = index.parse() else {
                return steps;
            };
            steps.push(Step::Index(index));
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        }
    }
}

/// The path of a key of the map at `path`.
#[must_use]
pub fn key_path(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '$'));
    match (plain, path) {
        (true, "") => key.to_owned(),
        (true, path) => format!("{path}.{key}"),
        (false, path) => format!("{path}[\"{key}\"]"),
    }
}
