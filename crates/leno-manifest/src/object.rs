//! Any object of a manifest.

use leno_model::ObjectRef;
use serde_json::Value;

use crate::{
    apps, core, gateway, leno,
    meta::ObjectMeta,
    smi::{self, upgrade},
};

/// Defines [`Kind`] and [`Object`] from one table: variant, type, kind as written, group and newest version, scope.
macro_rules! objects {
    ($($(#[$doc:meta])* $variant:ident($type:ty), $kind:literal, $group:literal, $version:literal, $scope:ident;)*) => {
        /// The kind of an object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $variant,)*
        }

        /// Any object that Leno understands.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Object {
            $($(#[$doc])* $variant(Box<$type>),)*
        }

        impl Kind {
            /// Every kind, in the order of this table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The kind as it is written in manifests.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $kind,)* }
            }

            /// The API group; empty for the core group.
            #[must_use]
            pub fn group(self) -> &'static str {
                match self { $(Self::$variant => $group,)* }
            }

            /// The newest version that Leno reads, and the one it writes.
            #[must_use]
            pub fn version(self) -> &'static str {
                match self { $(Self::$variant => $version,)* }
            }

            /// Whether objects of this kind live in a namespace.
            #[must_use]
            pub fn is_namespaced(self) -> bool {
                match self { $(Self::$variant => Scope::$scope == Scope::Namespaced,)* }
            }

            /// The schema of this kind, from the types and their comments.
            pub(crate) fn schema(self, generator: schemars::SchemaGenerator) -> schemars::Schema {
                match self { $(Self::$variant => generator.into_root_schema_for::<$type>(),)* }
            }

            /// The object of this kind that a JSON value describes, `apiVersion` and `kind` left out of account.
            pub(crate) fn decode(self, value: Value) -> Result<Object, serde_path_to_error::Error<serde_json::Error>> {
                match self {
                    $(Self::$variant => serde_path_to_error::deserialize::<_, $type>(value).map(|it| Object::$variant(Box::new(it))),)*
                }
            }
        }

        impl Object {
            /// Its kind.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Self::$variant(_) => Kind::$variant,)* }
            }

            /// Its metadata.
            #[must_use]
            pub fn metadata(&self) -> &ObjectMeta {
                match self { $(Self::$variant(it) => &it.metadata,)* }
            }

            /// Its metadata, to be changed.
            #[must_use]
            pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Self::$variant(it) => &mut it.metadata,)* }
            }

            fn to_value(&self) -> Value {
                match self { $(Self::$variant(it) => serde_json::to_value(it).unwrap_or_default(),)* }
            }
        }

        $(impl Typed for $type {
            const KIND: Kind = Kind::$variant;

            fn of(object: &Object) -> Option<&Self> {
                match object {
                    Object::$variant(it) => Some(it),
                    _ => None,
                }
            }
        })*

        $(impl From<$type> for Object {
            fn from(it: $type) -> Self {
                Self::$variant(Box::new(it))
            }
        })*
    };
}

/// The type of one kind of object.
pub trait Typed: Sized + 'static {
    /// The kind.
    const KIND: Kind;

    /// The object, if it is of this kind.
    fn of(object: &Object) -> Option<&Self>;
}

/// Whether objects of a kind live in a namespace.
#[derive(PartialEq)]
enum Scope {
    Cluster,
    Namespaced,
}

