//! Tokens of a cluster's service accounts, judged by its API server.

use leno_kube::{Bearer, Cluster, Review};

use super::{AttestError, Attested, service_account, token::AUDIENCE};

/// Who the bearer of this token is.
pub(super) async fn attest(cluster: &Cluster, token: &str) -> Result<Attested, AttestError> {
    match cluster.review(token, AUDIENCE).await.map_err(AttestError::Review)? {
        Review::Believed(Bearer { user, pod }) => Ok(Attested { service_account: service_account(&user)?, pod }),
        Review::Refused(why) => Err(AttestError::NotBelieved(why)),
    }
}
