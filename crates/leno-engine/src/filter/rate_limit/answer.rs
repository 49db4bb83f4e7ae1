//! What a rate limit service says.

use serde_json::{Map, Value};

use super::LimitUnit;

/// What the service says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateLimitAnswer {
    /// Whether it is one too many.
    pub over: bool,
    /// How each descriptor stands.
    pub statuses: Vec<LimitStatus>,
    /// Headers of the answer.
    pub response: Vec<(String, Vec<u8>)>,
    /// Headers of a request that goes on.
    pub request: Vec<(String, Vec<u8>)>,
    /// The body of a refusal.
    pub body: Vec<u8>,
    /// What it found out.
    pub metadata: Map<String, Value>,
}

/// How a descriptor stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitStatus {
    /// Whether it is over its limit.
    pub over: bool,
    /// Its limit, in requests and the time that it is for; `None`: not said.
    pub limit: Option<(u32, LimitUnit)>,
    /// The limit's name; may be empty.
    pub name: Box<str>,
    /// How many requests are left.
    pub remaining: u32,
    /// In how many seconds it begins anew.
    pub reset: u64,
}

/// Headers with their values.
pub type Told = [(&'static str, String); 3];

/// The headers that tell the limit that is nearest ([draft 03]): limit, remaining and reset. `None`: no limit is said.
///
/// [draft 03]: https://datatracker.ietf.org/doc/html/draft-polli-ratelimit-headers-03
#[must_use]
pub fn told(statuses: &[LimitStatus]) -> Option<Told> {
    let limited = || statuses.iter().filter_map(|status| Some((status, status.limit?)));
    let (nearest, (requests, _)) = limited().min_by_key(|(status, _)| status.remaining)?;
    let mut limit = requests.to_string();
    for (status, (requests, unit)) in limited().filter(|(_, (_, unit))| *unit != LimitUnit::Unknown) {
        limit.push_str(&format!(", {requests};w={}", unit.seconds()));
        if !status.name.is_empty() {
            limit.push_str(&format!(";name=\"{}\"", status.name));
        }
    }
    Some([
        ("x-ratelimit-limit", limit),
        ("x-ratelimit-remaining", nearest.remaining.to_string()),
        ("x-ratelimit-reset", nearest.reset.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_limit_is_told_with_all_policies() {
        let status = |requests, unit, name: &str, remaining| LimitStatus {
            limit: Some((requests, unit)),
            name: name.into(),
            remaining,
            reset: 7,
            ..LimitStatus::default()
        };
        assert_eq!(told(&[LimitStatus::default()]), None);
        let told = told(&[
            status(10, LimitUnit::Minute, "", 9),
            status(1000, LimitUnit::Hour, "all", 5),
            status(1, LimitUnit::Unknown, "x", 8),
        ]);
        let told = told.unwrap().map(|(_, value)| value);
        assert_eq!(told, ["1000, 10;w=60, 1000;w=3600;name=\"all\"", "5", "7"]);
    }
}
