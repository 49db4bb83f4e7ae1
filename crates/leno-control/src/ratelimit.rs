//! Limits that hold for all pods of a service together, where a policy names nobody else who counts.
//!
//! Sidecars ask with their certificates, and what they ask about is counted for their namespace alone: nobody uses up what
//! another namespace may have, be it of a limit or of the room for counters.

use std::sync::Arc;

use anyhow::Context as _;
use leno_proto::envoy::service::ratelimit::v3::{
    RateLimitRequest, RateLimitResponse,
    rate_limit_service_server::{RateLimitService, RateLimitServiceServer},
};
use leno_ratelimit::{
    Counter, Rules, Service,
    counter::{Memory, Redis},
    metric::Metrics,
    service::MAX_BYTES,
};
use tonic::{Extensions, Request, Response, Status};

use crate::discovery::{self, Mesh};

/// The service for sidecars.
pub(crate) struct RateLimits {
    counting: Service,
    /// Held to know the trust domain of the moment.
    mesh: Arc<Mesh>,
}

impl RateLimits {
    /// Counts in the Redis at this address, or in this process.
    pub(crate) fn new(redis: Option<&str>, metrics: Metrics, mesh: Arc<Mesh>) -> anyhow::Result<Self> {
        let counter = match redis {
            Some(url) => Counter::Redis(Redis::later(url).context("--redis")?),
            None => Counter::Memory(Memory::default()),
        };
        // Every limit comes with its question.
        Ok(Self { counting: Service::new(Rules::default(), counter, Arc::new(metrics)), mesh })
    }

    pub(crate) fn into_server(self) -> RateLimitServiceServer<Self> {
        RateLimitServiceServer::new(self).max_decoding_message_size(MAX_BYTES)
    }

    /// The namespace of who asks.
    fn asking(&self, extensions: &Extensions) -> Result<String, Status> {
        let identity = discovery::identity(extensions)?.ok_or_else(|| Status::unauthenticated("not over TLS"))?;
        let own = &self.mesh.snapshot().mesh.trust_domain;
        if identity.trust_domain != *own {
            return Err(Status::permission_denied(format!("{identity} is not of trust domain {own}")));
        }
        Ok(identity.service_account.namespace.to_string())
    }
}

#[tonic::async_trait]
impl RateLimitService for RateLimits {
    async fn should_rate_limit(
        &self,
        mut request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let namespace = self.asking(request.extensions())?;
        let asked = request.get_mut();
        // A namespace has no slash in its name, so no two of them meet.
        if !asked.domain.is_empty() {
            asked.domain = format!("{namespace}/{}", asked.domain);
        }
        self.counting.answer(&namespace, asked).await
    }
}
