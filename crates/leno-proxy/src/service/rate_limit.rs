//! Envoy's rate limit service ([`envoy.service.ratelimit.v3.RateLimitService`]): questions and answers as it speaks them.
//!
//! [`envoy.service.ratelimit.v3.RateLimitService`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/ratelimit/v3/rls.proto

use std::rc::Rc;

use leno_engine::filter::rate_limit::{Descriptor, LimitStatus, LimitUnit, RateLimitAnswer};
use leno_proto::{
    google::protobuf::UInt64Value,
    v3::{
        common_ratelimit::{
            RateLimitDescriptor,
            rate_limit_descriptor::{Entry, RateLimitOverride},
        },
        core::HeaderValue,
        ratelimit::{
            RateLimitRequest, RateLimitResponse,
            rate_limit_response::{Code, DescriptorStatus, rate_limit::Unit},
        },
        r#type::RateLimitUnit,
    },
};

use super::{
    AskError, authorization,
    grpc::{self, Call},
};
use crate::{
    config::{Cluster, Slot},
    worker::Worker,
};

/// The method.
pub(crate) const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// Asks whether a request is one too many.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn ask(
    worker: &Rc<Worker>,
    slot: &Slot<Cluster>,
    call: &Call<'_>,
    domain: &str,
    descriptors: &[Descriptor],
) -> Result<RateLimitAnswer, AskError> {
    let question = RateLimitRequest {
        domain: domain.to_owned(),
        descriptors: descriptors.iter().map(descriptor).collect(),
        hits_addend: 0,
    };
    let answer = grpc::unary::<RateLimitResponse>(worker, slot, call, &question).await?;
    match Code::try_from(answer.overall_code) {
        Ok(code @ (Code::Ok | Code::OverLimit)) => Ok(judge(answer, code == Code::OverLimit)),
        // Envoy takes what is not said for consent; what is unknown to us may be anything.
        Ok(Code::Unknown) => Ok(judge(answer, false)),
        Err(_) => Err(AskError::Broken(format!("code {} is not known", answer.overall_code))),
    }
}

fn descriptor(descriptor: &Descriptor) -> RateLimitDescriptor {
    let entries = descriptor.entries.iter();
    let limit = descriptor.limit.map(|limit| RateLimitOverride {
        requests_per_unit: limit.requests,
        unit: match limit.unit {
            // A week cannot be said here.
            LimitUnit::Unknown | LimitUnit::Week => RateLimitUnit::Unknown,
            LimitUnit::Second => RateLimitUnit::Second,
            LimitUnit::Minute => RateLimitUnit::Minute,
            LimitUnit::Hour => RateLimitUnit::Hour,
            LimitUnit::Day => RateLimitUnit::Day,
            LimitUnit::Month => RateLimitUnit::Month,
            LimitUnit::Year => RateLimitUnit::Year,
        }
        .into(),
    });
    RateLimitDescriptor {
        entries: entries.map(|(key, value)| Entry { key: key.clone(), value: value.clone() }).collect(),
        limit,
        hits_addend: descriptor.hits.map(|value| UInt64Value { value }),
        ..RateLimitDescriptor::default()
    }
}

fn judge(answer: RateLimitResponse, over: bool) -> RateLimitAnswer {
    RateLimitAnswer {
        over,
        statuses: answer.statuses.into_iter().map(status).collect(),
        response: headers(answer.response_headers_to_add),
        request: headers(answer.request_headers_to_add),
        body: answer.raw_body,
        metadata: answer.dynamic_metadata.map(authorization::from_struct).unwrap_or_default(),
    }
}

fn status(status: DescriptorStatus) -> LimitStatus {
    let over = status.code == Code::OverLimit as i32;
    let reset = status.duration_until_reset.map_or(0, |time| u64::try_from(time.seconds).unwrap_or(0));
    let (limit, name) = match status.current_limit {
        Some(limit) => {
            let unit = match Unit::try_from(limit.unit) {
                Ok(Unit::Second) => LimitUnit::Second,
                Ok(Unit::Minute) => LimitUnit::Minute,
                Ok(Unit::Hour) => LimitUnit::Hour,
                Ok(Unit::Day) => LimitUnit::Day,
                Ok(Unit::Week) => LimitUnit::Week,
                Ok(Unit::Month) => LimitUnit::Month,
                Ok(Unit::Year) => LimitUnit::Year,
                Ok(Unit::Unknown) | Err(_) => LimitUnit::Unknown,
            };
            (Some((limit.requests_per_unit, unit)), limit.name.into())
        }
        None => (None, Box::default()),
    };
    LimitStatus { over, limit, name, remaining: status.limit_remaining, reset }
}

fn headers(headers: Vec<HeaderValue>) -> Vec<(String, Vec<u8>)> {
    let value = |header: HeaderValue| {
        let value = if header.raw_value.is_empty() { header.value.into_bytes() } else { header.raw_value };
        (header.key, value)
    };
    headers.into_iter().map(value).collect()
}
