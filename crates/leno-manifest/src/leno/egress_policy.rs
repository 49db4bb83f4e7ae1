//! `policy.leno.dev/v1alpha1` EgressPolicy.

use leno_model::policy::{
    RequestMatch as RequestModel, TrafficSettings,
    egress::{EgressPort, EgressProtocol, HostMatch},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    text_match::RequestMatch,
    traffic_policy::{Connections, Retries, Timeouts},
};
use crate::{meta::ObjectMeta, syntax::ip_range};

/// What pods of its namespace may reach outside of the mesh, where `outboundPolicy` is `RegistryOnly`, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EgressPolicy {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What it says.
    pub spec: EgressPolicySpec,
}

/// `spec` of an [`EgressPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EgressPolicySpec {
    /// The service accounts of its namespace whose pods it speaks of; every pod's when not given.
    #[serde(default)]
    pub service_accounts: Vec<String>,
    /// The ports that are reached; at least one.
    pub ports: Vec<Port>,
    /// The hosts that are reached on ports of HTTP and TLS: `api.example.org`, or `*.example.org` for those below. The host is
    /// what the request, or the ClientHello (SNI), says; at least one where there is such a port.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The addresses that are reached, e.g. `192.0.2.0/24`; any when not given.
    #[serde(default)]
    pub ip_blocks: Vec<String>,
    /// The requests that pass on ports of HTTP: those that fit one of these; any when not given.
    #[serde(default)]
    pub matches: Vec<RequestMatch>,
    /// Which requests are sent again; when not given only those that cannot have been processed.
    pub retries: Option<Retries>,
    /// How long things may take.
    pub timeouts: Option<Timeouts>,
    /// How much one sidecar has open by this policy at the same time; more is refused with 503.
    pub connections: Option<Connections>,
}

/// A port outside of the mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// What is spoken.
    pub protocol: Protocol,
}

/// What is spoken outside of the mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// HTTP in plaintext.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// TLS of the application's own, HTTPS for one.
    #[serde(rename = "TLS")]
    Tls,
    /// Bytes.
    #[serde(rename = "TCP")]
    Tcp,
}

impl EgressPolicySpec {
    /// The ports.
    #[must_use]
    pub fn ports(&self) -> Vec<EgressPort> {
        let protocol = |protocol| match protocol {
            Protocol::Http => EgressProtocol::Http,
            Protocol::Tls => EgressProtocol::Tls,
            Protocol::Tcp => EgressProtocol::Tcp,
        };
        self.ports.iter().map(|it| EgressPort { number: it.number, protocol: protocol(it.protocol) }).collect()
    }

    /// The hosts.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostMatch> {
        let host = |text: &String| {
            let text = text.to_ascii_lowercase();
            match text.strip_prefix('*') {
                Some(domain) => HostMatch::Below(domain.to_owned()),
                None => HostMatch::Exact(text),
            }
        };
        self.hosts.iter().map(host).collect()
    }

    /// The addresses.
    #[must_use]
    pub fn blocks(&self) -> Vec<(std::net::IpAddr, u8)> {
        self.ip_blocks.iter().filter_map(|text| ip_range::parse(text)).collect()
    }

    /// The requests.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestModel> {
        self.matches.iter().map(RequestMatch::to_model).collect()
    }

    /// Retries, timeouts and limits.
    #[must_use]
    pub fn settings(&self) -> TrafficSettings {
        TrafficSettings {
            retries: self.retries.as_ref().map(Retries::to_model),
            timeouts: self.timeouts.as_ref().map(Timeouts::to_model),
            connections: self.connections.as_ref().map(Connections::to_model),
            ..TrafficSettings::default()
        }
    }
}
