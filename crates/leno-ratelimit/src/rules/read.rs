//! YAML to rules, in the format that the ecosystem's reference implementation made usual:
//!
//! ```yaml
//! domain: shop
//! descriptors:
//! - key: path
//!   value: /buy              # none: any value, each counted by itself; "/a*": what begins so
//!   rate_limit: { unit: minute, requests_per_unit: 60, name: buying }   # or { unlimited: true }
//!   shadow_mode: false       # true: what is over is counted, and let pass
//!   descriptors: []          # further entries
//! ```

use leno_model::{Invalid, Location};
use leno_yaml::{Content, Mark, Node, node::key_path};

use super::{Allowed, Branch, Branches, Rule, Rules};
use crate::limit::{Limit, Unit};

/// A text and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// The file as the person named it.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// How deep descriptors may be nested.
const DEPTH: usize = 16;

/// A field that must be given.
struct Needed {
    field: &'static str,
    expected: &'static str,
}

const UNIT: Needed = Needed { field: "unit", expected: "second, minute, hour, day, week, month or year" };
const REQUESTS: Needed = Needed { field: "requests_per_unit", expected: "a whole number from 0 to 4294967295" };

/// Reads rules: each document is a domain.
///
/// # Errors
/// All that is wrong, in the order of the texts.
pub fn read(texts: &[Text]) -> Result<Rules, Vec<Invalid>> {
    let mut rules = Rules::default();
    let mut invalid = Vec::new();
    for text in texts {
        let mut reader = Reader { file: &text.name, invalid: &mut invalid };
        for document in leno_yaml::documents(&text.text) {
            for error in document.errors {
                reader.say(error.mark, &error.field, error.found, &error.expected);
            }
            if let Some(root) = document.root {
                reader.domain(&root, &mut rules);
            }
        }
    }
    if invalid.is_empty() { Ok(rules) } else { Err(invalid) }
}

struct Reader<'a> {
    file: &'a str,
    invalid: &'a mut Vec<Invalid>,
}

impl Reader<'_> {
    fn domain(&mut self, root: &Node, rules: &mut Rules) {
        self.known(root, "", &["domain", "descriptors"]);
        let name = self.text(root, "", "domain").unwrap_or_default();
        if name.is_empty() {
            self.say(root.mark, "domain", "missing".into(), "the name of the domain, as sidecars send it");
            return;
        }
        let mut branches = Branches::default();
        self.descriptors(root, "", &mut branches, "", 0);
        if rules.domains.insert(name.clone(), branches).is_some() {
            self.say(root.find("domain").mark, "domain", format!("{name:?} again"), "each domain once");
        }
    }

    /// The descriptors below a node.
    fn descriptors(&mut self, node: &Node, at: &str, into: &mut Branches, path: &str, depth: usize) {
        let Some(list) = node.get("descriptors") else { return };
        let at = key_path(at, "descriptors");
        let Some(items) = list.items() else {
            return self.say(list.mark, &at, list.shown(), "a list");
        };
        if depth >= DEPTH {
            return self.say(list.mark, &at, "nested deeper".into(), "at most 16 levels");
        }
        for (index, item) in items.iter().enumerate() {
            self.descriptor(item, &format!("{at}[{index}]"), into, path, depth);
        }
    }

    fn descriptor(&mut self, node: &Node, at: &str, into: &mut Branches, path: &str, depth: usize) {
        self.known(node, at, &["key", "value", "rate_limit", "shadow_mode", "descriptors"]);
        let Some(key) = self.text(node, at, "key").filter(|key| !key.is_empty()) else {
            return self.say(node.mark, &key_path(at, "key"), "missing".into(), "the key of the entry");
        };
        let value = self.text(node, at, "value").filter(|value| !value.is_empty());
        let step = value.as_ref().map_or_else(|| key.clone(), |value| format!("{key}={value}"));
        let path = if path.is_empty() { step } else { format!("{path}.{step}") };
        let shadow = self.truth(node, at, "shadow_mode");
        let mut branch = Branch::default();
        if let Some(limit) = node.get("rate_limit") {
            let at = key_path(at, "rate_limit");
            branch.rule = self.allowed(limit, &at).map(|allowed| Rule { path: path.clone(), allowed, shadow });
        } else if shadow {
            self.say(node.mark, &key_path(at, "shadow_mode"), "true".into(), "a rate_limit beside it to try out");
        }
        self.descriptors(node, at, &mut branch.below, &path, depth + 1);
        if !add(into, key, value, branch) {
            self.say(node.mark, at, format!("{path} again"), "each key and value once");
        }
    }

    fn allowed(&mut self, node: &Node, at: &str) -> Option<Allowed> {
        self.known(node, at, &["unit", "requests_per_unit", "unlimited", "name"]);
        let unlimited = self.truth(node, at, "unlimited");
        if unlimited {
            for field in ["unit", "requests_per_unit"] {
                if let Some(given) = node.get(field) {
                    self.say(given.mark, &key_path(at, field), given.shown(), "nothing beside unlimited: true");
                }
            }
            return Some(Allowed::Everything);
        }
        let unit = self.need(node, at, &UNIT, |node| node.as_str()?.parse::<Unit>().ok());
        let requests = self.need(node, at, &REQUESTS, |node| match node.content {
            Content::Int(number, _) => u32::try_from(number).ok(),
            Content::Null
            | Content::Bool(..)
            | Content::Float(..)
            | Content::String(_)
            | Content::List(_)
            | Content::Map(_) => None,
        });
        let name = self.text(node, at, "name").unwrap_or_default();
        Some(Allowed::Only(Limit { requests: requests?, unit: unit?, name }))
    }

    fn need<T>(&mut self, node: &Node, at: &str, needed: &Needed, read: impl Fn(&Node) -> Option<T>) -> Option<T> {
        let given = node.get(needed.field);
        let value = given.and_then(read);
        if value.is_none() {
            let (mark, shown) = given.map_or((node.mark, "missing".into()), |given| (given.mark, given.shown()));
            self.say(mark, &key_path(at, needed.field), shown, needed.expected);
        }
        value
    }

    fn text(&mut self, node: &Node, at: &str, field: &str) -> Option<String> {
        let value = node.get(field)?;
        match &value.content {
            Content::String(text) | Content::Bool(_, text) | Content::Int(_, text) | Content::Float(_, text) => {
                Some(text.clone())
            }
            Content::Null | Content::List(_) | Content::Map(_) => {
                self.say(value.mark, &key_path(at, field), value.shown(), "a text");
                None
            }
        }
    }

    fn truth(&mut self, node: &Node, at: &str, field: &str) -> bool {
        let Some(value) = node.get(field) else { return false };
        if let Content::Bool(truth, _) = value.content {
            return truth;
        }
        self.say(value.mark, &key_path(at, field), value.shown(), "true or false");
        false
    }

    /// Other fields would have no effect.
    fn known(&mut self, node: &Node, at: &str, known: &[&str]) {
        let Some(entries) = node.entries() else {
            return self.say(node.mark, at, node.shown(), "a map");
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let expected = format!("one of {}", known.join(", "));
            self.say(entry.mark, &key_path(at, &entry.key), "not a field of this service".into(), &expected);
        }
    }

    fn say(&mut self, mark: Mark, field: &str, value: String, expected: &str) {
        let location = Location { file: self.file.to_owned(), line: mark.line, column: mark.column };
        self.invalid.push(Invalid {
            location: Some(location),
            object: None,
            field: field.to_owned(),
            value,
            expected: expected.to_owned(),
            fix: String::new(),
        });
    }
}

