//! What sidecars count, read from their metrics.

use std::collections::BTreeMap;

use leno_api::runner::{CallCounts, DurationBucket, Traffic};
use leno_model::ServiceName;

/// What sidecars counted of a service since their start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    requests: f64,
    failed: f64,
    mtls: f64,
    denied: f64,
    connections: f64,
    /// Requests that took at most so many seconds (bits of the `f64` as key: positive numbers sort alike).
    buckets: BTreeMap<u64, f64>,
}

impl Totals {
    /// What came on top of `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        // A sidecar that has just gone takes its counts with it: less than before is nothing, not less than nothing.
        let more = |now: f64, before: f64| (now - before).max(0.0);
        let bucket = |(bound, count): (&u64, &f64)| {
            (*bound, more(*count, before.buckets.get(bound).copied().unwrap_or_default()))
        };
        Self {
            requests: more(self.requests, before.requests),
            failed: more(self.failed, before.failed),
            mtls: more(self.mtls, before.mtls),
            denied: more(self.denied, before.denied),
            connections: more(self.connections, before.connections),
            buckets: self.buckets.iter().map(bucket).collect(),
        }
    }

    /// Adds what others counted.
    pub(crate) fn add(&mut self, others: &Self) {
        self.requests += others.requests;
        self.failed += others.failed;
        self.mtls += others.mtls;
        self.denied += others.denied;
        self.connections += others.connections;
        for (bound, count) in &others.buckets {
            *self.buckets.entry(*bound).or_default() += count;
        }
    }

    /// Requests.
    pub(crate) fn requests(&self) -> f64 {
        self.requests
    }

    /// Requests that failed.
    pub(crate) fn failed(&self) -> f64 {
        self.failed
    }

    /// What was counted within so many seconds, as rates.
    pub(crate) fn over(&self, seconds: f64) -> Traffic {
        let rate = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        let share = |count: f64| (self.requests > 0.0).then(|| (count / self.requests).clamp(0.0, 1.0));
        let buckets: Vec<(f64, f64)> =
            self.buckets.iter().map(|(bound, count)| (f64::from_bits(*bound), *count)).collect();
        let quantile = |share| quantile(&buckets, share).map(|seconds| seconds * 1000.0);
        Traffic {
            requests_per_second: rate(self.requests),
            success_rate: share(self.requests - self.failed),
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            mtls_share: share(self.mtls),
            denied_per_second: rate(self.denied),
            connections_per_second: rate(self.connections),
        }
    }

    fn count(&mut self, line: &Line<'_>) {
        match line.name {
            "leno_requests_total" => {
                self.requests += line.value;
                if line.label("response_code").is_some_and(|code| code.starts_with('5') || code == "0") {
                    self.failed += line.value;
                }
                if line.label("mtls") == Some("true") {
                    self.mtls += line.value;
                }
            }
            "leno_denied_total" => self.denied += line.value,
            "leno_tcp_connections_opened_total" => self.connections += line.value,
            "leno_request_duration_seconds_bucket" => {
                let bound = line.label("le").and_then(|bound| bound.parse::<f64>().ok()).unwrap_or(f64::INFINITY);
                *self.buckets.entry(bound.to_bits()).or_default() += line.value;
            }
            _ => {}
        }
    }
}

impl From<&Totals> for CallCounts {
    fn from(totals: &Totals) -> Self {
        let bucket = |(bound, count): (&u64, &f64)| {
            let bound = f64::from_bits(*bound);
            DurationBucket { at_most: bound.is_finite().then_some(bound), requests: *count }
        };
        Self {
            requests: totals.requests,
            failed: totals.failed,
            durations: totals.buckets.iter().map(bucket).collect(),
        }
    }
}

impl From<&CallCounts> for Totals {
    fn from(counts: &CallCounts) -> Self {
        let bucket = |it: &DurationBucket| (it.at_most.unwrap_or(f64::INFINITY).to_bits(), it.requests);
        Self {
            requests: counts.requests,
            failed: counts.failed,
            buckets: counts.durations.iter().map(bucket).collect(),
            ..Self::default()
        }
    }
}

