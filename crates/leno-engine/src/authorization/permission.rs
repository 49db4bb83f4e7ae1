//! What is done ([`envoy.config.rbac.v3.Permission`]).
//!
//! [`envoy.config.rbac.v3.Permission`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto#config-rbac-v3-permission

use std::ops::RangeInclusive;

use super::{Cidr, Subject};
use crate::{
    matcher::{HeaderMatcher, StringMatcher},
    metadata::MetadataMatcher,
    request::RequestHead,
};

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Permission {
    /// Anything.
    Any,
    /// All of these.
    And(Vec<Self>),
    /// One of these.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A request whose header fits.
    Header(HeaderMatcher),
    /// A request whose path, without its query, fits.
    UrlPath(StringMatcher),
    /// To an address of this range.
    DestinationIp(Cidr),
    /// To this port.
    DestinationPort(u16),
    /// To a port of this range.
    DestinationPorts(RangeInclusive<u16>),
    /// A request of which a filter found this out.
    Metadata(MetadataMatcher),
    /// With a server name (SNI) that fits.
    RequestedServerName(StringMatcher),
}

impl Permission {
    /// Whether a request on a connection fits.
    pub fn fits<R: RequestHead>(&self, subject: &Subject<'_>, request: &R) -> bool {
        match self {
            Self::Any => true,
            Self::And(all) => all.iter().all(|one| one.fits(subject, request)),
            Self::Or(any) => any.iter().any(|one| one.fits(subject, request)),
            Self::Not(one) => !one.fits(subject, request),
            Self::Header(header) => header.matches(request),
            // Only a request has a path: on a connection of bytes not even `.*` fits.
            Self::UrlPath(path) => request.fields(":path").next().is_some() && path.matches(request.path().as_bytes()),
            Self::DestinationIp(range) => range.contains(subject.destination.ip()),
            Self::DestinationPort(port) => subject.destination.port() == *port,
            Self::DestinationPorts(ports) => ports.contains(&subject.destination.port()),
            Self::Metadata(matcher) => subject.knows(matcher),
            Self::RequestedServerName(name) => name.matches(subject.server_name.as_bytes()),
        }
    }
}
