//! How passing a request on broke off, and what that means.

use leno_engine::resilience::{
    Failure,
    outlier::{LocalOrigin, Outcome},
};
use leno_http2::Code;

use super::{body::Broken, expiry::Expired};
use crate::error::ProxyError;

/// How an attempt failed; `None`: in a way that ends the request.
pub(super) type Failed = (Option<Failure>, ProxyError);

/// How passing on broke off.
pub(super) enum Broke {
    CallerGone,
    /// The request's body is none.
    Malformed,
    TooLarge,
    Upstream(Option<Code>),
    /// The head of the endpoint's answer is not legal HTTP/1.1, or too large.
    BadAnswer,
    /// A status after which the request is sent again.
    Status(u16),
    Expired(Expired),
}

/// What an attempt says about the endpoint; `None`: nothing. `status` is that of an answer that was passed back, or the
/// one that its gRPC status stands for.
pub(super) fn outcome_of(passed: &Result<(), Broke>, status: u16) -> Option<Outcome> {
    match passed {
        Err(Broke::Status(status)) => Some(Outcome::Status(*status)),
        _ if status != 0 => Some(Outcome::Status(status)),
        // It did not even begin.
        Err(Broke::Upstream(Some(Code::REFUSED_STREAM))) => None,
        Err(Broke::Upstream(_) | Broke::BadAnswer) => Some(Outcome::LocalOrigin(LocalOrigin::Reset)),
        Err(Broke::Expired(Expired::Route | Expired::PerTry | Expired::LongestTry)) => {
            Some(Outcome::LocalOrigin(LocalOrigin::Timeout))
        }
        Err(Broke::Expired(_) | Broke::CallerGone | Broke::Malformed | Broke::TooLarge) | Ok(()) => None,
    }
}

/// The reason that the other side is told.
pub(super) fn reason(broken: &Broken) -> Code {
    match broken {
        Broken::Sender(code) | Broken::Receiver(code) => code.unwrap_or(Code::CANCEL),
        Broken::TooLarge => Code::CANCEL,
    }
}
