//! Names of objects, as Kubernetes gives them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Any object of a manifest: kind, namespace and name. Shown to people in errors, denials and status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The kind, e.g. `TrafficTarget`.
    pub kind: String,
    /// The namespace; empty for kinds that have none.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectRef {
    /// A reference from its parts.
    pub fn new(kind: impl Into<String>, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// Defines a namespaced name that displays as `namespace/name`.
macro_rules! namespaced_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name {
            /// The namespace.
            pub namespace: String,
            /// `metadata.name`.
            pub name: String,
        }

        impl $name {
            /// A name from its parts.
            pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
                Self { namespace: namespace.into(), name: name.into() }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.namespace, self.name)
            }
        }
    };
}

namespaced_name! {
    /// A Kubernetes Service.
    ServiceName
}

namespaced_name! {
    /// One instance: a Pod.
    WorkloadName
}

namespaced_name! {
    /// A Kubernetes Secret.
    SecretName
}

impl ServiceName {
    /// The name in cluster DNS: `name.namespace.svc.<cluster domain>`.
    #[must_use]
    pub fn fqdn(&self, cluster_domain: &str) -> String {
        format!("{}.{}.svc.{cluster_domain}", self.name, self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_display_as_people_write_them() {
        assert_eq!(ObjectRef::new("TrafficSplit", "shop", "cart").to_string(), "TrafficSplit shop/cart");
        assert_eq!(ObjectRef::new("MeshConfig", "", "leno").to_string(), "MeshConfig leno");
        assert_eq!(ServiceName::new("shop", "cart").to_string(), "shop/cart");
        assert_eq!(ServiceName::new("shop", "cart").fqdn("cluster.local"), "cart.shop.svc.cluster.local");
    }
}
