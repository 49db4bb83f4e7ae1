//! What the end of an attempt means: for the caller, for another attempt, for the log.

use leno_engine::{
    request::RequestHead as _,
    resilience::{
        Failure,
        outlier::{LocalOrigin, Outcome},
    },
};
use leno_http1::Framing;

use super::{
    super::{decide::Routed, view::Http1 as View},
    client::Client,
    exchange::{Ended, UpstreamError},
};
use crate::{
    config::Endpoint,
    error::{ErrorKind, ProxyError},
};

/// How an attempt failed; `None`: in a way that ends the request.
pub(super) type Failed = (Option<Failure>, ProxyError);

/// The route's time is up.
pub(super) fn late() -> ProxyError {
    ProxyError::new(ErrorKind::UpstreamTimeout, "no endpoint answered in the time of the route")
}

/// Whether a body says that it is larger than the limit, or is: so much of it has been read.
pub(super) fn is_too_large(routed: &Routed, framing: Framing, read: u64) -> bool {
    match framing {
        Framing::Length(length) => routed.is_too_large(length),
        Framing::None | Framing::Chunked | Framing::UntilClose => routed.is_too_large(read),
    }
}

/// What an attempt says about the endpoint; `None`: nothing. `status` is that of an answer that was passed back.
pub(super) fn outcome_of(ended: &Ended, status: u16) -> Option<Outcome> {
    match ended {
        Ended::Upstream(UpstreamError::Stale) => None,
        Ended::Upstream(UpstreamError::Closed(_) | UpstreamError::Malformed(_)) => {
            Some(Outcome::LocalOrigin(LocalOrigin::Reset))
        }
        Ended::Upstream(UpstreamError::PerTryTimeout | UpstreamError::Timeout | UpstreamError::TooLong) => {
            Some(Outcome::LocalOrigin(LocalOrigin::Timeout))
        }
        Ended::Upstream(UpstreamError::Status(status)) => Some(Outcome::Status(*status)),
        Ended::Broken(_)
        | Ended::Complete { .. }
        | Ended::Upgraded
        | Ended::CallerGone
        | Ended::CallerBody(_)
        | Ended::TooLarge
        | Ended::Idle
        | Ended::TooLong
        | Ended::Late => (status != 0).then_some(Outcome::Status(status)),
    }
}

/// Response flag and detail of an end.
pub(super) fn told(ended: &Ended, routed: &Routed) -> (&'static str, String) {
    match ended {
        Ended::Complete { .. } | Ended::Upgraded => ("-", String::new()),
        Ended::Broken(why) => (ErrorKind::UpstreamClosed.flag(), why.clone()),
        Ended::CallerGone => (ErrorKind::DownstreamClosed.flag(), "the caller closed the connection".into()),
        Ended::CallerBody(error) => (ErrorKind::BadRequest.flag(), error.to_string()),
        Ended::TooLarge => (ErrorKind::BodyTooLarge.flag(), "the request's body is larger than the limit".into()),
        Ended::Idle => (ErrorKind::StreamIdleTimeout.flag(), format!("nothing moved for {:?}", routed.idle)),
        Ended::TooLong => (ErrorKind::StreamDuration.flag(), ErrorKind::StreamDuration.doc().into()),
        Ended::Late => (ErrorKind::RequestTimeout.flag(), "the request did not arrive in time".into()),
        Ended::Upstream(_) => (ErrorKind::UpstreamClosed.flag(), String::new()),
    }
}

/// What a failure of the endpoint means. A closed kept connection is safe to try again only when the request changes
/// nothing: the endpoint may have closed it after reading.
pub(super) fn failed(error: UpstreamError, client: &Client, endpoint: &Endpoint) -> Failed {
    let at = endpoint.address;
    let view = View { head: &client.head, bytes: &client.head_bytes };
    let (failure, kind, why) = match error {
        UpstreamError::Stale => {
            let failure = if is_idempotent(view.method()) { Failure::NotProcessed } else { Failure::Reset };
            (failure, ErrorKind::UpstreamClosed, "closed the kept connection".to_owned())
        }
        UpstreamError::Closed(why) => (Failure::Reset, ErrorKind::UpstreamClosed, why),
        UpstreamError::Malformed(why) => (Failure::Reset, ErrorKind::UpstreamProtocol, why),
        UpstreamError::PerTryTimeout => {
            (Failure::PerTryTimeout, ErrorKind::UpstreamTimeout, "no answer in the time of an attempt".to_owned())
        }
        UpstreamError::TooLong => {
            let why = "the endpoint took longer than streams may".to_owned();
            (Failure::Reset, ErrorKind::UpstreamStreamDuration, why)
        }
        UpstreamError::Timeout => return (None, late()),
        UpstreamError::Status(status) => {
            (Failure::Answer(status), ErrorKind::UpstreamStatus, format!("answered with {status}"))
        }
    };
    (Some(failure), ProxyError::new(kind, format!("{at}: {why}")))
}

/// Methods that may be sent twice with the effect of once ([RFC 9110, 9.2.2]).
///
/// [RFC 9110, 9.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}
