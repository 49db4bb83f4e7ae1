//! Who does it ([`envoy.config.rbac.v3.Principal`]).
//!
//! [`envoy.config.rbac.v3.Principal`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto#config-rbac-v3-principal

use super::{Cidr, Subject};
use crate::{
    matcher::{HeaderMatcher, StringMatcher},
    metadata::MetadataMatcher,
    request::RequestHead,
};

/// Who does it.
#[derive(Clone, Debug, PartialEq)]
pub enum Principal {
    /// Anybody.
    Any,
    /// All of these.
    And(Vec<Self>),
    /// One of these.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// Somebody whose verified identity fits; `None`: whoever has one.
    Authenticated(Option<StringMatcher>),
    /// Somebody at an address of this range: that of the connection, which no header can forge.
    SourceIp(Cidr),
    /// Somebody of whose request a filter found this out.
    Metadata(MetadataMatcher),
    /// Somebody whose request's header fits.
    Header(HeaderMatcher),
    /// Somebody whose request's path, without its query, fits.
    UrlPath(StringMatcher),
}

impl Principal {
    /// Whether the caller fits.
    pub fn fits<R: RequestHead>(&self, subject: &Subject<'_>, request: &R) -> bool {
        match self {
            Self::Any => true,
            Self::And(all) => all.iter().all(|one| one.fits(subject, request)),
            Self::Or(any) => any.iter().any(|one| one.fits(subject, request)),
            Self::Not(one) => !one.fits(subject, request),
            Self::Authenticated(None) => subject.identity.is_some(),
            Self::Authenticated(Some(name)) => subject.identity.is_some_and(|id| name.matches(id.as_bytes())),
            Self::Metadata(matcher) => subject.knows(matcher),
            Self::SourceIp(range) => range.contains(subject.source.ip()),
            Self::Header(header) => header.matches(request),
            Self::UrlPath(path) => request.fields(":path").next().is_some() && path.matches(request.path().as_bytes()),
        }
    }
}
