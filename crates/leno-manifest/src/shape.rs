//! Compares a tree with a schema: every wrong type, missing field and unknown field at once.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    problem::{Problems, nearest},
    schema::{Schema, Shape},
    yaml::{Content, Entry, Mark, Node, node::key_path, node::quoted},
};

/// What to do with fields that the schema does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// They are wrong.
    Refuse,
    /// They are reported as having no effect.
    Report,
}

/// Compares and gives the tree as JSON, without what is wrong or unknown; `None` when too little is left to read it.
pub(crate) fn compare(schema: &Schema, node: &Node, unknown: Unknown, problems: &mut Problems<'_>) -> Option<Value> {
    Comparison { unknown, problems }.value(schema, node, node.mark, "")
}

struct Comparison<'a, 'b> {
    unknown: Unknown,
    problems: &'a mut Problems<'b>,
}

impl Comparison<'_, '_> {
    fn value(&mut self, schema: &Schema, node: &Node, mark: Mark, path: &str) -> Option<Value> {
        match (&schema.shape, &node.content) {
            (Shape::Any, _) | (Shape::Bool, Content::Bool(..)) | (Shape::String, Content::String(_)) => {
                Some(node.to_json())
            }
            (Shape::IntOrString, Content::String(_)) => Some(node.to_json()),
            (Shape::IntOrString, Content::Int(value, _)) if i32::try_from(*value).is_ok() => Some(node.to_json()),
            (Shape::Int { min, max }, Content::Int(value, _)) if (min..=max).contains(&value) => Some(node.to_json()),
            (Shape::Enum(words), Content::String(text)) if words.contains(text) => Some(node.to_json()),
            (Shape::List(items), Content::List(nodes)) => {
                let values: Vec<_> = (0..)
                    .zip(nodes)
                    .map(|(index, node)| self.value(items, node, node.mark, &format!("{path}[{index}]")))
                    .collect();
                values.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
            }
            (Shape::Map(items), Content::Map(entries)) => Some(self.map(items, entries, path)),
            (Shape::Struct { fields, required }, Content::Map(entries)) => {
                self.fields((fields, required), entries, mark, path)
            }
            (Shape::OneOf { shapes, .. }, content) => {
                let same = |schema: &&Schema| match content {
                    Content::Map(_) => matches!(schema.shape, Shape::Map(_)),
                    Content::List(_) => matches!(schema.shape, Shape::List(_)),
                    Content::Null | Content::Bool(..) | Content::Int(..) | Content::Float(..) | Content::String(_) => {
                        false
                    }
                };
                match shapes.iter().find(same) {
                    Some(schema) => self.value(schema, node, mark, path),
                    None => self.wrong(&schema.shape, node, mark, path),
                }
            }
            (shape, _) => self.wrong(shape, node, mark, path),
        }
    }

    fn map(&mut self, items: &Schema, entries: &[Entry], path: &str) -> Value {
        let mut out = Map::new();
        for entry in entries {
            // A null in a map of texts is an empty text, as the API server reads it.
            if entry.value.content == Content::Null {
                if items.shape == Shape::String {
                    out.insert(entry.key.clone(), "".into());
                }
                continue;
            }
            if let Some(value) = self.value(items, &entry.value, entry.value.mark, &key_path(path, &entry.key)) {
                out.insert(entry.key.clone(), value);
            }
        }
        Value::Object(out)
    }

    fn fields(
        &mut self,
        (fields, required): (&BTreeMap<String, Schema>, &[String]),
        entries: &[Entry],
        mark: Mark,
        path: &str,
    ) -> Option<Value> {
        let mut out = Map::new();
        let mut sound = true;
        for entry in entries {
            let field = key_path(path, &entry.key);
            let Some(schema) = fields.get(&entry.key) else {
                self.unknown(fields, entry, path, &field);
                continue;
            };
            if entry.value.content == Content::Null {
                continue;
            }
            match self.value(schema, &entry.value, entry.value.mark, &field) {
                Some(value) => {
                    out.insert(entry.key.clone(), value);
                }
                None if required.contains(&entry.key) => sound = false,
                None => {}
            }
        }
        for name in required {
            let given = entries.iter().find(|entry| entry.key == *name);
            if given.is_none_or(|entry| entry.value.content == Content::Null) {
                let expected = fields.get(name).map_or_else(|| "a value".into(), |schema| schema.shape.expected());
                let place = given.map_or(mark, |entry| entry.mark);
                self.problems.add_at(place, &key_path(path, name), "missing", expected, "");
                sound = false;
            }
        }
        sound.then_some(Value::Object(out))
    }

    fn unknown(&mut self, fields: &BTreeMap<String, Schema>, entry: &Entry, path: &str, field: &str) {
        if path.is_empty() && matches!(entry.key.as_str(), "apiVersion" | "kind") {
            return;
        }
        let near = nearest(&entry.key, fields.keys().map(String::as_str)).map(str::to_owned);
        // Metadata is Kubernetes', also that of our own kinds.
        let in_metadata = path.starts_with("metadata");
        let report = self.unknown == Unknown::Report || in_metadata || (path.is_empty() && entry.key == "status");
        if report {
            // What an API server adds to everything is nobody's concern.
            let servers = in_metadata && matches!(entry.key.as_str(), "managedFields" | "finalizers" | "selfLink");
            if !servers && entry.key != "status" {
                self.problems.ignore(entry.mark, field, near);
            }
            return;
        }
        let names: Vec<_> = fields.keys().map(String::as_str).collect();
        let (expected, fix) = match near {
            Some(near) => ("a known field".to_owned(), format!("did you mean {near}?")),
            None if names.is_empty() => ("no field".to_owned(), String::new()),
            None => (format!("one of {}", names.join(", ")), String::new()),
        };
        self.problems.add_at(entry.mark, field, "an unknown field", expected, fix);
    }

    fn wrong(&mut self, shape: &Shape, node: &Node, mark: Mark, path: &str) -> Option<Value> {
        let fix = match (shape, &node.content) {
            (Shape::String, Content::Bool(_, text) | Content::Int(_, text) | Content::Float(_, text)) => {
                format!("write {}, in quotes", quoted(text))
            }
            (Shape::Enum(words), Content::String(text)) => {
                nearest(text, words.iter().map(String::as_str)).map(|word| format!("write {word}")).unwrap_or_default()
            }
            (Shape::Int { .. }, Content::String(text)) if text.parse::<i64>().is_ok() => {
                format!("write {text}, without quotes")
            }
            (Shape::List(_), Content::Map(_) | Content::String(_)) => "put `- ` before it".into(),
            _ => String::new(),
        };
        let found = self.problems_value(node, path);
        self.problems.add_at(mark, path, found, shape.expected(), fix);
        None
    }

    fn problems_value(&self, node: &Node, path: &str) -> String {
        if self.problems.hides(path) { "a value that is not shown".into() } else { node.shown() }
    }
}
