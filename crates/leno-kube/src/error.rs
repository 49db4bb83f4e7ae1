//! What can go wrong between us and an API server.

use kube::core::Status;

/// Why the API server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not known where it is, or as whom to speak to it.
    #[error("no access to a cluster: {0}")]
    Access(String),
    /// It said no.
    #[error("the API server refuses ({code} {reason}): {message}")]
    Refused {
        /// The status of the answer, e.g. 403.
        code: u16,
        /// Its reason in one word, e.g. `Forbidden`.
        reason: String,
        /// Why, in its words.
        message: String,
    },
    /// It could not be asked.
    #[error("the API server cannot be asked: {0}")]
    Unreachable(String),
    /// What it was to be asked is nothing that can be asked.
    #[error("this is no question for an API server: {0}")]
    Unsound(String),
    /// The cluster has no such kind of object.
    #[error("the cluster has no {0}: its CustomResourceDefinition is not installed")]
    NoSuchKind(&'static str),
}

impl Error {
    /// Whether it said no with this status.
    #[must_use]
    pub fn is_status(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == wanted)
    }

    pub(crate) fn refused(status: &Status) -> Self {
        Self::Refused { code: status.code, reason: status.reason.clone(), message: status.message.clone() }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::refused(&status),
            error => Self::Unreachable(chain(&error)),
        }
    }
}

/// An error with all that caused it, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
