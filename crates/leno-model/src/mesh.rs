//! Mesh-wide settings, as `MeshConfig` (`policy.leno.dev/v1alpha1`) gives them.

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

use crate::TrustDomain;

/// What holds for the whole mesh. `Default` is what a mesh without a `MeshConfig` object runs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshConfig {
    /// The trust domain of every identity.
    pub trust_domain: TrustDomain,
    /// What an inbound proxy does with a connection that is not mesh TLS.
    pub mtls: MtlsMode,
    /// Whether a request that no policy speaks of is let in.
    pub default_access: DefaultAccess,
    /// What an outbound proxy does with a destination that the mesh does not know.
    pub outbound_policy: OutboundPolicy,
    /// How long a workload's certificate is valid; renewed at half of it. At least one minute.
    pub certificate_lifetime: Duration,
    /// Whether proxies write an access log.
    pub access_log: bool,
    /// How many bytes the body of a request to a meshed workload may have; `None`: as many as it likes, as bodies are
    /// passed on piece by piece.
    pub max_request_bytes: Option<NonZeroU32>,
    /// The proxies' log level: a `tracing` filter directive such as `info` or `leno_proxy=debug`.
    pub log_level: String,
    /// Interception rules that hold for every meshed pod, beside those of its own annotations.
    pub interception: Interception,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            trust_domain: TrustDomain::default(),
            mtls: MtlsMode::Strict,
            default_access: DefaultAccess::Deny,
            outbound_policy: OutboundPolicy::AllowAny,
            certificate_lifetime: Duration::from_secs(24 * 60 * 60),
            access_log: true,
            max_request_bytes: None,
            log_level: "info".into(),
            interception: Interception::default(),
        }
    }
}

/// What an inbound proxy does with a connection that is not mesh TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum MtlsMode {
    /// Refuse it.
    #[default]
    Strict,
    /// Pass it on; it has no identity.
    Permissive,
}

/// Whether a request that no policy speaks of is let in. SMI says deny; `Allow` is OSM's permissive traffic policy mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum DefaultAccess {
    /// Only what an access rule allows is let in.
    #[default]
    Deny,
    /// Everything is let in and access rules have no effect.
    Allow,
}

/// What an outbound proxy does with a destination that the mesh does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum OutboundPolicy {
    /// Pass it through as it is.
    #[default]
    AllowAny,
    /// Close it.
    RegistryOnly,
}

/// What traffic of a pod is kept away from its sidecar, and what alone is sent to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interception {
    /// Ports of the pod that callers reach directly.
    pub exclude_inbound_ports: Vec<u16>,
    /// Destination ports that the application reaches directly.
    pub exclude_outbound_ports: Vec<u16>,
    /// Destination ranges (CIDR) that the application reaches directly.
    pub exclude_outbound_ranges: Vec<String>,
    /// When not empty, only these destination ranges (CIDR) go through the sidecar.
    pub include_outbound_ranges: Vec<String>,
    /// Network interfaces whose traffic is left alone.
    pub exclude_interfaces: Vec<String>,
    /// User ids whose traffic is left alone.
    pub exclude_uids: Vec<u32>,
}
