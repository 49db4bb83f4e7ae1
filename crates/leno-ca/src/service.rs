//! The signing service, `istio.v1.auth.IstioCertificateService`.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use leno_model::{SpiffeId, TrustDomain};
use leno_proto::istio::v1::auth::{
    IstioCertificateRequest, IstioCertificateResponse,
    istio_certificate_service_server::{IstioCertificateService, IstioCertificateServiceServer},
};
use tokio::sync::watch;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use crate::{
    Authority, Issued,
    attest::{AttestError, Attestor},
    issuer::RequestError,
};

/// The mesh settings that issuing depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The trust domain of every identity.
    pub trust_domain: TrustDomain,
    /// How long a certificate lives, at most.
    pub certificate_lifetime: Duration,
}

/// What became of a request, for logs and metrics.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// A certificate was issued.
    Issued {
        /// For whom.
        id: &'a SpiffeId,
        /// For which pod, when the token said so.
        pod: Option<&'a str>,
        /// What.
        issued: &'a Issued,
    },
    /// None was.
    Refused {
        /// Why, as a metric label.
        refusal: Refusal,
        /// Why, for people.
        reason: &'a str,
    },
}

/// Why no certificate was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There was no token, or it was not believed.
    Unauthenticated,
    /// The request was malformed.
    InvalidRequest,
    /// The authority could not do its work.
    Internal,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unauthenticated, Self::InvalidRequest, Self::Internal];

    /// Its metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::InvalidRequest => "invalid_request",
            Self::Internal => "internal",
        }
    }

    /// What it means, and what to do: the reference's text.
    #[must_use]
    pub fn explained(self) -> (&'static str, &'static str) {
        match self {
            Self::Unauthenticated => (
                "There was no token, or it was not believed.",
                "Look whether the token has expired, and whether the control plane has the key that it is signed with \
                 (`--workload-jwks`); on a cluster, whether it is of a pod that lives and for the audience `leno-ca`.",
            ),
            Self::InvalidRequest => (
                "The request was malformed.",
                "Use a sidecar of the control plane's version; other clients must send a CSR with a key that they hold.",
            ),
            Self::Internal => ("The authority could not do its work.", "Look at the control plane's log."),
        }
    }

    fn status(self, reason: String) -> Status {
        match self {
            Self::Unauthenticated => Status::unauthenticated(reason),
            Self::InvalidRequest => Status::invalid_argument(reason),
            Self::Internal => Status::internal(reason),
        }
    }
}

/// Who is told what became of each request.
pub type Observer = Arc<dyn Fn(&Outcome<'_>) + Send + Sync>;

/// The signing service.
#[derive(Clone)]
pub struct CertificateService {
    authority: Arc<Authority>,
    attestor: Arc<Attestor>,
    settings: watch::Receiver<Settings>,
    observer: Observer,
}

impl fmt::Debug for CertificateService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateService").finish_non_exhaustive()
    }
}

/// The largest message that is read: a request of 16 KiB and room for metadata.
const MAX_MESSAGE: usize = 64 * 1024;

impl CertificateService {
    /// A service of this authority. `settings` are read at every request; `observer` is told what became of it.
    #[must_use]
    pub fn new(
        authority: Arc<Authority>,
        attestor: Arc<Attestor>,
        settings: watch::Receiver<Settings>,
        observer: Observer,
    ) -> Self {
        Self { authority, attestor, settings, observer }
    }

    /// The service for a tonic server.
    #[must_use]
    pub fn into_server(self) -> IstioCertificateServiceServer<Self> {
        IstioCertificateServiceServer::new(self).max_decoding_message_size(MAX_MESSAGE)
    }

    async fn answer(&self, metadata: &MetadataMap, request: &IstioCertificateRequest) -> Result<Granted, Refused> {
        let attested = self.attestor.attest(bearer(metadata)?).await?;
        let settings = self.settings.borrow().clone();
        let id = SpiffeId::new(settings.trust_domain, attested.service_account);
        let lifetime = lifetime(request.validity_duration, settings.certificate_lifetime);
        let now = SystemTime::now();
        let issued = self.authority.issue_workload(&request.csr, &id, attested.pod.as_deref(), lifetime, now)?;
        Ok(Granted { id, pod: attested.pod, issued })
    }
}

/// A request that got its certificate.
struct Granted {
    id: SpiffeId,
    pod: Option<String>,
    issued: Issued,
}

/// A request that did not.
struct Refused {
    refusal: Refusal,
    reason: String,
}

impl Refused {
    fn unauthenticated(reason: &str) -> Self {
        Self { refusal: Refusal::Unauthenticated, reason: reason.to_owned() }
    }
}

impl From<AttestError> for Refused {
    fn from(error: AttestError) -> Self {
        let refusal = match &error {
            AttestError::Keys { .. } | AttestError::KeySet { .. } | AttestError::Review(_) => Refusal::Internal,
            AttestError::NotBelieved(_)
            | AttestError::Malformed(_)
            | AttestError::UnknownKey(_)
            | AttestError::Refused { .. }
            | AttestError::Subject(_)
            | AttestError::Contradiction => Refusal::Unauthenticated,
        };
        Self { refusal, reason: chain(&error) }
    }
}

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Self {
        let refusal = match &error {
            RequestError::Authority(_) => Refusal::Internal,
            RequestError::Size(_)
            | RequestError::Pem(_)
            | RequestError::Parse(_)
            | RequestError::Signature
            | RequestError::KeyType(_)
            | RequestError::Name(_) => Refusal::InvalidRequest,
        };
        Self { refusal, reason: chain(&error) }
    }
}

/// The token of the `authorization: Bearer <token>` metadata; the scheme's case does not matter ([RFC 9110 11.1]).
///
/// [RFC 9110 11.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.1
fn bearer(metadata: &MetadataMap) -> Result<&str, Refused> {
    let Some(value) = metadata.get("authorization") else {
        let reason = "no authorization metadata, expected a workload token: Bearer <token>";
        return Err(Refused::unauthenticated(reason));
    };
    let parts = value.to_str().ok().and_then(|value| value.split_once(' '));
    match parts.map(|(scheme, token)| (scheme, token.trim())) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => Ok(token),
        _ => Err(Refused::unauthenticated("authorization is not of the form: Bearer <token>")),
    }
}

/// What was asked for, within what is configured; nothing asked for means all of it.
fn lifetime(requested_seconds: i64, configured: Duration) -> Duration {
    match u64::try_from(requested_seconds) {
        Ok(seconds) if seconds > 0 => Duration::from_secs(seconds).min(configured),
        _ => configured,
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[tonic::async_trait]
impl IstioCertificateService for CertificateService {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        match self.answer(request.metadata(), request.get_ref()).await {
            Ok(Granted { id, pod, issued }) => {
                let pod = pod.as_deref();
                (self.observer)(&Outcome::Issued { id: &id, pod, issued: &issued });
                Ok(Response::new(IstioCertificateResponse { cert_chain: issued.chain }))
            }
            Err(Refused { refusal, reason }) => {
                (self.observer)(&Outcome::Refused { refusal, reason: &reason });
                Err(refusal.status(reason))
            }
        }
    }
}
