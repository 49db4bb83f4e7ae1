//! Envoy's rate limit protocol.

use std::{
    borrow::Cow,
    sync::{Arc, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use leno_proto::envoy::service::ratelimit::v3::{
    RateLimitRequest, RateLimitResponse,
    rate_limit_response::{Code, DescriptorStatus},
    rate_limit_service_server::{RateLimitService, RateLimitServiceServer},
};
use tonic::{Request, Response, Status};
use tracing::warn;

use crate::{
    complaint::Complaint,
    counter::{Counter, Hits},
    decide::{self, Asked},
    metric::Metrics,
    rules::Rules,
};

/// How many descriptors a request may have.
const DESCRIPTORS: usize = 100;
/// How many bytes a request may have.
pub const MAX_BYTES: usize = 1 << 20;

/// The service. Clones share everything.
#[derive(Clone, Debug)]
pub struct Service {
    rules: Arc<RwLock<Arc<Rules>>>,
    counter: Arc<Counter>,
    metrics: Arc<Metrics>,
    complaint: Arc<Complaint>,
}

impl Service {
    /// A service that counts in `counter`.
    #[must_use]
    pub fn new(rules: Rules, counter: Counter, metrics: Arc<Metrics>) -> Self {
        Self {
            rules: Arc::new(RwLock::new(Arc::new(rules))),
            counter: Arc::new(counter),
            metrics,
            complaint: Arc::default(),
        }
    }

    /// From now on these rules hold; what was counted stays counted.
    pub fn replace(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// The gRPC service.
    #[must_use]
    pub fn into_server(self) -> RateLimitServiceServer<Self> {
        RateLimitServiceServer::new(self).max_decoding_message_size(MAX_BYTES)
    }

    /// What is answered now. `share` is who is counted for: counters of one do not take the room of another's.
    ///
    /// # Errors
    /// When it is a request that no sidecar sends, or cannot be counted.
    pub async fn answer(&self, share: &str, request: &RateLimitRequest) -> Result<Response<RateLimitResponse>, Status> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.decide(share, request, now).await.map(Response::new)
    }

    /// Decides at `now` (seconds since the epoch).
    async fn decide(&self, share: &str, request: &RateLimitRequest, now: u64) -> Result<RateLimitResponse, Status> {
        check(request)?;
        let rules = Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner));
        let asked = decide::asked(&rules, request, now);
        let hits: Vec<Hits> = asked.iter().filter_map(|one| Some(one.counted.as_ref()?.1.clone())).collect();
        let counts = self.counter.add(share, &hits, now).await.map_err(|error| {
            self.metrics.failed();
            if let Some(left_out) = self.complaint.due(now) {
                warn!(share, left_out, error = &error as &dyn std::error::Error, "could not count");
            }
            Status::unavailable("could not count")
        })?;
        let mut counts = counts.into_iter();
        let statuses: Vec<_> = asked.iter().map(|one| self.status(&request.domain, one, &mut counts, now)).collect();
        let over = statuses.iter().any(|status| status.code() == Code::OverLimit);
        let overall = if over { Code::OverLimit } else { Code::Ok };
        Ok(RateLimitResponse { overall_code: overall.into(), statuses, ..RateLimitResponse::default() })
    }

    fn status(
        &self,
        domain: &str,
        asked: &Asked,
        counts: &mut impl Iterator<Item = u64>,
        now: u64,
    ) -> DescriptorStatus {
        let Some((limit, hits)) = &asked.counted else {
            return decide::unlimited();
        };
        let count = counts.next().unwrap_or(u64::MAX);
        self.metrics.decided(domain, &asked.path, count > u64::from(limit.requests), asked.shadow);
        decide::status(limit, hits, count, asked.shadow, now)
    }
}

