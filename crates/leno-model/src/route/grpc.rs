//! gRPC calls: GRPCRoute.

use serde::{Deserialize, Serialize};

use super::{Handling, http::TextMatch};

/// What happens to some calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrpcRule {
    /// Its name in the route, or its number (from 0).
    pub name: String,
    /// The calls: those that fit one of these; at least one.
    pub matches: Vec<GrpcMatch>,
    /// What happens.
    pub handling: Handling,
}

/// Some calls: a call fits when all that is given fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GrpcMatch {
    /// The service with its package; any when not given.
    pub service: Option<TextMatch>,
    /// The method; any when not given.
    pub method: Option<TextMatch>,
    /// Headers by name (lower case), each once.
    pub headers: Vec<(String, TextMatch)>,
}
