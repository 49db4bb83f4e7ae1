//! Delays and failures ([`envoy.extensions.filters.http.fault.v3.HTTPFault`]).
//!
//! [`envoy.extensions.filters.http.fault.v3.HTTPFault`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/fault/v3/fault.proto

use leno_engine::{
    filter::{Abort, AbortStatus, Delay, Fault, FilterConfig},
    fraction::Fraction,
};
use leno_proto::v3::{
    common_fault::{FaultDelay, fault_delay::FaultDelaySecifier},
    fault::{FaultAbort, HttpFault, fault_abort::ErrorType},
};

use super::super::{
    check::{Check, at, join},
    fraction, matcher,
};

pub(super) fn convert(check: &mut Check, path: &str, mut proto: HttpFault) -> FilterConfig {
    let headers = std::mem::take(&mut proto.headers).into_iter().enumerate();
    let headers = headers.filter_map(|(index, one)| matcher::header(check, &at(path, "headers", index), one)).collect();
    let cluster = std::mem::take(&mut proto.upstream_cluster);
    let nodes = std::mem::take(&mut proto.downstream_nodes).into_iter().map(Into::into).collect();
    let delay = proto.delay.take().and_then(|delay| self::delay(check, &join(path, "delay"), delay));
    let mut body = String::new();
    let abort = proto.abort.take().and_then(|abort| self::abort(check, &join(path, "abort"), abort, &mut body));
    if body.is_empty() {
        body.push_str("fault filter abort");
    }
    let max_active = proto.max_active_faults.take().map(|max| max.value);
    // There are no such statistics.
    proto.disable_downstream_cluster_stats = false;
    check.rest(path, &proto);
    let cluster = (!cluster.is_empty()).then(|| cluster.into());
    let active = std::sync::Arc::default();
    FilterConfig::Fault(Fault { headers, cluster, nodes, delay, abort, body: body.into(), max_active, active }.into())
}

fn delay(check: &mut Check, path: &str, mut proto: FaultDelay) -> Option<(Delay, Fraction)> {
    let share = proto.percentage.take();
    let share = share.map_or(Fraction::NONE, |share| fraction::convert(check, &join(path, "percentage"), share));
    let delay = match proto.fault_delay_secifier.take() {
        Some(FaultDelaySecifier::FixedDelay(time)) => {
            let time = check.duration(&join(path, "fixed_delay"), &time)?;
            if time.is_zero() {
                check.wrong(&join(path, "fixed_delay"), "0s", "more than zero");
            }
            Delay::Fixed(time)
        }
        Some(FaultDelaySecifier::HeaderDelay(_)) => Delay::Header,
        None => {
            check.wrong(path, "no delay", "fixed_delay or header_delay");
            return None;
        }
    };
    check.rest(path, &proto);
    Some((delay, share))
}

fn abort(check: &mut Check, path: &str, mut proto: FaultAbort, body: &mut String) -> Option<(Abort, Fraction)> {
    let share = proto.percentage.take();
    let share = share.map_or(Fraction::NONE, |share| fraction::convert(check, &join(path, "percentage"), share));
    *body = std::mem::take(&mut proto.response_body);
    let abort = match proto.error_type.take() {
        Some(ErrorType::HttpStatus(status)) => {
            let legal = u16::try_from(status).ok().filter(|status| (200..600).contains(status));
            if legal.is_none() {
                check.wrong(&join(path, "http_status"), status.to_string(), "200 to 599");
            }
            Abort::Fixed(AbortStatus::Http(legal?))
        }
        Some(ErrorType::GrpcStatus(status)) => Abort::Fixed(AbortStatus::Grpc(status)),
        Some(ErrorType::HeaderAbort(_)) => Abort::Header,
        None => {
            check.wrong(path, "no failure", "http_status, grpc_status or header_abort");
            return None;
        }
    };
    check.rest(path, &proto);
    Some((abort, share))
}
