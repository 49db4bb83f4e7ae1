//! Which buckets a request takes tokens from: those of its descriptors, and the one of all requests.
//!
//! ```text
//! descriptors of the request ─► fixed: the same keys and values          ─► bucket
//!                           └─► wildcards: the same keys, any of a value ─► a bucket for each value, the last used ones
//! ```

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{TokenBucket, rate_limit::Descriptor};
use crate::lru::Lru;

/// The keys and values of a descriptor.
pub type Entries = Vec<(String, String)>;

/// The buckets of a limit, shared by all workers.
#[derive(Debug)]
pub struct Limiter {
    /// That of all requests; `None`: they are not limited together.
    pub all: Option<TokenBucket>,
    /// Those of descriptors with these keys and values.
    fixed: HashMap<Entries, Arc<TokenBucket>>,
    /// Those of descriptors of which some values are any.
    wildcards: Vec<Wildcard>,
    /// Whether a request that has a descriptor's bucket takes from that of all as well.
    pub always: bool,
}

/// Descriptors that get a bucket for each of their values.
#[derive(Debug)]
struct Wildcard {
    /// Keys and values; an empty value is any.
    entries: Entries,
    /// What they begin with.
    full: TokenBucket,
    most: usize,
    known: Mutex<Lru<Entries, Arc<TokenBucket>>>,
    /// Tells long values apart.
    hash: RandomState,
}

/// What buckets say to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether there was a token in each of them.
    pub passed: bool,
    /// The limit that is told; `None`: there is none.
    pub told: Option<Remaining>,
}

/// How a bucket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// The most it holds.
    pub limit: u32,
    /// Its whole tokens.
    pub tokens: u32,
    /// How long until the next one, if there is none.
    pub wait: Duration,
    /// Whether this is told; `None`: as the filter says.
    pub tells: Option<bool>,
}

impl Limiter {
    /// Buckets of all requests and of these descriptors, of which empty values are any; of those at most `most` values are
    /// kept for each.
    #[must_use]
    pub fn new(all: Option<TokenBucket>, descriptors: Vec<(Entries, TokenBucket)>, most: usize, always: bool) -> Self {
        let (mut fixed, mut wildcards) = (HashMap::new(), Vec::new());
        for (entries, bucket) in descriptors {
            if entries.iter().any(|(_, value)| value.is_empty()) {
                let known = Mutex::new(Lru::new(most));
                wildcards.push(Wildcard { entries, full: bucket, most, known, hash: RandomState::new() });
            } else {
                fixed.insert(entries, Arc::new(bucket));
            }
        }
        Self { all, fixed, wildcards, always }
    }

    /// Whether there are no buckets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_none() && !self.has_descriptors()
    }

    /// Whether it matters which descriptors a request has.
    #[must_use]
    pub fn has_descriptors(&self) -> bool {
        !self.fixed.is_empty() || !self.wildcards.is_empty()
    }

    /// The same with full buckets.
    #[must_use]
    pub fn fresh(&self) -> Self {
        let fixed = self.fixed.iter().map(|(entries, bucket)| (entries.clone(), Arc::new(bucket.fresh())));
        let wildcards = self.wildcards.iter().map(|wildcard| Wildcard {
            entries: wildcard.entries.clone(),
            full: wildcard.full.fresh(),
            most: wildcard.most,
            known: Mutex::new(Lru::new(wildcard.most)),
            hash: RandomState::new(),
        });
        Self {
            all: self.all.as_ref().map(TokenBucket::fresh),
            fixed: fixed.collect(),
            wildcards: wildcards.collect(),
            always: self.always,
        }
    }

    /// Takes tokens for a request: from the slowest bucket first, and none after the first that has too few.
    pub fn take(&self, descriptors: &[Descriptor], now: Duration) -> Taken {
        let mut found: Vec<_> = descriptors.iter().filter_map(|one| Some((self.find(one)?, one))).collect();
        found.sort_by(|(one, _), (other, _)| one.rate().total_cmp(&other.rate()));
        let short = found.iter().find(|(bucket, descriptor)| !bucket.take_many(descriptor.hits.unwrap_or(1), now));
        if let Some((bucket, descriptor)) = short {
            return Taken { passed: false, told: Some(Remaining::of(bucket, descriptor.tells, now)) };
        }
        let first = found.first().map(|(bucket, descriptor)| (&**bucket, descriptor.tells));
        let all = self.all.as_ref().filter(|_| first.is_none() || self.always);
        let passed = all.is_none_or(|bucket| bucket.take(now));
        let own = all.map(|bucket| (bucket, None));
        let told = if passed { first.or(own) } else { own };
        Taken { passed, told: told.map(|(bucket, tells)| Remaining::of(bucket, tells, now)) }
    }

    /// The bucket of a descriptor.
    fn find(&self, descriptor: &Descriptor) -> Option<Arc<TokenBucket>> {
        let entries = &descriptor.entries;
        if let Some(bucket) = self.fixed.get(entries) {
            return Some(Arc::clone(bucket));
        }
        let wildcard = self.wildcards.iter().find(|wildcard| wildcard.fits(entries))?;
        let entries = wildcard.bounded(entries);
        let mut known = wildcard.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = known.get(&*entries) {
            return Some(Arc::clone(bucket));
        }
        let bucket = Arc::new(wildcard.full.fresh());
        known.put(entries.into_owned(), Arc::clone(&bucket));
        Some(bucket)
    }
}

