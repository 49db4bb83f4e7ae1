//! How clients talk to a service, and how much of it a server takes: `TrafficPolicy`, resolved.
//!
//! ```text
//! TrafficPolicy objects ──► per service or route, the most decisive first ──► merged for a port or rule, and a caller
//! ```

mod connection;
mod fault;
mod global_rate_limit;
mod health_check;
mod load_balancer;
mod mirror;
mod outlier;
mod rate_limit;
mod retry;
mod tls;

use std::{borrow::Borrow, time::Duration};

pub use connection::ConnectionLimits;
pub use fault::{Abort, Delay, Failure, Fault};
pub use global_rate_limit::{CountBy, CountedLimit, CountedRate, CountedUnit, GlobalRateLimit, RateCounter};
pub use health_check::{HealthCheck, Probe};
pub use load_balancer::{Algorithm, HashBy, HashOn, LoadBalancer, Nearness, SlowStart};
pub use mirror::Mirror;
pub use outlier::{FailureShare, OutlierDetection, SuccessRate};
pub use rate_limit::{HttpLimit, HttpRate, RateLimit, RateRoute, TcpLimit};
pub use retry::{Condition, Retries, RetryLimit};
pub use tls::{AltName, ClientCertificate, Roots, TlsOrigination, TlsVersion, TlsVersions, UpstreamTls};

use crate::{ObjectRef, Protocol, ServiceAccountName};

/// What one `TrafficPolicy` says of one service, or of one route. A `Part` is what it may be narrowed to: a port of the
/// service by its number, or a rule of the route by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficPolicy<Part = u16> {
    /// The object that it comes from.
    pub origin: ObjectRef,
    /// The part that it speaks of; all of them when `None`.
    pub part: Option<Part>,
    /// The callers that it speaks of; all of them when empty. Sorted, no repeats.
    pub callers: Vec<ServiceAccountName>,
    /// What it says.
    pub settings: TrafficSettings,
}

/// What one `TrafficPolicy` says of one route.
pub type RoutePolicy = TrafficPolicy<String>;

impl<Part> TrafficPolicy<Part> {
    /// Whether it speaks of this part when this account calls.
    #[must_use]
    pub fn concerns<Asked: PartialEq + ?Sized>(&self, part: &Asked, caller: Option<&ServiceAccountName>) -> bool
    where
        Part: Borrow<Asked>,
    {
        let fits = |caller| self.callers.contains(caller);
        self.part.as_ref().is_none_or(|own| own.borrow() == part)
            && (self.callers.is_empty() || caller.is_some_and(fits))
    }

    /// Whom it speaks of, the more exactly the greater: a part before all of them, callers before all of them.
    #[must_use]
    pub fn precision(&self) -> (bool, bool) {
        (self.part.is_some(), !self.callers.is_empty())
    }

    /// Who says what.
    #[must_use]
    pub fn word(&self) -> (&ObjectRef, &TrafficSettings) {
        (&self.origin, &self.settings)
    }
}

/// What holds where several speak, the most decisive first: of each section what the first says that has it.
#[must_use]
pub fn merged<'a>(words: impl Iterator<Item = (&'a ObjectRef, &'a TrafficSettings)>) -> TrafficSettings {
    let mut settings = TrafficSettings::default();
    words.for_each(|(_, said)| settings.fill_from(said));
    settings
}

/// Whose word [`merged`] is: those who decide, each with the sections that it decides.
#[must_use]
pub fn deciders<'a>(
    words: impl Iterator<Item = (&'a ObjectRef, &'a TrafficSettings)>,
) -> Vec<(&'a ObjectRef, Vec<&'static str>)> {
    let mut settings = TrafficSettings::default();
    let mut deciders = Vec::new();
    for (origin, said) in words {
        let taken = settings.sections();
        settings.fill_from(said);
        let own: Vec<_> = said.sections().into_iter().filter(|it| !taken.contains(it)).collect();
        if !own.is_empty() {
            deciders.push((origin, own));
        }
    }
    deciders
}

