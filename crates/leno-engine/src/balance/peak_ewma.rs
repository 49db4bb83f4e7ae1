//! By latency: of two endpoints the one that costs less, which is its latency times what it has to do. The latency is a
//! mean that forgets, but believes a higher value at once: who slows down loses its load with the first slow answer, and
//! has to earn it back ([`PeakEwma`]).
//!
//! [`PeakEwma`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/load_balancing_policies/peak_ewma/v3/peak_ewma.proto

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::Target;

/// How latency counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeakEwma {
    /// After how long a latency counts for a third (1/e) of what it did (`decay_time`). Default 10 s.
    pub decay: Duration,
    /// The latency of an endpoint of which nothing is known (`default_rtt`). Default 10 ms.
    pub unknown: Duration,
    /// What an endpoint costs that has requests and has never answered one (`penalty_value`). Default a million.
    pub penalty: f64,
}

impl Default for PeakEwma {
    /// Envoy's.
    fn default() -> Self {
        Self { decay: Duration::from_secs(10), unknown: Duration::from_millis(10), penalty: 1_000_000.0 }
    }
}

/// The latency of an endpoint over all workers. A measurement of two workers at the same time may be lost, which is no
/// matter to a mean.
#[derive(Debug, Default)]
pub struct Latency {
    /// Milliseconds, as the bits of an `f32`, above the time of the last measurement in milliseconds; 0: none.
    packed: AtomicU64,
}

impl Latency {
    /// Notes how long an answer took.
    pub fn observe(&self, took: Duration, now: Duration, settings: &PeakEwma) {
        let took = took.as_secs_f64() * 1000.0;
        let latency = match self.known(now, settings) {
            Some((known, kept)) if took < known => known * kept + took * (1.0 - kept),
            Some(_) | None => took,
        };
        #[expect(clippy::cast_possible_truncation, reason = "a latency need not be known to more than seven digits")]
        let bits = (latency as f32).max(f32::MIN_POSITIVE).to_bits();
        self.packed.store(u64::from(bits) << 32 | u64::from(millis(now)), Ordering::Relaxed);
    }

    /// The last mean in milliseconds, and the part of it that is believed now.
    fn known(&self, now: Duration, settings: &PeakEwma) -> Option<(f64, f64)> {
        let packed = self.packed.load(Ordering::Relaxed);
        let bits = u32::try_from(packed >> 32).ok().filter(|bits| *bits != 0)?;
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        let since = millis(now).wrapping_sub(packed as u32);
        let kept = (-f64::from(since) / (settings.decay.as_secs_f64() * 1000.0)).exp();
        Some((f64::from(f32::from_bits(bits)), kept))
    }

    /// The latency that is to be expected, in milliseconds; `None`: it is not known. What has not been seen for long is
    /// thought to be as fast as one that is not known, or faster: it is tried again.
    #[must_use]
    pub fn estimate(&self, now: Duration, settings: &PeakEwma) -> Option<f64> {
        let (known, kept) = self.known(now, settings)?;
        let rest = known.min(settings.unknown.as_secs_f64() * 1000.0);
        Some(known * kept + rest * (1.0 - kept))
    }
}

impl PeakEwma {
    /// What a request to an endpoint costs.
    pub(super) fn cost<T: Target>(&self, target: &T, now: Duration) -> f64 {
        let active = f64::from(target.active());
        let cost = match target.latency().estimate(now, self) {
            Some(latency) => latency * (active + 1.0),
            None if active > 0.0 => self.penalty + active,
            None => self.unknown.as_secs_f64() * 1000.0,
        };
        cost / f64::from(target.weight().max(1))
    }
}

/// Wraps after seven weeks, which makes an old latency look new once.
fn millis(time: Duration) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "wraps, see above")]
    let millis = time.as_millis() as u32;
    millis
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: PeakEwma =
        PeakEwma { decay: Duration::from_secs(1), unknown: Duration::from_millis(10), penalty: 1e6 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn estimate(latency: &Latency, at: u64) -> f64 {
        latency.estimate(ms(at), &SETTINGS).unwrap().round()
    }

    #[test]
    fn a_peak_counts_at_once_and_is_forgotten_slowly() {
        let latency = Latency::default();
        assert_eq!(latency.estimate(ms(0), &SETTINGS), None);
        latency.observe(ms(20), ms(0), &SETTINGS);
        assert_eq!(estimate(&latency, 0), 20.0);
        latency.observe(ms(200), ms(1), &SETTINGS);
        assert_eq!(estimate(&latency, 1), 200.0, "slower: at once");
        latency.observe(ms(20), ms(101), &SETTINGS);
        assert_eq!(estimate(&latency, 101), 183.0, "faster: by and by");
        assert!(estimate(&latency, 5000) < 12.0, "who gets nothing is tried again");
    }
}