impl PartialEq for Limiter {
    /// Whether they are set up alike, whatever they hold.
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
            && self.fixed == other.fixed
            && self.wildcards == other.wildcards
            && self.always == other.always
    }
}

impl PartialEq for Wildcard {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries && self.full == other.full && self.most == other.most
    }
}

/// The longest value that is kept as it is, in bytes: what comes in headers is as long as callers please.
const LONGEST: usize = 256;

impl Wildcard {
    /// Entries whose long values are told apart by their beginning, length and hash, which nobody outside can foresee.
    fn bounded<'e>(&self, entries: &'e Entries) -> Cow<'e, Entries> {
        if entries.iter().all(|(_, value)| value.len() <= LONGEST) {
            return Cow::Borrowed(entries);
        }
        let short = |value: &str| match value.len() {
            0..=LONGEST => value.to_owned(),
            length => {
                let start: String = value.chars().take(LONGEST / 4).collect();
                format!("{start}…{length}:{:016x}", self.hash.hash_one(value))
            }
        };
        Cow::Owned(entries.iter().map(|(key, value)| (key.clone(), short(value))).collect())
    }

    /// Whether a descriptor has the same keys, and the values that are said.
    fn fits(&self, entries: &[(String, String)]) -> bool {
        let mut pairs = entries.iter().zip(&self.entries);
        let alike =
            pairs.all(|((key, value), (own, expected))| key == own && (expected.is_empty() || value == expected));
        self.entries.len() == entries.len() && alike
    }
}

impl Remaining {
    fn of(bucket: &TokenBucket, tells: Option<bool>, now: Duration) -> Self {
        Self { limit: bucket.limit(), tokens: bucket.remaining(now), wait: bucket.wait(now), tells }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn bucket(max: u32) -> TokenBucket {
        TokenBucket::new(max, max, Duration::from_secs(3600))
    }

    fn entries(pairs: &[(&str, &str)]) -> Entries {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn descriptor(pairs: &[(&str, &str)]) -> Descriptor {
        Descriptor { entries: entries(pairs), limit: None, hits: None, tells: None }
    }

    #[test]
    fn long_values_are_told_apart_and_take_little_room() {
        let limiter = Limiter::new(None, vec![(entries(&[("path", "")]), bucket(2))], 10, false);
        let long = |end: &str| "/x".repeat(10_000) + end;
        assert_eq!(passes(&limiter, &[("path", &long("a"))]), 2);
        assert_eq!(passes(&limiter, &[("path", &long("b"))]), 2);
        assert_eq!(passes(&limiter, &[("path", &long("a"))]), 0);
        let kept = limiter.wildcards[0].bounded(&entries(&[("path", &long("a"))])).into_owned();
        assert!(kept[0].1.len() < LONGEST, "{kept:?}");
    }

    fn passes(limiter: &Limiter, pairs: &[(&str, &str)]) -> usize {
        (0..10).filter(|_| limiter.take(&[descriptor(pairs)], NOW).passed).count()
    }

    #[test]
    fn each_descriptor_has_its_bucket_and_the_others_that_of_all() {
        let limits = vec![(entries(&[("user", "a")]), bucket(1)), (entries(&[("user", "b")]), bucket(2))];
        let limiter = Limiter::new(Some(bucket(4)), limits, 1, false);
        let counts = ["a", "b", "c"].map(|user| passes(&limiter, &[("user", user)]));
        assert_eq!(counts, [1, 2, 4]);
        let limiter = Limiter { always: true, ..limiter.fresh() };
        let counts = ["a", "b", "c"].map(|user| passes(&limiter, &[("user", user)]));
        assert_eq!(counts, [1, 2, 1]);
    }

    #[test]
    fn any_value_has_a_bucket_of_its_own_while_it_is_used() {
        let limits = vec![(entries(&[("path", "/"), ("user", "")]), bucket(2))];
        let limiter = Limiter::new(None, limits, 2, true);
        for user in ["a", "b"] {
            assert_eq!(passes(&limiter, &[("path", "/"), ("user", user)]), 2, "{user}");
            assert_eq!(passes(&limiter, &[("path", "/"), ("user", user)]), 0, "{user}");
        }
        assert_eq!(passes(&limiter, &[("path", "/x"), ("user", "a")]), 10, "no limit is for it");
        assert_eq!(passes(&limiter, &[("path", "/"), ("user", "c")]), 2);
        assert_eq!(passes(&limiter, &[("path", "/"), ("user", "a")]), 2, "it was forgotten");
    }

    #[test]
    fn the_slowest_bucket_is_asked_first_and_told() {
        let limits = vec![(entries(&[("a", "1")]), bucket(5)), (entries(&[("b", "1")]), bucket(3))];
        let limiter = Limiter::new(Some(bucket(9)), limits, 1, true);
        let both = [descriptor(&[("a", "1")]), Descriptor { hits: Some(2), ..descriptor(&[("b", "1")]) }];
        let taken = limiter.take(&both, NOW);
        assert!(taken.passed);
        assert_eq!(taken.told.map(|told| (told.limit, told.tokens)), Some((3, 1)));
        let refused = limiter.take(&both, NOW);
        assert_eq!((refused.passed, refused.told.map(|told| told.limit)), (false, Some(3)));
        let one = limiter.take(&both[..1], NOW);
        assert_eq!(one.told.map(|told| (told.limit, told.tokens)), Some((5, 3)), "nothing was taken after a refusal");
    }
}
