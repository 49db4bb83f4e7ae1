//! Where the traffic to a service goes, as routes of the Gateway API with Services as parents say ([GEP-1294]), resolved.
//!
//! ```text
//! client ─► service port ─► routes attached to it for this client ─► rule ─► backends by weight
//!                           of its own namespace, else of the service's
//! ```
//!
//! [GEP-1294]: https://gateway-api.sigs.k8s.io/geps/gep-1294/

pub mod grpc;
pub mod handling;
pub mod http;
pub mod tcp;
pub mod tls;

use serde::{Deserialize, Serialize};

pub use grpc::{GrpcMatch, GrpcRule};
pub use handling::{Forward, Handling, Outcome};
pub use http::{HttpRule, RequestMatch};
pub use tcp::StreamRule;
pub use tls::TlsRule;

use crate::{
    ObjectRef, ServiceAccountName, ServiceName,
    policy::{
        TrafficSettings,
        traffic::{GlobalRateLimit, RoutePolicy},
    },
    unit::Weight,
};

/// A route in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The object that it comes from.
    pub origin: ObjectRef,
    /// The service ports whose traffic it routes.
    pub parents: Vec<Parent>,
    /// What it does with the traffic.
    pub rules: Rules,
    /// What is said of the traffic that it routes, the most decisive first: of a rule before of all, then as of services.
    pub policies: Vec<RoutePolicy>,
}

/// A service port that a route is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Parent {
    /// The service that clients call.
    pub service: ServiceName,
    /// The number of its port.
    pub port: u16,
}

/// What a route does, by its kind. Of several kinds at one service port the first in this order is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rules {
    /// gRPC calls.
    Grpc(Vec<GrpcRule>),
    /// HTTP requests.
    Http(Vec<HttpRule>),
    /// TLS connections.
    Tls(TlsRule),
    /// Connections.
    Tcp(Vec<StreamRule>),
}

impl Rules {
    /// Whether it looks at requests (and not at connections).
    #[must_use]
    pub fn is_of_requests(&self) -> bool {
        match self {
            Self::Grpc(_) | Self::Http(_) => true,
            Self::Tls(_) | Self::Tcp(_) => false,
        }
    }
}

impl Route {
    /// The services that it leads to; one may come several times.
    pub fn services(&self) -> impl Iterator<Item = &ServiceName> {
        let streams: Vec<&StreamRule> = match &self.rules {
            Rules::Tls(rule) => vec![&rule.rule],
            Rules::Tcp(rules) => rules.iter().collect(),
            Rules::Grpc(_) | Rules::Http(_) => Vec::new(),
        };
        let of_requests = self.forwards().flat_map(|(_, forward)| forward.backends.iter().map(|share| &share.backend));
        let of_streams = streams.into_iter().flat_map(|rule| rule.shares.iter().map(|share| &share.backend));
        of_requests.chain(of_streams).filter_map(|backend| match backend {
            Backend::Service(service, _) => Some(service),
            Backend::Unresolved => None,
        })
    }

    /// How its rules pass requests on, by their names; those that answer themselves are left out.
    pub fn forwards(&self) -> impl Iterator<Item = (&str, &Forward)> {
        let handlings: Vec<(&str, &Handling)> = match &self.rules {
            Rules::Grpc(rules) => rules.iter().map(|rule| (&*rule.name, &rule.handling)).collect(),
            Rules::Http(rules) => rules.iter().map(|rule| (&*rule.name, &rule.handling)).collect(),
            Rules::Tls(_) | Rules::Tcp(_) => Vec::new(),
        };
        handlings.into_iter().filter_map(|(rule, handling)| match &handling.outcome {
            Outcome::Forward(forward) => Some((rule, &**forward)),
            Outcome::Refuse(..) | Outcome::Redirect(_) => None,
        })
    }

    /// Who says what of the traffic of a caller by this rule, the most decisive first.
    pub fn words<'a>(
        &'a self,
        rule: &'a str,
        caller: Option<&'a ServiceAccountName>,
    ) -> impl Iterator<Item = (&'a ObjectRef, &'a TrafficSettings)> {
        self.policies.iter().filter(move |policy| policy.concerns(rule, caller)).map(RoutePolicy::word)
    }

    /// Whether what is said of its traffic depends on who calls.
    #[must_use]
    pub fn depends_on_caller(&self) -> bool {
        let counts_callers = |policy: &RoutePolicy| {
            let limit = policy.settings.global_rate_limit.as_ref();
            limit.is_some_and(GlobalRateLimit::counts_callers)
        };
        self.policies.iter().any(|policy| !policy.callers.is_empty() || counts_callers(policy))
    }

    /// For whom it is in force at this service: for all (`None`), or for the clients of its own namespace alone, because
    /// it is not written by the service's owner.
    #[must_use]
    pub fn audience(&self, service: &ServiceName) -> Option<&str> {
        (self.origin.namespace != service.namespace).then_some(&self.origin.namespace)
    }
}

/// A share of the traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Where it goes.
    pub backend: Backend,
    /// How much it is.
    pub weight: Weight,
}

/// Where traffic goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Backend {
    /// To the endpoints of this port of this service.
    Service(ServiceName, u16),
    /// Nowhere, because what was named is not there or may not be named: requests are answered with 500, connections are
    /// closed.
    Unresolved,
}
