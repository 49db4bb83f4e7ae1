//! `policy.leno.dev/v1alpha1` MeshConfig.

use std::num::NonZeroU32;

use leno_model::{MeshConfig as Model, TrustDomain, mesh};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    meta::ObjectMeta,
    syntax::{duration, ip_range},
};

/// The only name that a MeshConfig may have.
pub const NAME: &str = "leno";

/// What holds for the whole mesh. There is one, named `leno`; what it does not say has the default told here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeshConfig {
    /// Its metadata; the name is `leno`.
    pub metadata: ObjectMeta,
    /// The settings.
    #[serde(default)]
    pub spec: MeshConfigSpec,
}

/// `spec` of a [`MeshConfig`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeshConfigSpec {
    /// The trust domain of every identity; `cluster.local` when not given.
    pub trust_domain: Option<String>,
    /// What a sidecar does with a connection that is not mesh TLS; `Strict` when not given.
    pub mtls: Option<Mtls>,
    /// Whether requests that no policy speaks of are let in; `Deny` when not given.
    pub default_access: Option<DefaultAccess>,
    /// What a sidecar does with destinations that the mesh does not know; `AllowAny` when not given.
    pub outbound_policy: Option<OutboundPolicy>,
    /// How long a workload's certificate is valid, e.g. `90m`; it is renewed at half of that. From `1m` to `87600h`; `24h`
    /// when not given.
    pub certificate_lifetime: Option<String>,
    /// Whether sidecars write an access log; true when not given.
    pub access_log: Option<bool>,
    /// How many bytes the body of a request to a meshed pod may have, from 1 to 4294967295; more is answered with 413. As
    /// many as it likes when not given: sidecars pass bodies on piece by piece.
    pub max_request_bytes: Option<u32>,
    /// The sidecars' log level: `error`, `warn`, `info`, `debug`, `trace`, or a list of `target=level`; `info` when not
    /// given.
    pub log_level: Option<String>,
    /// What traffic of every meshed pod is kept away from its sidecar.
    #[serde(default)]
    pub interception: Interception,
}

/// What a sidecar does with a connection that is not mesh TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mtls {
    /// Refuses it.
    Strict,
    /// Lets it in, without an identity.
    Permissive,
}

/// Whether requests that no policy speaks of are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DefaultAccess {
    /// They are refused.
    Deny,
    /// They are let in, unless an AccessPolicy closes their target or refuses them; TrafficTargets close nothing.
    Allow,
}

/// What a sidecar does with destinations that the mesh does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OutboundPolicy {
    /// Passes the connection on as it is.
    AllowAny,
    /// Closes it.
    RegistryOnly,
}

/// What traffic of a pod is kept away from its sidecar, and what alone is sent to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Interception {
    /// Ports of the pod that callers reach directly.
    #[serde(default)]
    pub exclude_inbound_ports: Vec<u16>,
    /// Destination ports that the application reaches directly.
    #[serde(default)]
    pub exclude_outbound_ports: Vec<u16>,
    /// Destination ranges (CIDR) that the application reaches directly.
    #[serde(default)]
    pub exclude_outbound_ranges: Vec<String>,
    /// When not empty, only these destination ranges (CIDR) go through the sidecar.
    #[serde(default)]
    pub include_outbound_ranges: Vec<String>,
    /// Network interfaces whose traffic is left alone.
    #[serde(default)]
    pub exclude_interfaces: Vec<String>,
    /// User ids whose traffic is left alone.
    #[serde(default)]
    pub exclude_uids: Vec<u32>,
}

impl MeshConfig {
    /// What it means, defaults filled in. (Values that reading would have refused count as not given.)
    #[must_use]
    pub fn to_model(&self) -> Model {
        let default = Model::default();
        let spec = &self.spec;
        Model {
            trust_domain: given(
                spec.trust_domain.as_ref().and_then(|text| TrustDomain::new(text).ok()),
                default.trust_domain,
            ),
            mtls: match spec.mtls {
                Some(Mtls::Strict) => mesh::MtlsMode::Strict,
                Some(Mtls::Permissive) => mesh::MtlsMode::Permissive,
                None => default.mtls,
            },
            default_access: match spec.default_access {
                Some(DefaultAccess::Deny) => mesh::DefaultAccess::Deny,
                Some(DefaultAccess::Allow) => mesh::DefaultAccess::Allow,
                None => default.default_access,
            },
            outbound_policy: match spec.outbound_policy {
                Some(OutboundPolicy::AllowAny) => mesh::OutboundPolicy::AllowAny,
                Some(OutboundPolicy::RegistryOnly) => mesh::OutboundPolicy::RegistryOnly,
                None => default.outbound_policy,
            },
            certificate_lifetime: given(
                spec.certificate_lifetime.as_deref().and_then(duration::parse),
                default.certificate_lifetime,
            ),
            access_log: spec.access_log.unwrap_or(default.access_log),
            max_request_bytes: spec.max_request_bytes.and_then(NonZeroU32::new),
            log_level: given(spec.log_level.clone(), default.log_level),
            interception: spec.interception.to_model(),
        }
    }
}

