//! How passing a request on broke off, and what that means.

use h2::Reason;
use leno_engine::resilience::{
    Failure,
    outlier::{LocalOrigin, Outcome},
};

use super::{body::Broken, expiry::Expired};
use crate::error::ProxyError;

/// How an attempt failed; `None`: in a way that ends the request.
pub(super) type Failed = (Option<Failure>, ProxyError);

/// How passing on broke off.
pub(super) enum Broke {
    CallerGone,
    TooLarge,
    Upstream(Option<Reason>),
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
        Err(Broke::Upstream(Some(Reason::REFUSED_STREAM))) => None,
        Err(Broke::Upstream(_)) => Some(Outcome::LocalOrigin(LocalOrigin::Reset)),
        Err(Broke::Expired(Expired::Route | Expired::PerTry)) => Some(Outcome::LocalOrigin(LocalOrigin::Timeout)),
        Err(Broke::Expired(_) | Broke::CallerGone | Broke::TooLarge) | Ok(()) => None,
    }
}

/// A GOAWAY from the endpoint without an error says that it did not process what it did not count.
pub(super) fn not_processed(error: &h2::Error) -> Option<Reason> {
    (error.is_go_away() && error.reason() == Some(Reason::NO_ERROR)).then_some(Reason::REFUSED_STREAM)
}

/// The reason that the other side is told.
pub(super) fn reason(broken: &Broken) -> Reason {
    match broken {
        Broken::Sender(reason) | Broken::Receiver(reason) => reason.unwrap_or(Reason::CANCEL),
        Broken::TooLarge => Reason::CANCEL,
    }
}
