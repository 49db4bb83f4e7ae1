//! Asking a service whether a request may go on ([`envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`]).
//!
//! ```text
//! request ─► HeaderSelection, BodySettings ─► question ─► service ─► AuthzAnswer ─► changes, or an answer of its own
//! ```
//!
//! [`envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto

mod answer;
mod http;
mod settings;

pub use answer::{AuthzAllowed, AuthzAnswer, AuthzChanges, AuthzDenied, Header, InvalidMutation};
pub use http::{AuthzPath, HttpAuthz};
pub use settings::{AuthzRoute, AuthzService, BodySettings, Context, ExtAuthz, HeaderSelection};