/// The value below which this share of a histogram lies, between the bounds of its bucket in proportion, as Prometheus'
/// `histogram_quantile` does it. `buckets` are cumulative, sorted by bound.
fn quantile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let total = buckets.last()?.1;
    if total <= 0.0 {
        return None;
    }
    let rank = share * total;
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= rank {
            if bound.is_infinite() {
                return Some(low);
            }
            let inside = count - below;
            return Some(if inside > 0.0 { low + (bound - low) * (rank - below) / inside } else { *bound });
        }
        (low, below) = (*bound, *count);
    }
    Some(low)
}

/// One sample of the Prometheus text format.
struct Line<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let (series, value) = match line.rfind('}') {
            Some(end) => line.split_at(end + 1),
            None => line.split_once(' ')?,
        };
        let value = value.split_whitespace().next()?.parse().ok()?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        Some(Self { name, labels: labels.strip_suffix('}')?, value })
    }

    /// The value of a label; labels of Leno's metrics have no commas or escapes in the values looked for here.
    fn label(&self, name: &str) -> Option<&'a str> {
        let find = |pair: &'a str| pair.trim().strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"');
        self.labels.split(',').find_map(find)
    }
}

/// Adds up one sidecar's counts of a direction by the service that was called.
pub(crate) fn read(text: &str, direction: &str, totals: &mut BTreeMap<ServiceName, Totals>) {
    for line in text.lines().filter_map(Line::parse) {
        if line.label("direction") != Some(direction) {
            continue;
        }
        let service = line.label("destination_service").and_then(|service| service.split_once('/'));
        if let Some((namespace, name)) = service {
            totals.entry(ServiceName::new(namespace, name)).or_default().count(&line);
        }
    }
}

/// What a caller's sidecar counted of its calls to a service. The callers' sidecars tell more than those of its instances: an
/// instance that several services lead to counts under one of them, and one that cannot be reached counts nothing.
pub(crate) fn calls(text: &str, service: &ServiceName) -> CallCounts {
    let mut totals = BTreeMap::new();
    read(text, "outbound", &mut totals);
    CallCounts::from(totals.get(service).unwrap_or(&Totals::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP leno_requests_total Requests.
leno_requests_total{direction="inbound",destination_service="shop/cart",response_code="200",mtls="true"} 90
leno_requests_total{direction="inbound",destination_service="shop/cart",response_code="503",mtls="false"} 10
leno_requests_total{direction="outbound",destination_service="shop/cart",response_code="200",mtls="true"} 1000
leno_request_duration_seconds_bucket{direction="inbound",destination_service="shop/cart",le="0.01"} 50
leno_request_duration_seconds_bucket{direction="inbound",destination_service="shop/cart",le="0.1"} 100
leno_request_duration_seconds_bucket{direction="inbound",destination_service="shop/cart",le="+Inf"} 100
leno_denied_total{direction="inbound",destination_service="shop/cart",reason="rbac"} 5
"#;

    #[test]
    fn counts_become_rates_and_quantiles() {
        let mut totals = BTreeMap::new();
        read(TEXT, "inbound", &mut totals);
        let cart = &totals[&ServiceName::new("shop", "cart")];
        let traffic = cart.since(&Totals::default()).over(10.0);
        assert_eq!(traffic.requests_per_second, 10.0);
        assert_eq!((traffic.success_rate, traffic.mtls_share), (Some(0.9), Some(0.9)));
        assert_eq!(traffic.denied_per_second, 0.5);
        assert_eq!(traffic.p50_ms, Some(10.0));
        assert!(traffic.p99_ms.unwrap() > 90.0);
        assert_eq!(cart.since(cart).over(10.0).success_rate, None);
    }

    #[test]
    fn counts_survive_the_way_over_the_socket() {
        let mut totals = BTreeMap::new();
        read(TEXT, "outbound", &mut totals);
        assert_eq!(totals[&ServiceName::new("shop", "cart")].requests(), 1000.0);
        read(TEXT, "inbound", &mut totals);
        let cart = &totals[&ServiceName::new("shop", "cart")];
        let text = serde_json::to_string(&CallCounts::from(cart)).unwrap();
        let back = Totals::from(&serde_json::from_str::<CallCounts>(&text).unwrap());
        assert_eq!((back.requests(), back.failed()), (1100.0, 10.0));
        assert_eq!(back.over(1.0).p99_ms, cart.over(1.0).p99_ms);
    }
}
