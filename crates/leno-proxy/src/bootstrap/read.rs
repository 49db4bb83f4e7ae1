//! Text to message, with places for what is wrong.

use leno_model::{Invalid, Location};
use leno_proto::{json, v3::bootstrap::Bootstrap as Proto};
use leno_yaml::{Mark, Node};

/// A file and what was read from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) node: &'a Node,
}

impl Place<'_> {
    /// Says where the field is that is wrong.
    pub(super) fn locate(&self, mut invalid: Invalid) -> Invalid {
        let mark = self.node.find(&invalid.field).mark;
        invalid.location = Some(Location { file: self.file.into(), line: mark.line, column: mark.column });
        invalid
    }
}

/// Something wrong with the file as a whole, or with a field of it.
pub(super) fn invalid(field: &str, value: impl Into<String>, expected: impl Into<String>) -> Box<Invalid> {
    Box::new(Invalid {
        location: None,
        object: None,
        field: field.to_owned(),
        value: value.into(),
        expected: expected.into(),
        fix: String::new(),
    })
}

/// The tree and the message of a text.
pub(super) fn message(file: &str, text: &str) -> Result<(Node, Proto), Vec<Invalid>> {
    let at = |mark: Mark, invalid: Box<Invalid>| Invalid {
        location: Some(Location { file: file.into(), line: mark.line, column: mark.column }),
        ..*invalid
    };
    let mut documents = leno_yaml::documents(text);
    let errors = documents.iter().flat_map(|document| &document.errors);
    let errors: Vec<_> =
        errors.map(|error| at(error.mark, invalid(&error.field, &error.found, &error.expected))).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let count = documents.len();
    let root = documents.pop().and_then(|document| document.root).filter(|_| count == 1);
    let Some(root) = root else {
        return Err(vec![at(Mark { line: 1, column: 1 }, invalid("", format!("{count} documents"), "one document"))]);
    };
    match json::read::<Proto>(&root.to_json()) {
        Ok(message) => Ok((root, message)),
        Err(error) => {
            let path = if error.path == "." { "" } else { &error.path };
            let found = root.find(path);
            let value = found.node.map_or("not as it should be".to_owned(), Node::shown);
            let wrong = invalid(path, value, format!("something else: {}", error.source));
            Err(vec![at(found.mark, wrong)])
        }
    }
}
