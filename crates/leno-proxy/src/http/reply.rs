//! Answers that the proxy gives itself.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use leno_engine::route::HeaderEdits;

use super::{
    header::{self, Change},
    local_reply::Way,
};
use crate::error::{ErrorKind, ProxyError};

/// The header that says why the proxy answered itself: Envoy's response flag and our word for it.
pub(super) const REASON: &str = "x-leno-reason";
/// Envoy's header that tells a caller to hold back: the request did not fit into what is allowed at the same time.
const OVERLOADED: &str = "x-envoy-overloaded";
/// The header that names the policy which refused a request.
pub(super) const DENIED_BY: &str = "x-leno-denied-by";

/// What bodies are.
pub(super) const CONTENT_TYPE: &str = "content-type";
/// What they are where nobody says otherwise.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

fn text() -> (Cow<'static, str>, String) {
    (CONTENT_TYPE.into(), TEXT.to_owned())
}

/// An answer that the proxy gives itself.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// The status; 0 when there is nobody to answer.
    pub(super) status: u16,
    /// Further headers.
    pub(super) headers: Vec<(Cow<'static, str>, String)>,
    /// The body: one line of text, unless a service wrote it.
    pub(super) body: Bytes,
    /// Envoy's response flag; `-` for none.
    pub(super) flags: &'static str,
    /// Why, for the access log; empty when it is no failure.
    pub(super) detail: String,
    /// The status for gRPC callers, where it does not follow from HTTP's.
    pub(super) grpc: Option<u32>,
    /// Whether it was delayed on purpose.
    pub(super) delayed: bool,
    /// Whether the connection manager may have it worded otherwise.
    pub(super) rewordable: bool,
    /// Where the request was to go, where that is to be told.
    pub(super) way: Option<Arc<Way>>,
}

impl From<ProxyError> for Reply {
    fn from(error: ProxyError) -> Self {
        let kind = error.kind;
        let detail = error.to_string();
        let mut headers = vec![(REASON.into(), format!("{} {}", kind.flag(), kind.label())), text()];
        if matches!(kind, ErrorKind::UpstreamOverflow | ErrorKind::Overload) {
            headers.push((OVERLOADED.into(), "true".to_owned()));
        }
        Self {
            status: kind.status(),
            headers,
            body: format!("{detail}\n").into(),
            flags: kind.flag(),
            detail,
            grpc: None,
            delayed: false,
            rewordable: true,
            way: None,
        }
    }
}

impl From<ErrorKind> for Reply {
    fn from(kind: ErrorKind) -> Self {
        Self::from(ProxyError::new(kind, kind.doc()))
    }
}

impl Reply {
    /// Whether an answer of its status has no body, and no length of one (RFC 9110, 6.4.1 and 8.6).
    pub(super) fn is_bodiless(&self) -> bool {
        matches!(self.status, 204 | 304)
    }

    /// Who may not call is told why.
    pub(super) fn denied(detail: &str, policy: String) -> Self {
        let mut reply = Self::from(ProxyError::new(ErrorKind::AccessDenied, detail.to_owned()));
        reply.body = format!("RBAC: {detail}\n").into();
        reply.headers.push((DENIED_BY.into(), policy));
        reply
    }

    /// The caller is sent elsewhere.
    pub(super) fn redirect(status: u16, location: String) -> Self {
        Self {
            status,
            headers: vec![("location".into(), location)],
            body: Bytes::new(),
            flags: "-",
            detail: String::new(),
            grpc: None,
            delayed: false,
            rewordable: true,
            way: None,
        }
    }

    /// The route has the answer.
    pub(super) fn direct(status: u16, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let headers = if body.is_empty() { Vec::new() } else { vec![text()] };
        Self {
            status,
            headers,
            body,
            flags: "-",
            detail: String::new(),
            grpc: None,
            delayed: false,
            rewordable: true,
            way: None,
        }
    }

    /// Of a request that took too long: it is the caller that does, while not all of it is there, as with Envoy.
    pub(super) fn unless_arrived(self, arrived: bool) -> Self {
        Self { status: if arrived { self.status } else { 408 }, ..self }
    }

    /// With the changes that its route makes to headers of answers.
    pub(super) fn edited(mut self, edits: &[HeaderEdits]) -> Self {
        let own = self.headers.clone();
        let is = |(name, _): &&(Cow<'static, str>, String), wanted: &str| name.eq_ignore_ascii_case(wanted);
        let value = |wanted: &str| own.iter().find(|header| is(header, wanted)).map(|(_, value)| value.as_bytes());
        for change in header::response(edits, self.status, value) {
            if change.removes() {
                self.headers.retain(|header| !is(&header, change.name()));
            }
            match change {
                Change::Remove(_) => {}
                Change::Set(name, value) | Change::Append(name, value) => {
                    self.headers.push((Cow::Owned(name.to_owned()), value.into_owned()));
                }
            }
        }
        self
    }

    /// What it says, without the line end that Leno's own texts have.
    pub(super) fn said(&self) -> Cow<'_, str> {
        let own = !self.detail.is_empty();
        let body = self.body.strip_suffix(b"\n").filter(|_| own).unwrap_or(&self.body);
        String::from_utf8_lossy(body)
    }

    /// What its body is.
    pub(super) fn content_type(&self) -> Option<&str> {
        let found = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE));
        found.map(|(_, value)| value.as_str())
    }

    /// The same as gRPC's clients understand it: without a body, with the status in a header ([status codes]). Every
    /// answer of the proxy's own is a failure to them; what a filter has answered for itself stays.
    ///
    /// [status codes]: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
    pub(super) fn for_grpc(&self) -> Option<Self> {
        if !self.rewordable {
            return None;
        }
        let status = self.grpc.unwrap_or(match self.status {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502..=504 => 14,
            _ => 2,
        });
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case(CONTENT_TYPE));
        headers.push((CONTENT_TYPE.into(), "application/grpc".to_owned()));
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("grpc-status")) {
            headers.push(("grpc-status".into(), status.to_string()));
        }
        let message = escape(String::from_utf8_lossy(&self.body).trim());
        if !message.is_empty() {
            headers.push(("grpc-message".into(), message));
        }
        Some(Self { status: 200, headers, body: Bytes::new(), ..self.clone() })
    }
}

/// Whether a content type is gRPC's.
pub(super) fn is_grpc(content_type: &[u8]) -> bool {
    content_type.starts_with(b"application/grpc")
}

/// A gRPC message: printable ASCII but `%`, the rest as `%XX`.
fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}
