//! Which limit is meant by a descriptor: a tree for each domain, walked entry by entry.

mod read;

use std::collections::{BTreeMap, HashMap};

pub use read::{Text, read};

use crate::limit::Limit;

/// All that is limited. Immutable: a change makes a new one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    domains: BTreeMap<String, Branches>,
}

/// What can follow an entry.
#[derive(Clone, Debug, Default, PartialEq)]
struct Branches {
    /// By key.
    keys: HashMap<String, Values>,
}

/// The branches of one key.
#[derive(Clone, Debug, Default, PartialEq)]
struct Values {
    exact: HashMap<String, Branch>,
    /// Written `value: "start*"`; the longest that fits counts.
    prefixes: Vec<(String, Branch)>,
    /// Written without a value: fits any, each value is counted by itself.
    any: Option<Box<Branch>>,
}

/// A place in the tree.
#[derive(Clone, Debug, Default, PartialEq)]
struct Branch {
    rule: Option<Rule>,
    below: Branches,
}

/// What a place in the tree says.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The place: keys and the values written, e.g. `path=/a.user`.
    pub path: String,
    /// How much is allowed.
    pub allowed: Allowed,
    /// Whether what is over is only counted, and let pass.
    pub shadow: bool,
}

/// How much is allowed at a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Allowed {
    /// As much as anybody likes; it is not counted.
    Everything,
    /// So much.
    Only(Limit),
}

impl Allowed {
    /// The limit, where there is one.
    #[must_use]
    pub fn limit(&self) -> Option<&Limit> {
        match self {
            Self::Everything => None,
            Self::Only(limit) => Some(limit),
        }
    }
}

impl Rules {
    /// What is said about these entries (key, value): the rule at exactly their depth. `None`: nothing is.
    pub fn find<'e>(&self, domain: &str, entries: impl IntoIterator<Item = (&'e str, &'e str)>) -> Option<&Rule> {
        let mut branches = self.domains.get(domain)?;
        let mut found = None;
        for (key, value) in entries {
            let branch = branches.keys.get(key)?.fit(value)?;
            found = branch.rule.as_ref();
            branches = &branch.below;
        }
        found
    }

    /// The names of the domains.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.keys().map(String::as_str)
    }
}

impl Values {
    fn fit(&self, value: &str) -> Option<&Branch> {
        let prefix = || self.prefixes.iter().find(|(prefix, _)| value.starts_with(prefix)).map(|(_, branch)| branch);
        self.exact.get(value).or_else(prefix).or(self.any.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
domain: shop
descriptors:
- key: path
  value: /buy
  rate_limit: { unit: second, requests_per_unit: 5 }
  descriptors:
  - key: user
    rate_limit: { unit: minute, requests_per_unit: 10 }
  - key: user
    value: vip
    rate_limit: { unlimited: true }
- key: path
  value: /a*
  rate_limit: { unit: hour, requests_per_unit: 7 }
- key: path
  value: /a/b*
  shadow_mode: true
  rate_limit: { unit: day, requests_per_unit: 3 }
";

    fn rules() -> Rules {
        read(&[Text { name: "shop.yaml".into(), text: TEXT.into() }]).unwrap()
    }

    fn path(entries: &[(&str, &str)]) -> Option<String> {
        rules().find("shop", entries.iter().copied()).map(|rule| rule.path.clone())
    }

    #[test]
    fn the_rule_at_the_descriptors_own_depth_counts() {
        assert_eq!(path(&[("path", "/buy")]).as_deref(), Some("path=/buy"));
        assert_eq!(path(&[("path", "/buy"), ("user", "ann")]).as_deref(), Some("path=/buy.user"));
        assert_eq!(path(&[("path", "/buy"), ("user", "vip")]).as_deref(), Some("path=/buy.user=vip"));
        assert_eq!(path(&[("path", "/buy"), ("host", "x")]), None);
        assert_eq!(path(&[("path", "/buy"), ("user", "ann"), ("more", "x")]), None);
        assert_eq!(path(&[("user", "ann")]), None);
        assert_eq!(path(&[]), None);
        assert!(rules().find("other", [("path", "/buy")]).is_none());
    }

    #[test]
    fn the_longest_prefix_counts() {
        assert_eq!(path(&[("path", "/ac")]).as_deref(), Some("path=/a*"));
        assert_eq!(path(&[("path", "/a/bc")]).as_deref(), Some("path=/a/b*"));
        assert_eq!(path(&[("path", "/b")]), None);
    }

    #[test]
    fn what_is_unlimited_or_only_tried_out_says_so() {
        let rules = rules();
        let rule = rules.find("shop", [("path", "/buy"), ("user", "vip")]).unwrap();
        assert_eq!((&rule.allowed, rule.shadow), (&Allowed::Everything, false));
        let rule = rules.find("shop", [("path", "/a/b")]).unwrap();
        assert_eq!((rule.allowed.limit().map(|limit| limit.requests), rule.shadow), (Some(3), true));
    }
}
