//! Endpoints that fail more than the others, and get no requests for a while ([outlier detection]).
//!
//! Each endpoint has an [`OutlierState`], which every worker writes to. What reaches a threshold of its own is told at
//! once by [`OutlierState::record`]; what takes a comparison of all endpoints is found by [`Ejections::sweep`], which
//! one worker calls every [`OutlierDetection::interval`]. Whether an endpoint is ejected then is decided by
//! [`Ejections`].
//!
//! Time is what has passed since a fixed moment, the same for all calls of a cluster (such as the program's start).
//!
//! [outlier detection]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier

mod cause;
mod counters;
mod ejections;
mod settings;
mod state;
mod statistics;
mod sweep;

pub use cause::EjectionCause;
pub use ejections::{Ejections, Verdict, Watched};
pub use settings::OutlierDetection;
pub use state::{OutlierState, Reached};
pub use sweep::{Detected, Sweep};

/// What came of a request or connection, as far as the endpoint is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The endpoint answered with this HTTP status. The status of a gRPC call is mapped to one by the caller.
    Status(u16),
    /// Something happened on this side of the connection.
    LocalOrigin(LocalOrigin),
}

/// What happened on this side of the connection ([`Outcome::LocalOrigin`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocalOrigin {
    /// The connection is made; a request's outcome comes later.
    ConnectSuccess,
    /// The connection is made, and nothing else will be known: raw TCP.
    ConnectSuccessFinal,
    /// The connection could not be made.
    ConnectFailed,
    /// The time for the connection or the answer was up.
    Timeout,
    /// The connection or the stream broke before the answer was there; Envoy treats it like a failed connection.
    Reset,
}

impl LocalOrigin {
    /// The status that stands for it where local and external origin are not told apart, as Envoy maps it; `None`:
    /// does not count.
    fn status(self) -> Option<u16> {
        match self {
            Self::ConnectSuccess => None,
            Self::ConnectSuccessFinal => Some(200),
            Self::ConnectFailed | Self::Reset => Some(503),
            Self::Timeout => Some(504),
        }
    }

    fn is_success(self) -> bool {
        match self {
            Self::ConnectSuccess | Self::ConnectSuccessFinal => true,
            Self::ConnectFailed | Self::Timeout | Self::Reset => false,
        }
    }
}
