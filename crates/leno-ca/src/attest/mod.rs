//! Who asks for a certificate.

pub mod local;
pub mod token;

use leno_model::ServiceAccountName;

/// Who a token says its bearer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// The service account.
    pub service_account: ServiceAccountName,
    /// The pod, when the token is bound to one.
    pub pod: Option<String>,
}

/// What tokens are believed.
#[derive(Debug)]
pub enum Attestor {
    /// Those that the local runner signs.
    Local(local::LocalAttestor),
}

impl Attestor {
    /// Who the bearer of this token is.
    ///
    /// # Errors
    /// Why the token is not believed.
    pub fn attest(&self, token: &str) -> Result<Attested, local::AttestError> {
        match self {
            Self::Local(attestor) => attestor.attest(token),
        }
    }
}
