//! What a request asks about, and what the counts mean for it. No clock, no I/O.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use leno_proto::envoy::{
    extensions::common::ratelimit::v3::RateLimitDescriptor,
    service::ratelimit::v3::{
        RateLimitRequest,
        rate_limit_response::{Code, DescriptorStatus, RateLimit},
    },
};

use crate::{
    counter::{Hits, Key},
    limit::{Limit, Unit},
    rules::Rules,
};

/// The path that overrides are counted under in metrics.
pub(crate) const OVERRIDE: &str = "override";

/// What one descriptor of a request means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// Where its limit stands, for metrics; empty when nothing is said about it.
    pub(crate) path: String,
    /// Its limit and what is counted for it; `None`: it is let pass.
    pub(crate) counted: Option<(Limit, Hits)>,
    /// Whether what is over is let pass all the same.
    pub(crate) shadow: bool,
}

/// What each descriptor of a request means at `now` (seconds since the epoch).
pub(crate) fn asked(rules: &Rules, request: &RateLimitRequest, now: u64) -> Vec<Asked> {
    let count = if request.hits_addend == 0 { 1 } else { u64::from(request.hits_addend) };
    request.descriptors.iter().map(|descriptor| one(rules, &request.domain, descriptor, count, now)).collect()
}

fn one(rules: &Rules, domain: &str, descriptor: &RateLimitDescriptor, count: u64, now: u64) -> Asked {
    let entries = || descriptor.entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_str()));
    let count = descriptor.hits_addend.as_ref().map_or(count, |own| own.value);
    let (path, limit, shadow) = match override_of(descriptor) {
        Some(limit) => (OVERRIDE.to_owned(), Some(limit), false),
        None => match rules.find(domain, entries()) {
            Some(rule) => (rule.path.clone(), rule.allowed.limit().cloned(), rule.shadow),
            None => (String::new(), None, false),
        },
    };
    let counted = limit.map(|limit| {
        let seconds = limit.unit.seconds();
        let key = Key { what: what(domain, entries()), start: now - now % seconds, seconds };
        (limit, Hits { key, count })
    });
    Asked { path, counted, shadow }
}

/// The limit that came with the descriptor.
fn override_of(descriptor: &RateLimitDescriptor) -> Option<Limit> {
    let limit = descriptor.limit.as_ref()?;
    let unit = Unit::of_override(limit.unit())?;
    Some(Limit { requests: limit.requests_per_unit, unit, name: String::new() })
}

/// How many bytes of text are remembered as they are.
const LONGEST: usize = 256;

/// A text, or in the place of a long one its digest: what comes in headers and paths is as long as callers please. Nobody
/// finds another text with the same.
pub(crate) fn bounded(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return text;
    }
    let digits = digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("sha256:{digits}").into()
}

/// Domain and entries in one text: lengths keep `a`, `bc` and `ab`, `c` apart. It begins with a number, as no digest does.
fn what<'e>(domain: &str, entries: impl Iterator<Item = (&'e str, &'e str)>) -> String {
    let mut what = format!("{}:{domain}", domain.len());
    for (key, value) in entries {
        what += &format!(":{}:{key}:{}:{value}", key.len(), value.len());
    }
    bounded(what.into()).into_owned()
}

/// What is answered about a descriptor of which there were `count` hits.
pub(crate) fn status(limit: &Limit, hits: &Hits, count: u64, shadow: bool, now: u64) -> DescriptorStatus {
    let allowed = u64::from(limit.requests);
    let over = count > allowed && !shadow;
    let current = RateLimit {
        name: limit.name.clone(),
        requests_per_unit: limit.requests,
        unit: limit.unit.of_response().into(),
    };
    let rest = (hits.key.start + hits.key.seconds).saturating_sub(now);
    DescriptorStatus {
        code: if over { Code::OverLimit } else { Code::Ok }.into(),
        current_limit: Some(current),
        limit_remaining: u32::try_from(allowed.saturating_sub(count)).unwrap_or(u32::MAX),
        duration_until_reset: Some(leno_proto::google::protobuf::Duration {
            seconds: i64::try_from(rest).unwrap_or(i64::MAX),
            nanos: 0,
        }),
        quota: None,
    }
}