/// Adds a branch; `false` when there is one already.
fn add(into: &mut Branches, key: String, value: Option<String>, branch: Branch) -> bool {
    let values = into.keys.entry(key).or_default();
    match value {
        None => values.any.replace(Box::new(branch)).is_none(),
        Some(value) => match value.strip_suffix('*') {
            None => values.exact.insert(value, branch).is_none(),
            Some(prefix) => {
                let again = values.prefixes.iter().any(|(other, _)| other == prefix);
                values.prefixes.push((prefix.to_owned(), branch));
                values.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
                !again
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrong(text: &str) -> String {
        let texts = [Text { name: "limits.yaml".into(), text: text.into() }];
        let invalid = read(&texts).unwrap_err();
        invalid.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_wrong_is_said_with_place_field_and_value() {
        let text = "domain: shop\ndescriptors:\n- key: a\n  rate_limit: { unit: fortnight, requests_per_unit: -1 }\n\
                    - value: b\n- key: a\n  quota_mode: true\n";
        assert_eq!(
            wrong(text),
            "limits.yaml:4:23 descriptors[0].rate_limit.unit is \"fortnight\", expected second, minute, hour, day, week, month or year\n\
             limits.yaml:4:53 descriptors[0].rate_limit.requests_per_unit is -1, expected a whole number from 0 to 4294967295\n\
             limits.yaml:5:3 descriptors[1].key is missing, expected the key of the entry\n\
             limits.yaml:7:3 descriptors[2].quota_mode is not a field of this service, expected one of key, value, rate_limit, shadow_mode, descriptors\n\
             limits.yaml:6:3 descriptors[2] is a again, expected each key and value once"
        );
        assert!(wrong("descriptors: []").contains("domain is missing"));
        assert!(wrong("domain: a\n---\ndomain: a").contains("domain is \"a\" again"));
        assert!(wrong("domain: a\ndescriptors: 5").contains("descriptors is 5, expected a list"));
        let both = "domain: a\ndescriptors: [{key: b, rate_limit: {unlimited: true, unit: day}}]";
        assert!(wrong(both).contains("rate_limit.unit is \"day\", expected nothing beside unlimited: true"));
        assert!(wrong("domain: a\ndescriptors: [{key: b, shadow_mode: true}]").contains("a rate_limit beside it"));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = (0..20).fold("[]".to_owned(), |below, _| format!("[{{key: k, descriptors: {below}}}]"));
        assert!(wrong(&format!("domain: a\ndescriptors: {deep}")).contains("expected at most 16 levels"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(domain: a\n)?(descriptors:\n)?([- ]{0,4}(key|value|rate_limit|unit): [a-z0-9*{}]{0,5}\n){0,6}") {
            drop(read(&[Text { name: "f".into(), text }]));
        }
    }
}
