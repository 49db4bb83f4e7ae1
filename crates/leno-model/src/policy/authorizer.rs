//! A service that is asked whether a request may go on.

use std::{num::NonZeroU32, time::Duration};

use crate::ServiceName;

/// A service that is asked whether a request may go on (Envoy's `ext_authz`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// Who is asked.
    pub service: ServiceName,
    /// The number of its port.
    pub port: u16,
    /// How it is asked.
    pub protocol: AuthorizerProtocol,
    /// How many bytes of the body it is told at most; `None`: nothing of it.
    pub body: Option<NonZeroU32>,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether requests go on while it does not answer.
    pub open_on_error: bool,
}

/// How a service is asked. Names of headers are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizerProtocol {
    /// By `envoy.service.auth.v3.Authorization`.
    Grpc {
        /// The headers of the request that it is told; all when empty.
        headers: Vec<String>,
    },
    /// By a request with the method, path and host of the one that it is about: 200 lets that pass.
    Http {
        /// What its path begins with.
        path: String,
        /// The headers of the request that it is told beside `authorization`.
        headers: Vec<String>,
        /// The headers of its answer that the request gets.
        response_headers: Vec<String>,
    },
}
