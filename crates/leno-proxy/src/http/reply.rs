//! Answers that the proxy gives itself.

use crate::error::{ErrorKind, ProxyError};

/// The header that says why the proxy answered itself: Envoy's response flag and our word for it.
pub(super) const REASON: &str = "x-leno-reason";
/// The header that names the policy which refused a request.
pub(super) const DENIED_BY: &str = "x-leno-denied-by";

/// An answer that the proxy gives itself.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// The status; 0 when there is nobody to answer.
    pub(super) status: u16,
    /// Further headers.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The body: one line of text.
    pub(super) body: String,
    /// Envoy's response flag; `-` for none.
    pub(super) flags: &'static str,
    /// Why, for the access log; empty when it is no failure.
    pub(super) detail: String,
}

impl From<ProxyError> for Reply {
    fn from(error: ProxyError) -> Self {
        let kind = error.kind;
        let detail = error.to_string();
        Self {
            status: kind.status(),
            headers: vec![(REASON, format!("{} {}", kind.flag(), kind.label()))],
            body: format!("{detail}\n"),
            flags: kind.flag(),
            detail,
        }
    }
}

impl Reply {
    /// Who may not call is told why.
    pub(super) fn denied(detail: &str, policy: String) -> Self {
        let mut reply = Self::from(ProxyError::new(ErrorKind::AccessDenied, detail.to_owned()));
        reply.body = format!("RBAC: {detail}\n");
        reply.headers.push((DENIED_BY, policy));
        reply
    }

    /// The caller is sent elsewhere.
    pub(super) fn redirect(status: u16, location: String) -> Self {
        Self { status, headers: vec![("location", location)], body: String::new(), flags: "-", detail: String::new() }
    }

    /// The route has the answer.
    pub(super) fn direct(status: u16, body: String) -> Self {
        Self { status, headers: Vec::new(), body, flags: "-", detail: String::new() }
    }

    /// The same failure as gRPC's clients understand it ([status codes]).
    ///
    /// [status codes]: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
    pub(super) fn grpc_status(&self) -> u8 {
        match self.status {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502..=504 => 14,
            _ => 2,
        }
    }
}
