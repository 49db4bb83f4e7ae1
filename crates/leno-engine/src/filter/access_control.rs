//! Who may ask for what.

use serde_json::{Map, Value};

use crate::authorization::{Rbac, Verdict};

/// Access rules of requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccessControl {
    /// The rules that are enforced; `None`: everything passes.
    pub rules: Option<Rbac>,
    /// Rules whose verdict is counted and logged only, to see beforehand what they would refuse.
    pub shadow: Option<Rbac>,
    /// What the names begin with under which that verdict is left for other filters.
    pub shadow_prefix: Box<str>,
}

impl AccessControl {
    /// What other filters find of the verdict of the rules that are only tried out: the policy that fits, and whether the
    /// request would pass.
    #[must_use]
    pub fn found(&self, verdict: &Verdict<'_>) -> Map<String, Value> {
        let (Verdict::Allowed(policy) | Verdict::Denied(policy)) = verdict;
        let name = |key: &str| format!("{}{key}", self.shadow_prefix);
        let result = if verdict.is_allowed() { "allowed" } else { "denied" };
        let policy = policy.map(|policy| (name("shadow_effective_policy_id"), Value::from(policy)));
        policy.into_iter().chain([(name("shadow_engine_result"), Value::from(result))]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_found_under_its_names() {
        let control = AccessControl { shadow_prefix: "a.".into(), ..AccessControl::default() };
        let found = |verdict| Value::Object(control.found(&verdict)).to_string();
        assert_eq!(
            found(Verdict::Allowed(Some("p"))),
            r#"{"a.shadow_effective_policy_id":"p","a.shadow_engine_result":"allowed"}"#
        );
        assert_eq!(found(Verdict::Denied(None)), r#"{"a.shadow_engine_result":"denied"}"#);
    }
}
