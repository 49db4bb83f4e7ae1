//! Tokens of a cluster's service accounts, judged by its API server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::dangerous::insecure_decode;
use leno_kube::{Bearer, Cluster, Error, Review};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    AttestError, Attested, service_account,
    token::{AUDIENCE, Claims},
};

/// How many tokens the API server is asked about at a time.
const AT_ONCE: usize = 16;
/// How long its answer may take, waiting for others included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has the API server of a cluster judge tokens.
#[derive(Debug)]
pub struct KubernetesAttestor {
    cluster: Cluster,
    asking: Semaphore,
}

impl KubernetesAttestor {
    /// An attestor for the tokens of this cluster.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, asking: Semaphore::new(AT_ONCE) }
    }

    /// Who the bearer of this token is. What cannot be good is refused here: anybody can send it, and the API server would be
    /// asked in our name.
    pub(super) async fn attest(&self, token: &str) -> Result<Attested, AttestError> {
        sift(token, SystemTime::now())?;
        let review = async {
            // The semaphore is never closed.
            let _turn = self.asking.acquire().await;
            self.cluster.review(token, AUDIENCE).await
        };
        let review = timeout(PATIENCE, review).await;
        let review = review.unwrap_or_else(|_| Err(Error::Unreachable("it does not answer".into())));
        match review.map_err(AttestError::Review)? {
            Review::Believed(Bearer { user, pod }) => Ok(Attested { service_account: service_account(&user)?, pod }),
            Review::Refused(why) => Err(AttestError::NotBelieved(why)),
        }
    }
}

/// Refuses what is no token, is for others, or has ended, by what it says of itself.
fn sift(token: &str, now: SystemTime) -> Result<(), AttestError> {
    let claims = insecure_decode::<Claims>(token).map_err(AttestError::Malformed)?.claims;
    if !claims.aud.has(AUDIENCE) {
        return Err(AttestError::NotBelieved(format!("it is meant for another audience than {AUDIENCE}")));
    }
    if now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() >= claims.exp {
        return Err(AttestError::NotBelieved("it has expired".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use leno_model::{ServiceAccountName, WorkloadName};

    use super::{super::token::TokenIssuer, *};

    #[test]
    fn what_cannot_be_good_is_not_asked_about() {
        let issuer = TokenIssuer::generate().unwrap();
        let (workload, account) = (WorkloadName::new("shop", "cart-1"), ServiceAccountName::new("shop", "cart"));
        let now = SystemTime::now();
        let token = issuer.sign(&workload, &account, Duration::from_secs(60), now).unwrap();
        assert!(sift(&token, now).is_ok());
        assert!(matches!(sift(&token, now + Duration::from_secs(61)), Err(AttestError::NotBelieved(_))));
        assert!(matches!(sift("rubbish", now), Err(AttestError::Malformed(_))));
    }
}