impl From<&Model> for MeshConfigSpec {
    /// Everything written out: of the default model, what holds when nothing is given.
    fn from(model: &Model) -> Self {
        Self {
            trust_domain: Some(model.trust_domain.to_string()),
            mtls: Some(match model.mtls {
                mesh::MtlsMode::Strict => Mtls::Strict,
                mesh::MtlsMode::Permissive => Mtls::Permissive,
            }),
            default_access: Some(match model.default_access {
                mesh::DefaultAccess::Deny => DefaultAccess::Deny,
                mesh::DefaultAccess::Allow => DefaultAccess::Allow,
            }),
            outbound_policy: Some(match model.outbound_policy {
                mesh::OutboundPolicy::AllowAny => OutboundPolicy::AllowAny,
                mesh::OutboundPolicy::RegistryOnly => OutboundPolicy::RegistryOnly,
            }),
            certificate_lifetime: Some(duration::shown(model.certificate_lifetime)),
            access_log: Some(model.access_log),
            max_request_bytes: model.max_request_bytes.map(NonZeroU32::get),
            log_level: Some(model.log_level.clone()),
            interception: Interception::from(&model.interception),
        }
    }
}

impl From<&mesh::Interception> for Interception {
    fn from(model: &mesh::Interception) -> Self {
        Self {
            exclude_inbound_ports: model.exclude_inbound_ports.clone(),
            exclude_outbound_ports: model.exclude_outbound_ports.clone(),
            exclude_outbound_ranges: model.exclude_outbound_ranges.clone(),
            include_outbound_ranges: model.include_outbound_ranges.clone(),
            exclude_interfaces: model.exclude_interfaces.clone(),
            exclude_uids: model.exclude_uids.clone(),
        }
    }
}

fn given<T>(value: Option<T>, default: T) -> T {
    value.unwrap_or(default)
}

impl Interception {
    /// What it means, ranges in their plain form.
    #[must_use]
    pub fn to_model(&self) -> mesh::Interception {
        let ranges = |ranges: &[String]| ranges.iter().filter_map(|text| ip_range::normal(text)).collect();
        mesh::Interception {
            exclude_inbound_ports: self.exclude_inbound_ports.clone(),
            exclude_outbound_ports: self.exclude_outbound_ports.clone(),
            exclude_outbound_ranges: ranges(&self.exclude_outbound_ranges),
            include_outbound_ranges: ranges(&self.include_outbound_ranges),
            exclude_interfaces: self.exclude_interfaces.clone(),
            exclude_uids: self.exclude_uids.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_out_means_the_same() {
        let other = Model {
            mtls: mesh::MtlsMode::Permissive,
            default_access: mesh::DefaultAccess::Allow,
            outbound_policy: mesh::OutboundPolicy::RegistryOnly,
            certificate_lifetime: std::time::Duration::from_secs(5430),
            access_log: false,
            max_request_bytes: NonZeroU32::new(7),
            interception: mesh::Interception {
                exclude_inbound_ports: vec![1],
                exclude_outbound_ports: vec![2],
                exclude_outbound_ranges: vec!["10.0.0.0/8".into()],
                include_outbound_ranges: vec!["10.1.0.0/16".into()],
                exclude_interfaces: vec!["eth1".into()],
                exclude_uids: vec![3],
            },
            ..Model::default()
        };
        for model in [Model::default(), other] {
            let config = MeshConfig { metadata: ObjectMeta::default(), spec: MeshConfigSpec::from(&model) };
            assert_eq!(config.to_model(), model);
        }
    }
}
