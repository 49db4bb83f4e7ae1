//! What tells two versions of an object apart, for people.

use serde_json::Value;

/// The first field that is not the same, and what it was and is.
pub(super) fn first(path: &str, before: &Value, now: &Value) -> Option<String> {
    match (before, now) {
        _ if before == now => None,
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
            keys.sort();
            keys.into_iter().find_map(|key| first(&format!("{path}.{key}"), &before[key], &now[key]))
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            let mut pairs = old.iter().zip(new).enumerate();
            pairs.find_map(|(index, (old, new))| first(&format!("{path}[{index}]"), old, new))
        }
        _ => Some(format!("{path} was {before} and is {now}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_field_that_differs_is_named() {
        let one = json!({"service": "a", "backends": [{"weight": 1}, {"weight": 2}]});
        let other = json!({"service": "a", "backends": [{"weight": 1}, {"weight": 7}]});
        assert_eq!(first("spec", &one, &other).as_deref(), Some("spec.backends[1].weight was 2 and is 7"));
        let more = json!({"service": "a", "backends": []});
        assert!(first("spec", &one, &more).unwrap().starts_with("spec.backends was ["));
        assert_eq!(first("spec", &one, &one), None);
    }
}
