//! Asking for a certificate: `istio.v1.auth.IstioCertificateService`, which istiod, istio-csr and Leno serve.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::discovery::control_plane::ConnectError;
use leno_model::SpiffeId;
use leno_proto::istio::v1::auth::{
    IstioCertificateRequest, istio_certificate_service_client::IstioCertificateServiceClient,
};
use leno_tls::{PrivateKey, Svid, TlsError, TrustBundle, csr};
use tonic::{Request, Status, metadata::MetadataValue, transport::Channel};

/// Why no certificate could be had.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The token could not be read.
    #[error("read token {}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The token has characters that no token has.
    #[error("the token in {} is no token", .0.display())]
    TokenText(PathBuf),
    /// The issuer cannot even be dialled.
    #[error("certificate authority")]
    Connect(#[source] ConnectError),
    /// The issuer said no, or was not reached.
    #[error("certificate authority says {:?}: {}", .0.code(), .0.message())]
    Refused(Box<Status>),
    /// The issuer took too long.
    #[error("certificate authority did not answer within {0:?}")]
    Timeout(Duration),
    /// What the issuer answered is no certificate for our key.
    #[error("certificate authority's answer")]
    Answer(#[source] TlsError),
    /// No key or request could be made.
    #[error("certificate signing request")]
    Request(#[source] TlsError),
}

/// How long the issuer may take.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

/// Makes a key, has it signed, and returns the certificate with the root that it chains to. `id` and the name of what
/// made the workload are what the request asks for; the issuer decides by the token.
///
/// # Errors
/// What went wrong.
pub async fn issue(
    channel: Channel,
    token_file: &Path,
    id: &SpiffeId,
    workload: &str,
) -> Result<(Svid, TrustBundle), IssueError> {
    let token = tokio::fs::read_to_string(token_file)
        .await
        .map_err(|source| IssueError::Token { path: token_file.to_path_buf(), source })?;
    let key = PrivateKey::generate().map_err(IssueError::Request)?;
    let csr = csr::named_workload(&key, id, workload).map_err(IssueError::Request)?;
    let mut request = Request::new(IstioCertificateRequest { csr, validity_duration: 0, metadata: None });
    let mut bearer = MetadataValue::try_from(format!("Bearer {}", token.trim()))
        .map_err(|_| IssueError::TokenText(token_file.to_path_buf()))?;
    bearer.set_sensitive(true);
    request.metadata_mut().insert("authorization", bearer);
    let mut client = IstioCertificateServiceClient::new(channel);
    let answer = tokio::time::timeout(ANSWER, client.create_certificate(request))
        .await
        .map_err(|_| IssueError::Timeout(ANSWER))?
        .map_err(|status| IssueError::Refused(Box::new(status)))?;
    read(&key, &answer.into_inner().cert_chain).map_err(IssueError::Answer)
}

/// The certificate and root in an answer: the leaf first, the root last.
fn read(key: &PrivateKey, chain: &[String]) -> Result<(Svid, TrustBundle), TlsError> {
    let root = chain.last().filter(|_| chain.len() > 1).ok_or(TlsError::NoCertificate)?;
    let svid = Svid::new(key, &chain.join("\n"))?;
    let bundle = TrustBundle::from_pem(svid.id().trust_domain.clone(), root)?;
    Ok((svid, bundle))
}
