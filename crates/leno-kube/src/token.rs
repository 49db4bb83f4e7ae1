//! Tokens of service accounts, judged by the API server ([TokenReview]): it knows which pods are gone.
//!
//! [TokenReview]: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::{Api, PostParams};

use crate::{Cluster, Error};

/// The key of `status.user.extra` that names the pod which a token is bound to.
const POD: &str = "authentication.kubernetes.io/pod-name";

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The user, e.g. `system:serviceaccount:shop:cart`.
    pub user: String,
    /// The pod, when the token is bound to one.
    pub pod: Option<String>,
}

/// What the API server says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Review {
    /// It is this one's.
    Believed(Bearer),
    /// It is not good, and why.
    Refused(String),
}

impl Cluster {
    /// Whose token this is, if it is meant for this audience.
    ///
    /// # Errors
    /// When the API server refuses (it takes the right to `create` `tokenreviews`) or cannot be asked.
    pub async fn review(&self, token: &str, audience: &str) -> Result<Review, Error> {
        let spec = TokenReviewSpec { token: Some(token.to_owned()), audiences: Some(vec![audience.to_owned()]) };
        let review = TokenReview { spec, ..TokenReview::default() };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let status = api.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
        let refused = |why: &str| Ok(Review::Refused(why.to_owned()));
        if status.authenticated != Some(true) {
            return refused(status.error.as_deref().unwrap_or("the API server does not believe it"));
        }
        // An authenticator that knows of no audiences believes tokens that are meant for others.
        if !status.audiences.is_some_and(|audiences| audiences.iter().any(|it| it == audience)) {
            return refused("it is meant for another audience");
        }
        let user = status.user.unwrap_or_default();
        let pod = user.extra.and_then(|extra| extra.get(POD)?.first().cloned());
        Ok(Review::Believed(Bearer { user: user.username.unwrap_or_default(), pod }))
    }
}
