//! Gathers what is wrong with an object and what of it is not used.

use std::fmt;

use leno_model::{Invalid, Location, ObjectRef};
use serde::{Deserialize, Serialize};

use crate::yaml::{Mark, Node};

/// A field that Leno does not use. Nothing is wrong with it on Kubernetes, but it has no effect here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Where it was written.
    pub location: Location,
    /// The object.
    pub object: ObjectRef,
    /// The path of the field; empty when the whole object is meant.
    pub field: String,
    /// The field that was probably meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.location, self.object, if self.field.is_empty() { "it" } else { &self.field })?;
        match &self.nearest {
            Some(nearest) => write!(f, " is not known and has no effect; did you mean {nearest}?"),
            None => write!(f, " is not used by Leno and has no effect"),
        }
    }
}

/// What is wrong with one object, gathered.
pub(crate) struct Problems<'a> {
    file: &'a str,
    object: ObjectRef,
    root: &'a Node,
    pub(crate) invalid: Vec<Invalid>,
    pub(crate) ignored: Vec<Ignored>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(file: &'a str, object: ObjectRef, root: &'a Node) -> Self {
        Self { file, object, root, invalid: Vec::new(), ignored: Vec::new() }
    }

    /// The value of this field is not what is expected.
    pub(crate) fn add(&mut self, field: &str, expected: impl Into<String>, fix: impl Into<String>) {
        let found = self.root.find(field);
        let value = match found.node {
            None => "missing".to_owned(),
            Some(_) if self.hides(field) => "a value that is not shown".to_owned(),
            Some(node) => node.shown(),
        };
        self.add_at(found.mark, field, value, expected, fix);
    }

    /// The same, when the value is better said in other words.
    pub(crate) fn add_value(
        &mut self,
        field: &str,
        value: impl Into<String>,
        expected: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add_at(self.root.find(field).mark, field, value, expected, fix);
    }

    /// The same at a place of its own.
    pub(crate) fn add_at(
        &mut self,
        mark: Mark,
        field: &str,
        value: impl Into<String>,
        expected: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.invalid.push(Invalid {
            location: Some(location(self.file, mark)),
            object: Some(self.object.clone()),
            field: field.to_owned(),
            value: value.into(),
            expected: expected.into(),
            fix: fix.into(),
        });
    }

    /// Of the fields of `field` exactly one must be given.
    pub(crate) fn exactly_one(&mut self, given: &[bool], field: &str, names: &str) {
        let count = given.iter().filter(|given| **given).count();
        if count != 1 {
            let found = if count == 0 { "without any" } else { "given with several" };
            self.add_value(field, found, format!("exactly one of {names}"), "");
        }
    }

    /// This field is not used.
    pub(crate) fn ignore(&mut self, mark: Mark, field: &str, nearest: Option<String>) {
        let location = location(self.file, mark);
        self.ignored.push(Ignored { location, object: self.object.clone(), field: field.to_owned(), nearest });
    }

    /// Whether the values of this field must not be shown.
    pub(crate) fn hides(&self, field: &str) -> bool {
        self.object.kind == "Secret" && (field.starts_with("data") || field.starts_with("stringData"))
    }
}

/// A place in a file.
pub(crate) fn location(file: &str, mark: Mark) -> Location {
    Location { file: file.to_owned(), line: mark.line, column: mark.column }
}

/// The word of `known` that is nearest to `word`, if it is near enough to have been meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = match word.len() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    let lower = word.to_lowercase();
    let distances = known.into_iter().map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate));
    distances.filter(|(distance, _)| *distance <= allowed).min().map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken away, changed or swapped with their neighbour to make one of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let (mut before, mut above): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=to.len()).collect());
    let mut previous = None;
    for (row, letter) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let change = above[column] + usize::from(letter != *other);
            let mut best = change.min(above[column + 1] + 1).min(current[column] + 1);
            let swapped = column > 0 && previous == Some(*other) && to[column - 1] == letter;
            if swapped && let Some(diagonal) = before.get(column - 1) {
                best = best.min(diagonal + 1);
            }
            current.push(best);
        }
        previous = Some(letter);
        before = std::mem::replace(&mut above, current);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_slips_of_the_pen_only() {
        let known = ["spec", "backends", "matches", "weight", "replicas"];
        assert_eq!(nearest("backend", known), Some("backends"));
        assert_eq!(nearest("wieght", known), Some("weight"));
        assert_eq!(nearest("Replicas", known), Some("replicas"));
        assert_eq!(nearest("volumes", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(distance("abcd", "acbd"), 1);
    }
}
