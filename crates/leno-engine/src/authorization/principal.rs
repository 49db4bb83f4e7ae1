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
    /// Somebody of whose verified names one fits; `None`: whoever came over TLS.
    Authenticated(Option<StringMatcher>),
    /// The other end of the connection is at an address of this range: nothing can forge that.
    DirectIp(Cidr),
    /// The same, unless a PROXY header says who is behind it.
    SourceIp(Cidr),
    /// The same, unless the request's headers say who is behind it, as far as they are believed.
    RemoteIp(Cidr),
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
            Self::Authenticated(None) => subject.secure,
            Self::Authenticated(Some(wanted)) => subject.names.iter().any(|name| wanted.matches(name.as_bytes())),
            Self::Metadata(matcher) => subject.knows(matcher),
            Self::DirectIp(range) => range.contains(subject.direct.ip()),
            Self::SourceIp(range) => range.contains(subject.source.ip()),
            Self::RemoteIp(range) => range.contains(subject.remote.ip()),
            Self::Header(header) => header.matches(request),
            Self::UrlPath(path) => request.fields(":path").next().is_some() && path.matches(request.path().as_bytes()),
        }
    }
}
