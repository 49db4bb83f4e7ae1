//! What is wrong with what a person wrote.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ObjectRef;

/// Where in a file something was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// The file as the person named it; empty when the object did not come from a file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong in an object, with all that is needed to mend it. The same text appears in the command
/// line, in status conditions, in refusals of configuration and in logs:
///
/// `mesh.yaml:14:9 TrafficSplit shop/cart: spec.backends[1].weight is -5, expected an integer from 0 up; write 0 to
/// send it nothing`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Invalid {
    /// Where it was written, if it came from a file.
    pub location: Option<Location>,
    /// The object; `None` when the text could not be read as an object at all.
    pub object: Option<ObjectRef>,
    /// The path of the field, e.g. `spec.backends[1].weight`; empty when the whole object is meant.
    pub field: String,
    /// The value found, as written; `missing` when there is none.
    pub value: String,
    /// What would have been right, e.g. `an integer from 0 up`.
    pub expected: String,
    /// What to do about it; empty when `expected` says it all.
    pub fix: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location} ")?;
        }
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        let field = if self.field.is_empty() { "it" } else { &self.field };
        write!(f, "{field} is {}, expected {}", self.value, self.expected)?;
        if !self.fix.is_empty() {
            write!(f, "; {}", self.fix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_place_object_field_value_expectation_and_fix() {
        let invalid = Invalid {
            location: Some(Location { file: "mesh.yaml".into(), line: 14, column: 9 }),
            object: Some(ObjectRef::new("TrafficSplit", "shop", "cart")),
            field: "spec.backends[1].weight".into(),
            value: "-5".into(),
            expected: "an integer from 0 up".into(),
            fix: "write 0 to send it nothing".into(),
        };
        assert_eq!(
            invalid.to_string(),
            "mesh.yaml:14:9 TrafficSplit shop/cart: spec.backends[1].weight is -5, expected an integer from 0 up; \
             write 0 to send it nothing"
        );
    }
}
