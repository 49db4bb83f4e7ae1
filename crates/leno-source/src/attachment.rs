//! How policies stand towards what they are attached to ([PolicyStatus]).
//!
//! [PolicyStatus]: https://gateway-api.sigs.k8s.io/reference/spec/#policystatus

use leno_model::ObjectRef;
use serde::{Deserialize, Serialize};

/// How a policy stands towards one of the objects that it is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The policy.
    pub policy: ObjectRef,
    /// The object that it is attached to.
    pub target: ObjectRef,
    /// The part of that object; all of it when `None`.
    pub section: Option<String>,
    /// Whether it is in force there, and if not why.
    pub reason: AttachmentReason,
    /// The same in a sentence.
    pub message: String,
}

/// Why a policy is in force at a target, or not: the reason of the condition `Accepted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AttachmentReason {
    /// It is in force.
    Accepted,
    /// Another policy says otherwise of the same and wins.
    Conflicted,
    /// The target, or its part, is not there.
    TargetNotFound,
    /// It says something that the target cannot have.
    Invalid,
    /// None of the certificates is there whose holders it would believe.
    NoValidCaCertificate,
    /// The certificate is not there, or no good, that it would show to servers.
    InvalidClientCertificateRef,
}

impl Attachment {
    /// Whether it tells the same of the same target, in whatever words.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        let same = |it: &Self| (it.policy.clone(), it.target.clone(), it.section.clone(), it.reason);
        same(self) == same(other)
    }
}

impl AttachmentReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::Conflicted,
        Self::TargetNotFound,
        Self::Invalid,
        Self::NoValidCaCertificate,
        Self::InvalidClientCertificateRef,
    ];

    /// The reason as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Conflicted => "Conflicted",
            Self::TargetNotFound => "TargetNotFound",
            Self::Invalid => "Invalid",
            Self::NoValidCaCertificate => "NoValidCACertificate",
            Self::InvalidClientCertificateRef => "InvalidClientCertificateRef",
        }
    }

    /// What it means, and what to do: the reference's text.
    #[must_use]
    pub fn explained(self) -> (&'static str, &'static str) {
        match self {
            Self::Accepted => ("It is in force there.", "Nothing."),
            Self::Conflicted => (
                "Another policy says otherwise of the same and wins: the older, or of equally old ones the first by name.",
                "Put both into one policy, or keep one.",
            ),
            Self::TargetNotFound => (
                "The target, or the named part of it, is not there (yet).",
                "Nothing, if it is about to come; else mend the name.",
            ),
            Self::Invalid => ("It says something that the target cannot have.", "See the message."),
            Self::NoValidCaCertificate => (
                "None of the certificates is there whose holders it would believe: no connection is made.",
                "Write the ConfigMap or Secret that it names, with certificates in PEM.",
            ),
            Self::InvalidClientCertificateRef => (
                "The Secret is not there, or no good, whose certificate callers are to show: no connection is made.",
                "Write the Secret that it names: type kubernetes.io/tls, with tls.crt and the tls.key that fits it.",
            ),
        }
    }
}
