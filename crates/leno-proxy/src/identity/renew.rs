//! Renewal: a certificate at start, another at half its life, patiently.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use leno_model::SpiffeId;
use leno_tls::rotate;
use rand::RngExt as _;
use tonic::transport::Channel;

use super::{
    Credentials,
    issue::{self, IssueError},
};
use crate::discovery::control_plane::ConnectError;

/// Keeps the certificate of what `workload` made fresh, for ever. While renewal fails the old one stays in use.
pub async fn run(
    credentials: Arc<Credentials>,
    connect: impl Fn() -> Result<Channel, ConnectError>,
    token_file: PathBuf,
    id: SpiffeId,
    workload: String,
) {
    let mut failures = 0;
    loop {
        let result = renew(&credentials, &connect, &token_file, &id, &workload).await;
        let wait = match result {
            Ok(()) => {
                failures = 0;
                note(&credentials);
                until_renewal(&credentials)
            }
            Err(error) => {
                failures += 1;
                credentials.count_failure();
                let cause = chain(&error);
                tracing::warn!(error = cause, failures, expiry = credentials.expiry_seconds(), "no new certificate");
                rotate::retry_in(failures, lot())
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// One renewal. Its connection is made for it alone: the next one is hours away.
async fn renew(
    credentials: &Credentials,
    connect: &impl Fn() -> Result<Channel, ConnectError>,
    token_file: &Path,
    id: &SpiffeId,
    workload: &str,
) -> Result<(), IssueError> {
    let channel = connect().map_err(IssueError::Connect)?;
    let (svid, bundle) = issue::issue(channel, token_file, id, workload).await?;
    credentials.install(svid, bundle).map_err(IssueError::Answer)
}

/// A random number from 0 to 1.
fn lot() -> f64 {
    rand::rng().random()
}

/// How long until the certificate should be renewed.
fn until_renewal(credentials: &Credentials) -> std::time::Duration {
    let Some(identity) = credentials.identity() else {
        return std::time::Duration::ZERO;
    };
    let svid = identity.svid();
    let credential = svid.credential();
    let wait = rotate::renew_in(credential.not_before(), credential.not_after(), SystemTime::now(), lot());
    // A clock that is wrong, or certificates that live for seconds, must not make a loop.
    wait.max(std::time::Duration::from_secs(1))
}

/// Logs a new certificate.
fn note(credentials: &Credentials) {
    if let Some(identity) = credentials.identity() {
        tracing::info!(identity = %identity.svid().id(), expiry = credentials.expiry_seconds(), "new certificate");
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
