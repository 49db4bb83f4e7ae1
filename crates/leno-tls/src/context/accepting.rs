//! The accepting side ([`DownstreamTlsContext`]).
//!
//! [`DownstreamTlsContext`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/tls.proto#extensions-transport-sockets-tls-v3-downstreamtlscontext

use std::{sync::Arc, time::Duration};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::{NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache},
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{Certificate, Parameters, Side, Trust, select::Selection, verify::Verifier};
use crate::TlsError;

/// Sessions that are remembered for callers of TLS 1.2 without tickets.
const SESSIONS: usize = 1024;

/// Which sessions may be resumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Whether no tickets are given out.
    pub no_tickets: bool,
    /// Whether none are remembered here.
    pub no_memory: bool,
    /// How long, at most; `None`: rustls' own twelve hours.
    pub timeout: Option<Duration>,
}

/// What the accepting side shows and asks for.
#[derive(Clone, Debug)]
pub struct Accepting {
    /// The certificates to choose from; at least one.
    pub certificates: Vec<Certificate>,
    /// Whom to believe; `None`: nobody is asked who they are.
    pub trust: Option<Trust>,
    /// Whether callers without a certificate are turned away whatever `trust` says.
    pub require_certificate: bool,
    /// Whether callers that ask for no name are turned away.
    pub require_name: bool,
    /// Whether all certificates are looked through when none has the name that is asked for.
    pub full_scan: bool,
    /// The protocols, most wanted first.
    pub alpn: Vec<String>,
    /// What may be negotiated.
    pub parameters: Parameters,
    /// Which sessions may be resumed.
    pub sessions: Sessions,
}

impl Accepting {
    /// The rustls configuration.
    ///
    /// # Errors
    /// When there is no certificate, or rustls refuses it.
    pub fn config(&self) -> Result<ServerConfig, TlsError> {
        if self.certificates.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let selection = Selection {
            certificates: self.certificates.clone(),
            require_name: self.require_name,
            full_scan: self.full_scan,
        };
        let builder = ServerConfig::builder_with_provider(self.parameters.provider())
            .with_protocol_versions(self.parameters.versions())
            .map_err(TlsError::Config)?;
        let verifier = Arc::new(self.verifier());
        let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(Arc::new(selection));
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        if !self.sessions.no_tickets {
            config.ticketer = ticketer(self.sessions.timeout)?;
        }
        config.session_storage = match self.sessions.no_memory {
            true => Arc::new(NoServerSessionStorage {}),
            false => ServerSessionMemoryCache::new(SESSIONS),
        };
        // BoringSSL gives out tickets of TLS 1.3 only where it needs no memory for them.
        if self.sessions.no_tickets {
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }

    /// Verifies a caller once more: for sessions that were resumed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, chain: &[CertificateDer<'_>]) -> Result<(), TlsError> {
        if chain.is_empty() && !self.is_mandatory() {
            return Ok(());
        }
        self.verifier().verify(chain, None, UnixTime::now())
    }

    /// Whether callers must show a certificate. As with Envoy, where certain ones are asked for, none is not enough.
    fn is_mandatory(&self) -> bool {
        self.require_certificate || self.trust.as_ref().is_some_and(|trust| trust.rules.are_particular())
    }

    fn verifier(&self) -> Verifier {
        Verifier {
            trust: self.trust.clone(),
            by_host: false,
            peer: Side::Client,
            mandatory: self.is_mandatory(),
            provider: self.parameters.provider(),
        }
    }
}

fn ticketer(timeout: Option<Duration>) -> Result<Arc<dyn ProducesTickets>, TlsError> {
    let tickets = Ticketer::new().map_err(TlsError::Config)?;
    Ok(match timeout.and_then(|time| u32::try_from(time.as_secs()).ok()) {
        Some(lifetime) => Arc::new(Shorter { tickets, lifetime }),
        None => tickets,
    })
}

/// Tickets that callers are told to forget sooner.
#[derive(Debug)]
struct Shorter {
    tickets: Arc<dyn ProducesTickets>,
    lifetime: u32,
}

impl ProducesTickets for Shorter {
    fn enabled(&self) -> bool {
        self.lifetime > 0 && self.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.lifetime
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.tickets.decrypt(cipher)
    }
}