/// Defines [`TrafficSettings`], whose sections are merged one by one.
macro_rules! sections {
    ($($(#[$doc:meta])* $section:ident: $type:ty,)*) => {
        /// What is said of traffic. A section that is `None` is left to others, in the end to what holds by default.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct TrafficSettings {
            $($(#[$doc])* pub $section: Option<$type>,)*
        }

        impl TrafficSettings {
            /// Takes from `other` every section that this has not.
            pub fn fill_from(&mut self, other: &Self) {
                $(if self.$section.is_none() {
                    self.$section.clone_from(&other.$section);
                })*
            }

            /// The sections that it has, as manifests call them.
            #[must_use]
            pub fn sections(&self) -> Vec<&'static str> {
                let all = [$(self.$section.is_some().then_some(camel(stringify!($section))),)*];
                all.into_iter().flatten().collect()
            }

            /// The first section, as manifests call it, that both speak of.
            #[must_use]
            pub fn overlap(&self, other: &Self) -> Option<&'static str> {
                $(if self.$section.is_some() && other.$section.is_some() {
                    return Some(camel(stringify!($section)));
                })*
                None
            }
        }
    };
}

sections! {
    /// What is spoken. (The [`ServicePort`](crate::ServicePort) says it already.)
    protocol: Protocol,
    /// How connections to endpoints are protected.
    tls: UpstreamTls,
    /// How endpoints are chosen.
    load_balancer: LoadBalancer,
    /// How much is open at the same time.
    connections: ConnectionLimits,
    /// Which endpoints are left out for a while.
    outlier_detection: OutlierDetection,
    /// How endpoints are asked whether they are well.
    health_check: HealthCheck,
    /// What is sent again.
    retries: Retries,
    /// How long things may take.
    timeouts: Timeouts,
    /// Where copies of requests go.
    mirror: Mirror,
    /// What is made to fail, for tests.
    fault: Fault,
    /// How much a server takes in a time.
    rate_limit: RateLimit,
    /// How much all instances of a server take together in a time.
    global_rate_limit: GlobalRateLimit,
    /// How many connections a server has open on a port; at least 1.
    inbound_connections: u32,
}

/// The name of a section in manifests.
fn camel(section: &'static str) -> &'static str {
    match section {
        "load_balancer" => "loadBalancer",
        "outlier_detection" => "outlierDetection",
        "health_check" => "healthCheck",
        "rate_limit" => "localRateLimit",
        "global_rate_limit" => "globalRateLimit",
        "inbound_connections" => "maxInboundConnections",
        other => other,
    }
}

/// How long things may take; `None`: what holds by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From the whole request to the whole answer; zero: for ever.
    pub request: Option<Duration>,
    /// How long nothing may move: in either direction of an HTTP exchange, or on a connection of bytes. Zero: for ever.
    pub idle: Option<Duration>,
    /// Until a connection to an endpoint is there, TLS included; above zero.
    pub connect: Option<Duration>,
}

/// A share in millionths: 1,000,000 is everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

impl Share {
    /// Everything.
    pub const ALL: Self = Self(1_000_000);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_merged_section_by_section() {
        let timeouts = |seconds| Timeouts { request: Some(Duration::from_secs(seconds)), ..Timeouts::default() };
        let mut one = TrafficSettings { timeouts: Some(timeouts(1)), ..TrafficSettings::default() };
        let limits = ConnectionLimits { max_connections: Some(7), ..ConnectionLimits::default() };
        let other =
            TrafficSettings { timeouts: Some(timeouts(2)), connections: Some(limits), ..TrafficSettings::default() };
        assert_eq!(one.overlap(&other), Some("timeouts"));
        one.fill_from(&other);
        assert_eq!(one.timeouts, Some(timeouts(1)));
        assert_eq!(one.connections, Some(limits));
        assert_eq!(one.sections(), ["connections", "timeouts"]);
        assert_eq!(one.overlap(&TrafficSettings::default()), None);
    }
}
