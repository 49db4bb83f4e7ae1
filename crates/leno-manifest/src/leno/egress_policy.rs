//! `policy.leno.dev/v1alpha1` EgressPolicy.

use leno_model::policy::{
    RequestMatch as RequestModel, TrafficSettings,
    egress::{EgressPort, EgressProtocol, HostMatch},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    text_match::RequestMatch,
    traffic_policy::{
        Connections, Retries, Timeouts, Tls,
        tls::{CertificateRef, ClientCertificate, TlsMode, TlsVersion, WellKnownCertificates},
    },
};
use crate::{gateway::backend_tls_policy::SubjectAltName, meta::ObjectMeta, syntax::ip_range};

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
    /// TLS that the sidecar speaks for an application that speaks plaintext, on ports of HTTP and TCP; what the application
    /// sends is passed on as it is when not given. It is spoken to a host, whatever `matches` lets through. Of policies for the
    /// same host and port one with `tls` comes before those without.
    pub tls: Option<EgressTls>,
}

/// TLS that is spoken to the outside for the application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EgressTls {
    /// The port that it is spoken to, e.g. `443`; the one that the application dials when not given.
    pub port: Option<u16>,
    /// The name that is asked for (SNI), and that the certificate must have when no others are given; the host of the policy
    /// when not given, where it has one alone.
    pub hostname: Option<String>,
    /// Names of which the certificate must have one.
    #[serde(default)]
    pub subject_alt_names: Vec<SubjectAltName>,
    /// Who vouches for the certificate: ConfigMaps and Secrets of the policy's namespace.
    #[serde(default)]
    pub ca_certificate_refs: Vec<CertificateRef>,
    /// In the place of those: the roots that the sidecar's system has.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Option<WellKnownCertificates>,
    /// The lowest version that is spoken; `1.2` when not given.
    pub min_version: Option<TlsVersion>,
    /// The highest version that is spoken; `1.3` when not given.
    pub max_version: Option<TlsVersion>,
    /// What the sidecar shows to a server that asks who calls; nothing when not given.
    pub client_certificate: Option<ClientCertificate>,
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

    /// The same as a TrafficPolicy says it of a service's endpoints.
    #[must_use]
    pub fn tls(&self) -> Option<Tls> {
        let tls = self.tls.as_ref()?;
        let only = match self.hosts.as_slice() {
            // An address is no name that could be asked for.
            [host] if !host.starts_with('*') && host.parse::<std::net::IpAddr>().is_err() => Some(host.clone()),
            _ => None,
        };
        Some(Tls {
            mode: TlsMode::Simple,
            hostname: tls.hostname.clone().or(only),
            subject_alt_names: tls.subject_alt_names.clone(),
            ca_certificate_refs: tls.ca_certificate_refs.clone(),
            well_known_ca_certificates: tls.well_known_ca_certificates,
            min_version: tls.min_version,
            max_version: tls.max_version,
            client_certificate: tls.client_certificate.clone(),
        })
    }

    /// Retries, timeouts and limits; TLS left out, whose certificates are in other objects.
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
