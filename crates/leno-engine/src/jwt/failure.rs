//! Why a token does not hold.

/// Why a token does not hold. The text is what the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum JwtFailure {
    /// There is none.
    #[error("Jwt is missing")]
    Missing,
    /// It is no token.
    #[error("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")]
    Format,
    /// A part of it is no Base64 without padding.
    #[error("Jwt is not encoded as Base64url")]
    Base64,
    /// Header or payload is no object, or a field of it has another type than it should.
    #[error("Jwt header or payload is not the JSON that it should be")]
    Json,
    /// Its algorithm is not known.
    #[error("Jwt header [alg] is not supported")]
    Algorithm,
    /// Nobody demands tokens of this issuer.
    #[error("Jwt issuer is not configured")]
    Issuer,
    /// It speaks for somebody it may not speak for.
    #[error("Jwt subject is not allowed")]
    Subject,
    /// It is not valid yet.
    #[error("Jwt not yet valid")]
    NotYet,
    /// It is not valid any more.
    #[error("Jwt is expired")]
    Expired,
    /// It is valid for too long.
    #[error("Jwt expiration is missing or too far away")]
    Lifetime,
    /// It is for others.
    #[error("Audiences in Jwt are not allowed")]
    Audience,
    /// No key fits.
    #[error("Jwks doesn't have key to match kid or alg from Jwt")]
    NoKey,
    /// The signature is not the key's.
    #[error("Jwt verification fails")]
    Signature,
    /// The keys cannot be had.
    #[error("Jwks remote fetch is failed")]
    Fetch,
}

impl JwtFailure {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> u16 {
        if self == Self::Audience { 403 } else { 401 }
    }

    /// Which of two failures says more: that there is no token, or none of this issuer, says least.
    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        match other {
            Self::Missing | Self::Issuer if self != Self::Missing => self,
            other => other,
        }
    }
}
