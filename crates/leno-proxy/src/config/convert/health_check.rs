//! Active health checks ([`envoy.config.core.v3.HealthCheck`]).
//!
//! [`envoy.config.core.v3.HealthCheck`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/health_check.proto

use std::{ops::Range, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leno_engine::{resilience::health::HealthCheck, route::HeaderText};
use leno_proto::{
    google::protobuf::Duration as ProtoDuration,
    v3::{
        core::{
            HeaderValueOption, HealthCheck as Proto, RequestMethod,
            health_check::{GrpcHealthCheck, HealthChecker as Kind, HttpHealthCheck, Payload, TcpHealthCheck, payload},
        },
        r#type::{CodecClientType, Int64Range},
    },
};

use super::{
    super::health_check::{HealthChecker, HttpQuestion, Question},
    check::{Check, at, join},
    header::{self, Known},
};

/// The check of a cluster, of which there is at most one, as in Envoy.
pub(super) fn convert(check: &mut Check, cluster: &str, protos: Vec<Proto>) -> Option<HealthChecker> {
    if protos.len() > 1 {
        check.wrong("health_checks", format!("{} checks", protos.len()), "at most one");
    }
    let proto = protos.into_iter().next()?;
    one(check, "health_checks[0]", cluster, proto)
}

/// The kinds of checks that there are.
const CHECKERS: &str = "http_health_check, grpc_health_check or tcp_health_check";

fn one(check: &mut Check, path: &str, cluster: &str, mut proto: Proto) -> Option<HealthChecker> {
    let timeout = required(check, path, "timeout", proto.timeout.take());
    let interval = required(check, path, "interval", proto.interval.take());
    let unhealthy = threshold(check, path, "unhealthy_threshold", proto.unhealthy_threshold.take().map(|it| it.value));
    let healthy = threshold(check, path, "healthy_threshold", proto.healthy_threshold.take().map(|it| it.value));
    let mut settings = HealthCheck::new(timeout?, interval?, unhealthy?, healthy?);
    let mut time = |field: &str, value: &mut Option<ProtoDuration>| {
        let value = value.take()?;
        check.duration(&join(path, field), &value)
    };
    settings.initial_jitter = time("initial_jitter", &mut proto.initial_jitter).unwrap_or_default();
    settings.interval_jitter = time("interval_jitter", &mut proto.interval_jitter).unwrap_or_default();
    let usual = settings.no_traffic_interval;
    settings.no_traffic_interval = time("no_traffic_interval", &mut proto.no_traffic_interval).unwrap_or(usual);
    settings.no_traffic_healthy_interval = time("no_traffic_healthy_interval", &mut proto.no_traffic_healthy_interval);
    settings.unhealthy_interval = time("unhealthy_interval", &mut proto.unhealthy_interval);
    settings.unhealthy_edge_interval = time("unhealthy_edge_interval", &mut proto.unhealthy_edge_interval);
    settings.healthy_edge_interval = time("healthy_edge_interval", &mut proto.healthy_edge_interval);
    settings.interval_jitter_percent = std::mem::take(&mut proto.interval_jitter_percent);
    // Every check has a connection of its own.
    if proto.reuse_connection.is_some_and(|reuse| !reuse.value) {
        proto.reuse_connection = None;
    }
    let question = match proto.health_checker.take() {
        Some(Kind::HttpHealthCheck(proto)) => http(check, &join(path, "http_health_check"), cluster, proto),
        Some(Kind::GrpcHealthCheck(proto)) => grpc(check, &join(path, "grpc_health_check"), cluster, proto),
        Some(Kind::TcpHealthCheck(proto)) => tcp(check, &join(path, "tcp_health_check"), proto),
        Some(Kind::CustomHealthCheck(_)) => check.unsupported(path, "custom_health_check", CHECKERS),
        None => {
            check.wrong(path, "nothing", CHECKERS);
            None
        }
    };
    check.rest(path, &proto);
    Some(HealthChecker::new(settings, question?))
}

fn required(check: &mut Check, path: &str, field: &str, value: Option<ProtoDuration>) -> Option<Duration> {
    let time = check.duration_or(&join(path, field), value, Duration::ZERO);
    if time.is_zero() {
        check.wrong(&join(path, field), "missing", "more than zero");
        return None;
    }
    Some(time)
}

fn threshold(check: &mut Check, path: &str, field: &str, value: Option<u32>) -> Option<u32> {
    if value.is_none() {
        check.wrong(&join(path, field), "missing", "a number");
    }
    value
}

fn http(check: &mut Check, path: &str, cluster: &str, mut proto: HttpHealthCheck) -> Option<Question> {
    let host = std::mem::take(&mut proto.host);
    let host = if host.is_empty() { cluster.to_owned() } else { host };
    let target = check.name(&join(path, "path"), std::mem::take(&mut proto.path))?;
    if !target.starts_with('/') || target.parse::<http::uri::PathAndQuery>().is_err() {
        check.wrong(&join(path, "path"), target.clone(), "a path from / on");
    }
    let method = match RequestMethod::try_from(std::mem::take(&mut proto.method)) {
        Ok(RequestMethod::MethodUnspecified) => Some(Method::GET),
        Ok(RequestMethod::Connect) | Err(_) => None,
        Ok(method) => Method::from_bytes(method.as_str_name().as_bytes()).ok(),
    };
    if method.is_none() {
        check.wrong(&join(path, "method"), "another", "a method, not CONNECT");
    }
    let http2 = match CodecClientType::try_from(std::mem::take(&mut proto.codec_client_type)) {
        Ok(CodecClientType::Http1) => false,
        Ok(CodecClientType::Http2) => true,
        Ok(CodecClientType::Http3) | Err(_) => {
            check.wrong(&join(path, "codec_client_type"), "another", "HTTP1 or HTTP2");
            false
        }
    };
    let mut expected = statuses(check, path, "expected_statuses", std::mem::take(&mut proto.expected_statuses));
    if expected.is_empty() {
        expected.push(200..201);
    }
    let retriable = statuses(check, path, "retriable_statuses", std::mem::take(&mut proto.retriable_statuses));
    let headers = headers(check, path, std::mem::take(&mut proto.request_headers_to_add));
    check.rest(path, &proto);
    let (host, path) = (host.into(), target.into());
    Some(Question::Http(HttpQuestion { method: method?, host, path, headers, http2, expected, retriable }.into()))
}

fn headers(check: &mut Check, path: &str, options: Vec<HeaderValueOption>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (index, option) in options.into_iter().enumerate() {
        let path = at(path, "request_headers_to_add", index);
        let Some(write) = header::write(check, &path, option, Known::Nothing) else { continue };
        let HeaderText::Plain(value) = &write.value else { continue };
        let (name, value) = (HeaderName::from_bytes(write.name.as_bytes()), HeaderValue::from_str(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

fn statuses(check: &mut Check, path: &str, field: &str, ranges: Vec<Int64Range>) -> Vec<Range<u16>> {
    let ranges = ranges.into_iter().enumerate().filter_map(|(index, range)| {
        let made = u16::try_from(range.start).ok().zip(u16::try_from(range.end).ok());
        let made = made.filter(|(start, end)| *start >= 100 && *end <= 600 && start < end);
        if made.is_none() {
            let value = format!("{} to {}", range.start, range.end);
            check.wrong(&at(path, field, index), value, "100 to 600, the end not among them");
        }
        made.map(|(start, end)| start..end)
    });
    ranges.collect()
}

fn grpc(check: &mut Check, path: &str, cluster: &str, mut proto: GrpcHealthCheck) -> Option<Question> {
    let service = std::mem::take(&mut proto.service_name).into();
    let authority = std::mem::take(&mut proto.authority);
    let authority = if authority.is_empty() { cluster.to_owned() } else { authority };
    check.rest(path, &proto);
    if authority.parse::<http::uri::Authority>().is_err() {
        check.wrong(&join(path, "authority"), authority, "a host: what the cluster is called is none");
        return None;
    }
    Some(Question::Grpc { service, authority: authority.into() })
}

fn tcp(check: &mut Check, path: &str, mut proto: TcpHealthCheck) -> Option<Question> {
    let send = match proto.send.take() {
        Some(send) => bytes(check, &join(path, "send"), send)?,
        None => Box::default(),
    };
    let receive = std::mem::take(&mut proto.receive).into_iter().enumerate();
    let receive = receive.filter_map(|(index, one)| bytes(check, &at(path, "receive", index), one)).collect();
    check.rest(path, &proto);
    Some(Question::Tcp { send, receive })
}

/// Bytes, or text that is two hexadecimal digits for each.
fn bytes(check: &mut Check, path: &str, proto: Payload) -> Option<Box<[u8]>> {
    match proto.payload {
        Some(payload::Payload::Binary(bytes)) if !bytes.is_empty() => Some(bytes.into()),
        Some(payload::Payload::Text(text)) => {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (pairs, rest) = text.as_bytes().as_chunks::<2>();
            let made: Option<Vec<_>> =
                pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
            let made = made.filter(|made| rest.is_empty() && !made.is_empty());
            if made.is_none() {
                check.wrong(&join(path, "text"), text, "pairs of hexadecimal digits");
            }
            made.map(Into::into)
        }
        Some(payload::Payload::Binary(_)) | None => {
            check.wrong(path, "empty", "text or binary");
            None
        }
    }
}