objects! {
    /// `v1` Namespace.
    Namespace(core::Namespace), "Namespace", "", "v1", Cluster;
    /// `v1` ServiceAccount.
    ServiceAccount(core::ServiceAccount), "ServiceAccount", "", "v1", Namespaced;
    /// `v1` Service.
    Service(core::Service), "Service", "", "v1", Namespaced;
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice(core::EndpointSlice), "EndpointSlice", "discovery.k8s.io", "v1", Namespaced;
    /// `v1` Pod.
    Pod(core::Pod), "Pod", "", "v1", Namespaced;
    /// `v1` ConfigMap.
    ConfigMap(core::ConfigMap), "ConfigMap", "", "v1", Namespaced;
    /// `v1` Secret.
    Secret(core::Secret), "Secret", "", "v1", Namespaced;
    /// `apps/v1` Deployment.
    Deployment(apps::Deployment), "Deployment", "apps", "v1", Namespaced;
    /// `apps/v1` StatefulSet.
    StatefulSet(apps::StatefulSet), "StatefulSet", "apps", "v1", Namespaced;
    /// `access.smi-spec.io` TrafficTarget.
    TrafficTarget(smi::TrafficTarget), "TrafficTarget", "access.smi-spec.io", "v1alpha3", Namespaced;
    /// `specs.smi-spec.io` HTTPRouteGroup.
    HttpRouteGroup(smi::HttpRouteGroup), "HTTPRouteGroup", "specs.smi-spec.io", "v1alpha4", Namespaced;
    /// `specs.smi-spec.io` TCPRoute.
    TcpRoute(smi::TcpRoute), "TCPRoute", "specs.smi-spec.io", "v1alpha4", Namespaced;
    /// `specs.smi-spec.io` UDPRoute.
    UdpRoute(smi::UdpRoute), "UDPRoute", "specs.smi-spec.io", "v1alpha4", Namespaced;
    /// `split.smi-spec.io` TrafficSplit.
    TrafficSplit(smi::TrafficSplit), "TrafficSplit", "split.smi-spec.io", "v1alpha4", Namespaced;
    /// `gateway.networking.k8s.io` HTTPRoute.
    HttpRoute(gateway::HttpRoute), "HTTPRoute", "gateway.networking.k8s.io", "v1", Namespaced;
    /// `gateway.networking.k8s.io` GRPCRoute.
    GrpcRoute(gateway::GrpcRoute), "GRPCRoute", "gateway.networking.k8s.io", "v1", Namespaced;
    /// `gateway.networking.k8s.io` TLSRoute.
    TlsRoute(gateway::TlsRoute), "TLSRoute", "gateway.networking.k8s.io", "v1", Namespaced;
    /// `gateway.networking.k8s.io` TCPRoute.
    GatewayTcpRoute(gateway::TcpRoute), "TCPRoute", "gateway.networking.k8s.io", "v1alpha2", Namespaced;
    /// `gateway.networking.k8s.io` ReferenceGrant.
    ReferenceGrant(gateway::ReferenceGrant), "ReferenceGrant", "gateway.networking.k8s.io", "v1beta1", Namespaced;
    /// `gateway.networking.k8s.io` BackendTLSPolicy.
    BackendTlsPolicy(gateway::BackendTlsPolicy), "BackendTLSPolicy", "gateway.networking.k8s.io", "v1", Namespaced;
    /// `policy.leno.dev` MeshConfig.
    MeshConfig(leno::MeshConfig), "MeshConfig", "policy.leno.dev", "v1alpha1", Cluster;
    /// `policy.leno.dev` AccessPolicy.
    AccessPolicy(leno::AccessPolicy), "AccessPolicy", "policy.leno.dev", "v1alpha1", Namespaced;
    /// `policy.leno.dev` EgressPolicy.
    EgressPolicy(leno::EgressPolicy), "EgressPolicy", "policy.leno.dev", "v1alpha1", Namespaced;
    /// `policy.leno.dev` TrafficPolicy.
    TrafficPolicy(leno::TrafficPolicy), "TrafficPolicy", "policy.leno.dev", "v1alpha1", Namespaced;
}

impl Kind {
    /// `apiVersion` as Leno writes it: `v1`, `apps/v1`.
    #[must_use]
    pub fn api_version(self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }

