//! The kinds of resources.

use leno_proto::resource;

/// A kind of xDS resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `envoy.extensions.transport_sockets.tls.v3.Secret`.
    Secret,
    /// `envoy.config.cluster.v3.Cluster`.
    Cluster,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`.
    Endpoint,
    /// `envoy.config.listener.v3.Listener`.
    Listener,
    /// `envoy.config.route.v3.RouteConfiguration`.
    Route,
}

impl Kind {
    /// All of them, in the order in which changes are sent.
    pub const ALL: [Self; 5] = [Self::Secret, Self::Cluster, Self::Endpoint, Self::Listener, Self::Route];

    /// Its type URL.
    #[must_use]
    pub fn type_url(self) -> &'static str {
        match self {
            Self::Secret => resource::SECRET,
            Self::Cluster => resource::CLUSTER,
            Self::Endpoint => resource::ENDPOINT,
            Self::Listener => resource::LISTENER,
            Self::Route => resource::ROUTE,
        }
    }

    /// The kind with this type URL.
    #[must_use]
    pub fn of_type_url(type_url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.type_url() == type_url)
    }
}
