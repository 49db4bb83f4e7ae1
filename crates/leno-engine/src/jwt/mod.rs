//! JSON Web Tokens of requests ([RFC 7519]), as [`envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`] demands
//! them.
//!
//! ```text
//! request ─► rule ─► Requirement ─► Provider: Location ─► Token ─► claims, time ─► Jwks ─► Verified: headers, metadata
//!                                                                                  └─► not known yet: fetched, asked again
//! ```
//!
//! [RFC 7519]: https://www.rfc-editor.org/rfc/rfc7519
//! [`envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/jwt_authn/v3/config.proto

mod authn;
mod failure;
mod keys;
mod location;
mod provider;
mod token;

pub use authn::{Demand, JwtAuthn, JwtRule, KeySet, Requirement, Verdict, Verified};
pub use failure::JwtFailure;
pub use keys::{Jwks, JwksError};
pub use location::Location;
pub use provider::{ClaimToHeader, Keys, Provider, RemoteKeys};
pub use token::Token;
