//! Where a request goes ([`envoy.config.route.v3.RouteConfiguration`]).
//!
//! [`envoy.config.route.v3.RouteConfiguration`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route.proto

mod action;
mod format;
mod hash_policy;
mod header_edit;
mod path;
mod table;

pub use action::{
    Action, ClusterWeight, Clusters, DirectResponse, Forward, HostRewrite, Mirror, MirrorHost, PathRedirect,
    PathRewrite, Redirect, Terminate, Upgrade,
};
pub use format::{Facts, Fillable, Format, OwnAnswer};
pub(crate) use hash_policy::cookie;
pub use hash_policy::{CookieAttribute, CookieAttributes, HashBy, HashPolicy, Hashed};
pub use header_edit::{HeaderAppend, HeaderEdits, HeaderText, HeaderWrite};
pub use path::PathMatch;
pub use table::{Domain, Route, RouteMatch, RouteTable, VirtualHost};
