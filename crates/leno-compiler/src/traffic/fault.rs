//! The filter that makes requests fail or take long ([`HTTPFault`]).
//!
//! [`HTTPFault`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/fault/v3/fault.proto

use leno_model::policy::traffic::{Failure, Fault, Share};
use leno_proto::{
    any,
    google::protobuf::Any,
    v3::{
        common_fault::{FaultDelay, fault_delay::FaultDelaySecifier},
        fault::{FaultAbort, HttpFault, fault_abort::ErrorType},
        r#type::{FractionalPercent, fractional_percent::DenominatorType},
    },
};

use crate::{
    matcher,
    message::{duration, uint32},
};

/// The filter's name: routes name it to say something for it.
pub(crate) const FILTER: &str = "envoy.filters.http.fault";

/// The filter.
pub(crate) fn filter(fault: &Fault) -> Any {
    any::pack(&HttpFault {
        headers: fault.headers.iter().map(matcher::header).collect(),
        delay: fault.delay.map(|delay| FaultDelay {
            percentage: Some(share(delay.share)),
            fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(duration(delay.duration))),
        }),
        abort: fault.abort.map(|abort| FaultAbort {
            percentage: Some(share(abort.share)),
            error_type: Some(match abort.failure {
                Failure::Http(status) => ErrorType::HttpStatus(status.into()),
                Failure::Grpc(status) => ErrorType::GrpcStatus(status),
            }),
            ..Default::default()
        }),
        max_active_faults: fault.max_active.map(uint32),
        ..Default::default()
    })
}

/// A share as Envoy writes it.
pub(crate) fn share(share: Share) -> FractionalPercent {
    FractionalPercent { numerator: share.0, denominator: DenominatorType::Million.into() }
}