/// What is answered about a descriptor that nothing limits.
pub(crate) fn unlimited() -> DescriptorStatus {
    DescriptorStatus { code: Code::Ok.into(), ..DescriptorStatus::default() }
}

#[cfg(test)]
mod tests {
    use leno_proto::{
        envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::{Entry, RateLimitOverride},
        google::protobuf::UInt64Value,
    };

    use super::*;
    use crate::rules::{Text, read};

    const TEXT: &str = "domain: shop\ndescriptors: [{key: user, rate_limit: {unit: minute, requests_per_unit: 3}}]";

    fn descriptor(entries: &[(&str, &str)]) -> RateLimitDescriptor {
        let entry = |(key, value): &(&str, &str)| Entry { key: (*key).into(), value: (*value).into() };
        RateLimitDescriptor { entries: entries.iter().map(entry).collect(), ..Default::default() }
    }

    fn ask(descriptor: RateLimitDescriptor, hits_addend: u32) -> Asked {
        let rules = read(&[Text { name: "f".into(), text: TEXT.into() }]).unwrap();
        let request = RateLimitRequest { domain: "shop".into(), descriptors: vec![descriptor], hits_addend };
        asked(&rules, &request, 125).remove(0)
    }

    #[test]
    fn each_value_has_windows_of_its_own_that_begin_with_the_unit() {
        let (ann, bob) = (ask(descriptor(&[("user", "ann")]), 0), ask(descriptor(&[("user", "bob")]), 0));
        let (limit, hits) = ann.counted.clone().unwrap();
        assert_eq!((limit.requests, hits.count, hits.key.start, hits.key.seconds), (3, 1, 120, 60));
        assert_ne!(ann.counted, bob.counted);
        assert_eq!(ask(descriptor(&[("host", "x")]), 0).counted, None);
    }

    #[test]
    fn the_descriptors_own_hits_and_limit_win() {
        let mut own = descriptor(&[("user", "ann")]);
        own.hits_addend = Some(UInt64Value { value: 7 });
        assert_eq!(ask(own.clone(), 4).counted.unwrap().1.count, 7);
        own.hits_addend = None;
        assert_eq!(ask(own.clone(), 4).counted.unwrap().1.count, 4);
        own.limit = Some(RateLimitOverride { requests_per_unit: 9, unit: 1 });
        let asked = ask(own, 0);
        assert_eq!((asked.path.as_str(), asked.counted.unwrap().0.requests), (OVERRIDE, 9));
    }

    #[test]
    fn keys_are_unambiguous() {
        let text = |entries: &[(&str, &str)]| what("d", entries.iter().copied());
        assert_ne!(text(&[("a", "bc")]), text(&[("ab", "c")]));
        assert_ne!(text(&[("a", "b"), ("c", "d")]), text(&[("a", "b:1:c:1:d")]));
    }

    #[test]
    fn long_keys_are_short_and_still_apart() {
        let (long, other) = ("v".repeat(100_000), format!("{}w", "v".repeat(99_999)));
        let text = |domain: &str, value: &str| what(domain, [("path", value)].into_iter());
        assert_eq!(text("d", &long), text("d", &long));
        assert!(text("d", &long).len() < 100 && text("d", &long).starts_with("sha256:"));
        assert_ne!(text("d", &long), text("d", &other));
        assert_ne!(text("d", &long), text("e", &long));
        let rim = "v".repeat(LONGEST - what("d", [("path", "")].into_iter()).len() - 2);
        assert!(text("d", &rim).ends_with(&rim), "what fits is kept as it is");
        assert_eq!(
            bounded("abc".repeat(100).into()),
            "sha256:d9f5aeb06abebb3be3f38adec9a2e3b94228d52193be923eb4e24c9b56ee0930"
        );
    }

    #[test]
    fn what_is_over_is_told_with_what_is_left() {
        let (limit, hits) = ask(descriptor(&[("user", "ann")]), 0).counted.unwrap();
        let at = |count, shadow| status(&limit, &hits, count, shadow, 125);
        assert_eq!((at(3, false).code(), at(3, false).limit_remaining), (Code::Ok, 0));
        assert_eq!((at(4, false).code(), at(4, true).code()), (Code::OverLimit, Code::Ok));
        assert_eq!(at(1, false).limit_remaining, 2);
        assert_eq!(at(1, false).duration_until_reset.unwrap().seconds, 55);
    }
}
