//! Where a message stands in a resource, and setting its fields there.

use prost_reflect::FieldDescriptor;
use serde_json::Value;

/// One step from a message into another.
#[derive(Clone, Debug)]
enum Step {
    Field(String),
    Index(usize),
    Key(String),
}

/// The way from a resource to a message in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place(Vec<Step>);

impl Place {
    /// The way to what a field holds: the first of several.
    pub(crate) fn to_field(&self, field: &FieldDescriptor, value: &Value) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Field(field.name().to_owned()));
        match value {
            Value::Array(_) if field.is_list() => steps.push(Step::Index(0)),
            Value::Object(entries) if field.is_map() => {
                let key = entries.keys().next().expect("a map that is tried has an entry");
                steps.push(Step::Key(key.clone()));
            }
            _ => {}
        }
        Self(steps)
    }

    /// The path of a field of the message, as refusals name it.
    pub(crate) fn path(&self, field: &str) -> String {
        let mut path = String::new();
        for step in self.0.iter().chain([&Step::Field(field.to_owned())]) {
            match step {
                Step::Field(name) if path.is_empty() => path.push_str(name),
                Step::Field(name) => path.push_str(&format!(".{name}")),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
                Step::Key(key) => path.push_str(&format!("[{key:?}]")),
            }
        }
        path
    }

    /// The path of the message itself.
    pub(crate) fn own_path(&self) -> String {
        self.path("").trim_end_matches('.').to_owned()
    }

    /// The resource with the message's field set, and with nothing in the other fields of its `oneof`.
    pub(crate) fn with(&self, resource: &Value, field: &FieldDescriptor, value: &Value) -> Value {
        let mut resource = resource.clone();
        let message = self.find(&mut resource).as_object_mut().expect("a message is an object");
        for other in field.containing_oneof().iter().flat_map(|oneof| oneof.fields().collect::<Vec<_>>()) {
            message.remove(other.name());
        }
        message.insert(field.name().to_owned(), value.clone());
        resource
    }

    /// The resource with these fields of the message set too; `/field` is one of the resource itself.
    pub(crate) fn beside(&self, resource: &Value, fields: &Value) -> Value {
        let mut resource = resource.clone();
        for (name, value) in fields.as_object().into_iter().flatten() {
            match name.strip_prefix('/') {
                Some(name) => resource[name] = value.clone(),
                None => self.find(&mut resource)[name] = value.clone(),
            }
        }
        resource
    }

    /// The resource in which the message is the only one of its list.
    pub(crate) fn alone(&self, resource: &Value) -> Value {
        let mut resource = resource.clone();
        if let Some(last) = self.0.iter().rposition(|step| matches!(step, Step::Index(_))) {
            let list = Self(self.0[..last].to_vec());
            if let Some(items) = list.find(&mut resource).as_array_mut() {
                items.truncate(1);
            }
        }
        resource
    }

    /// The resource with the message replaced.
    pub(crate) fn replaced(&self, resource: &Value, message: &Value) -> Value {
        let mut resource = resource.clone();
        *self.find(&mut resource) = message.clone();
        resource
    }

    fn find<'a>(&self, resource: &'a mut Value) -> &'a mut Value {
        let mut found = resource;
        for step in &self.0 {
            found = match step {
                Step::Field(name) | Step::Key(name) => &mut found[name.as_str()],
                Step::Index(index) => &mut found[*index],
            };
        }
        found
    }
}
