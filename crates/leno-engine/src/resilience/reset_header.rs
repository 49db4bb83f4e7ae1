//! How long a server asks to be left alone ([`RateLimitedRetryBackOff`]).
//!
//! [`RateLimitedRetryBackOff`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-retrypolicy-ratelimitedretrybackoff

use std::time::Duration;

use rand::{Rng, RngExt as _};

use super::AnswerHead;

/// What a header's number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetFormat {
    /// Seconds from now, as in `retry-after`.
    Seconds,
    /// A point in time, in seconds since 1970.
    UnixTime,
}

/// Headers that say when to come back: the first that is there and sound counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetHeaders {
    /// Names, in lower case, and what they mean.
    pub headers: Vec<(Box<str>, ResetFormat)>,
    /// Longer waits are not taken over.
    pub max: Duration,
}

impl ResetHeaders {
    /// How long to wait after this answer, up to half of it more, so that not all come back at once; `None`: it does not
    /// say. `now`: seconds since 1970.
    pub fn wait(&self, answer: &impl AnswerHead, now: u64, random: &mut impl Rng) -> Option<Duration> {
        let seconds = self.headers.iter().find_map(|(name, format)| {
            let value = std::str::from_utf8(answer.values(name).next()?).ok()?;
            let number: u64 = value.trim().parse().ok()?;
            let seconds = match format {
                ResetFormat::Seconds => number,
                ResetFormat::UnixTime => number.checked_sub(now)?,
            };
            (Duration::from_secs(seconds) <= self.max).then_some(seconds)
        })?;
        let wait = Duration::from_secs(seconds);
        Some(wait + wait.mul_f64(random.random_range(0.0..0.5)))
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    struct With(&'static str, &'static str);

    impl AnswerHead for With {
        fn status(&self) -> u16 {
            429
        }

        fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
            (self.0 == name).then_some(self.1.as_bytes()).into_iter()
        }
    }

    #[test]
    fn waits_are_those_asked_for_and_a_bit_more() {
        let headers = ResetHeaders {
            headers: vec![("retry-after".into(), ResetFormat::Seconds), ("x-reset".into(), ResetFormat::UnixTime)],
            max: Duration::from_secs(60),
        };
        let mut random = StdRng::seed_from_u64(7);
        let mut wait = |name, value| headers.wait(&With(name, value), 1000, &mut random);
        for (name, value) in [("retry-after", "10"), ("x-reset", "1010")] {
            let wait = wait(name, value).unwrap().as_secs_f64();
            assert!((10.0..15.0).contains(&wait), "{name}: {wait}");
        }
        for (name, value) in [("retry-after", "61"), ("retry-after", "soon"), ("x-reset", "999"), ("other", "1")] {
            assert_eq!(wait(name, value), None, "{name}: {value}");
        }
    }
}
