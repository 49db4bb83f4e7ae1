//! Versions, suites and groups ([`TlsParameters`]).
//!
//! [`TlsParameters`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto#extensions-transport-sockets-tls-v3-tlsparameters

use std::sync::Arc;

use rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        CryptoProvider, SupportedKxGroup,
        aws_lc_rs::{self, cipher_suite, kx_group},
    },
    version::{TLS12, TLS13},
};

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

/// A side of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that is dialled.
    Server,
    /// The one that dials.
    Client,
}

/// What may be negotiated.
#[derive(Clone, Debug)]
pub struct Parameters {
    versions: &'static [&'static SupportedProtocolVersion],
    provider: Arc<CryptoProvider>,
}

/// The suites of TLS 1.3; BoringSSL lets nobody choose among them.
const TLS13_SUITES: [SupportedCipherSuite; 3] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
];

/// The suites of TLS 1.2 by OpenSSL's names, Envoy's defaults in their order. Suites without forward secrecy or with CBC
/// are not there.
const TLS12_SUITES: [(&str, SupportedCipherSuite); 6] = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
];

/// The groups by the names that Envoy knows them by.
static GROUPS: [(&str, &dyn SupportedKxGroup); 4] = [
    ("X25519MLKEM768", kx_group::X25519MLKEM768),
    ("X25519", kx_group::X25519),
    ("P-256", kx_group::SECP256R1),
    ("P-384", kx_group::SECP384R1),
];

impl Parameters {
    /// The names of suites and groups that there are, for errors.
    #[must_use]
    pub fn known() -> (String, String) {
        let suites = TLS12_SUITES.map(|(name, _)| name).join(", ");
        (suites, GROUPS.map(|(name, _)| name).join(", "))
    }

    /// Whether there is a suite of TLS 1.2 of this name.
    #[must_use]
    pub fn knows_suite(name: &str) -> bool {
        TLS12_SUITES.iter().any(|(known, _)| *known == name)
    }

    /// Whether there is a group of this name.
    #[must_use]
    pub fn knows_group(name: &str) -> bool {
        GROUPS.iter().any(|(known, _)| *known == name)
    }

    /// Versions from `min` to `max`, suites of TLS 1.2 and groups by name; no names mean the defaults. Unknown names are
    /// left out.
    #[must_use]
    pub fn new(min: Version, max: Version, suites: &[String], groups: &[String]) -> Self {
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        let versions = match (min, max) {
            (Version::Tls12, Version::Tls12) => BOTH.get(1..),
            (Version::Tls12, Version::Tls13) => BOTH.get(..),
            (Version::Tls13, _) => BOTH.get(..1),
        };
        let versions = versions.unwrap_or_default();
        let find = |name: &String| TLS12_SUITES.iter().find(|(known, _)| known == name).map(|(_, suite)| *suite);
        let of_12: Vec<_> = match suites {
            [] => TLS12_SUITES.map(|(_, suite)| suite).to_vec(),
            named => named.iter().filter_map(find).collect(),
        };
        let find = |name: &String| GROUPS.iter().find(|(known, _)| known == name).map(|(_, group)| *group);
        let kx_groups = match groups {
            [] => GROUPS.map(|(_, group)| group).to_vec(),
            named => named.iter().filter_map(find).collect(),
        };
        let cipher_suites = TLS13_SUITES.into_iter().chain(of_12).collect();
        let provider = CryptoProvider { cipher_suites, kx_groups, ..aws_lc_rs::default_provider() };
        Self { versions, provider: Arc::new(provider) }
    }

    /// What Envoy speaks when nobody says what.
    #[must_use]
    pub fn default_of(side: Side) -> Self {
        Self::new(Version::Tls12, side.newest(), &[], &[])
    }

    pub(super) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        self.versions
    }

    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        Arc::clone(&self.provider)
    }
}

impl Side {
    /// The newest version that is spoken when nobody says which: Envoy's.
    #[must_use]
    pub fn newest(self) -> Version {
        match self {
            Self::Server => Version::Tls13,
            Self::Client => Version::Tls12,
        }
    }
}