    /// Every version of it that Leno reads, the newest first.
    pub fn versions(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.version()).chain(upgrade::older_versions(self).iter().copied())
    }

    /// A name that no other kind has: the kind as it is written, and its group where two groups have that kind.
    #[must_use]
    pub fn unique_name(self) -> &'static str {
        match self {
            // SMI's was here first.
            Self::GatewayTcpRoute => "TCPRoute.gateway.networking.k8s.io",
            _ => self.as_str(),
        }
    }

    /// The kind that a person means on a command line: `pod`, `pods`, `po`, `TrafficTarget`, `tt`,
    /// `tcproutes.gateway.networking.k8s.io`.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let (word, group) = word.split_once('.').map_or((word.as_str(), None), |(word, group)| (word, Some(group)));
        Self::ALL.iter().copied().find(|kind| {
            let full = kind.as_str().to_ascii_lowercase();
            group.is_none_or(|group| group == kind.group())
                && (word == full || word == plural(&full) || kind.short_names().contains(&word))
        })
    }

    /// The kind in lower case and plural, as URLs and CRDs have it.
    #[must_use]
    pub fn plural(self) -> String {
        plural(&self.as_str().to_ascii_lowercase())
    }

    /// Short names for command lines, those of Kubernetes and SMI.
    #[must_use]
    pub fn short_names(self) -> &'static [&'static str] {
        match self {
            Self::Namespace => &["ns"],
            Self::ServiceAccount => &["sa"],
            Self::Service => &["svc"],
            Self::EndpointSlice => &["eps"],
            Self::Pod => &["po"],
            Self::ConfigMap => &["cm"],
            Self::Secret => &[],
            Self::Deployment => &["deploy"],
            Self::StatefulSet => &["sts"],
            Self::TrafficTarget => &["tt"],
            Self::HttpRouteGroup => &["htr"],
            Self::TcpRoute => &["tr"],
            Self::UdpRoute => &["ur"],
            Self::TrafficSplit => &["ts"],
            Self::ReferenceGrant => &["refgrant"],
            Self::BackendTlsPolicy => &["btlspolicy"],
            Self::HttpRoute | Self::GrpcRoute | Self::TlsRoute | Self::GatewayTcpRoute => &[],
            Self::MeshConfig => &["mc"],
            Self::AccessPolicy => &["ap"],
            Self::EgressPolicy => &["ep"],
            Self::TrafficPolicy => &["tp"],
        }
    }
}

fn plural(word: &str) -> String {
    word.strip_suffix("policy").map_or_else(|| format!("{word}s"), |stem| format!("{stem}policies"))
}

/// What tells an object from every other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for kinds that live in none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// A key from its parts.
    pub fn new(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }
}

impl From<&ObjectKey> for ObjectRef {
    fn from(key: &ObjectKey) -> Self {
        Self::new(key.kind.unique_name(), &key.namespace, &key.name)
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        ObjectRef::from(self).fmt(f)
    }
}

impl Object {
    /// What tells it from every other object.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.kind(), self.namespace(), self.name())
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metadata().name
    }

    /// `metadata.namespace`; empty for kinds that live in none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.metadata().namespace
    }

    /// The version that it is written in: the newest that can say what it says.
    fn api_version(&self) -> String {
        match self {
            // v1alpha3 has no place for the port.
            Self::TrafficTarget(target) if target.spec.destination.port.is_some() => {
                format!("{}/v1alpha2", Kind::TrafficTarget.group())
            }
            _ => self.kind().api_version(),
        }
    }

    /// The object as JSON, as `kubectl` would show it: nothing that is not given.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut whole = serde_json::Map::new();
        whole.insert("apiVersion".into(), self.api_version().into());
        whole.insert("kind".into(), self.kind().as_str().into());
        if let Value::Object(fields) = self.to_value() {
            whole.extend(fields);
        }
        let mut whole = Value::Object(whole);
        strip(&mut whole);
        whole
    }
}

impl Object {
    /// The object as YAML, as `kubectl get -o yaml` would show it.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        crate::yaml::write::document(&self.to_json())
    }
}

/// Fields that stay even when they are empty, because Kubernetes asks for them or their presence says something.
const KEPT_EMPTY: &[&str] =
    &["spec", "status", "endpoints", "ports", "containers", "running", "waiting", "terminated", "selector"];

/// Removes what is not given: nulls, lists and maps with nothing in them. A struct whose every field is null was given
/// (`rollingUpdate: {}`) and stays.
fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| {
                let keep = KEPT_EMPTY.contains(&key.as_str());
                let was_given = !is_empty(value);
                strip(value);
                !value.is_null() && (was_given || keep)
            });
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