/// What no sidecar sends.
fn check(request: &RateLimitRequest) -> Result<(), Status> {
    let wrong = |text: String| Err(Status::invalid_argument(text));
    if request.domain.is_empty() {
        return wrong("domain is empty, expected the name of a domain".into());
    }
    let count = request.descriptors.len();
    if !(1..=DESCRIPTORS).contains(&count) {
        return wrong(format!("descriptors are {count}, expected 1 to {DESCRIPTORS}"));
    }
    match request.descriptors.iter().position(|descriptor| descriptor.entries.is_empty()) {
        Some(index) => wrong(format!("descriptors[{index}].entries is empty, expected at least one")),
        None => Ok(()),
    }
}

#[tonic::async_trait]
impl RateLimitService for Service {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let request = request.get_ref();
        self.answer(&decide::bounded(Cow::Borrowed(&request.domain)), request).await
    }
}

#[cfg(test)]
mod tests {
    use leno_proto::envoy::extensions::common::ratelimit::v3::{RateLimitDescriptor, rate_limit_descriptor::Entry};
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;
    use crate::{
        counter::Memory,
        rules::{Text, read},
    };

    const TEXT: &str = "
domain: shop
descriptors:
- { key: path, value: /buy, rate_limit: { unit: minute, requests_per_unit: 2 } }
- { key: path, value: /try, shadow_mode: true, rate_limit: { unit: minute, requests_per_unit: 1 } }
";

    fn service() -> Service {
        service_in(&mut Registry::default())
    }

    fn service_in(registry: &mut Registry) -> Service {
        let rules = read(&[Text { name: "f".into(), text: TEXT.into() }]).unwrap();
        Service::new(rules, Counter::Memory(Memory::default()), Arc::new(Metrics::register(registry)))
    }

    fn request(paths: &[&str]) -> RateLimitRequest {
        let descriptor = |path: &&str| RateLimitDescriptor {
            entries: vec![Entry { key: "path".into(), value: (*path).into() }],
            ..Default::default()
        };
        RateLimitRequest { domain: "shop".into(), descriptors: paths.iter().map(descriptor).collect(), hits_addend: 0 }
    }

    #[tokio::test]
    async fn one_descriptor_over_its_limit_is_enough() {
        let mut registry = Registry::default();
        let service = service_in(&mut registry);
        let ask = async |paths: &[&str], now| service.decide("s", &request(paths), now).await.unwrap().overall_code();
        assert_eq!(ask(&["/buy"], 60).await, Code::Ok);
        assert_eq!(ask(&["/other", "/buy"], 61).await, Code::Ok);
        assert_eq!(ask(&["/other", "/buy"], 119).await, Code::OverLimit);
        assert_eq!(ask(&["/other"], 119).await, Code::Ok);
        assert_eq!(ask(&["/buy"], 120).await, Code::Ok, "a new window");
        for _ in 0..3 {
            assert_eq!(ask(&["/try"], 60).await, Code::Ok, "only tried out");
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("domain=\"shop\",rule=\"path=/buy\",outcome=\"over_limit\"} 1"), "{text}");
        assert!(text.contains("domain=\"shop\",rule=\"path=/try\",outcome=\"shadow_over_limit\"} 2"), "{text}");
    }

    #[tokio::test]
    async fn new_rules_hold_at_once_and_counts_stay() {
        let service = service();
        service.decide("s", &request(&["/buy"]), 60).await.unwrap();
        let text = TEXT.replace("requests_per_unit: 2", "requests_per_unit: 1");
        service.replace(read(&[Text { name: "f".into(), text }]).unwrap());
        assert_eq!(service.decide("s", &request(&["/buy"]), 60).await.unwrap().overall_code(), Code::OverLimit);
    }

    #[tokio::test]
    async fn requests_that_no_sidecar_sends_are_refused() {
        let service = service();
        let mut nothing = request(&["/buy"]);
        nothing.descriptors[0].entries.clear();
        for (wrong, text) in [
            (RateLimitRequest { domain: String::new(), ..request(&["/buy"]) }, "domain is empty"),
            (request(&[]), "descriptors are 0"),
            (nothing, "descriptors[0].entries is empty"),
        ] {
            let status = service.decide("s", &wrong, 60).await.unwrap_err();
            assert!(status.message().contains(text), "{status}");
        }
    }
}
