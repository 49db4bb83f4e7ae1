//! Requests after whose answer bytes are passed both ways: CONNECT ([RFC 9110, 9.3.6]) and upgrades, which HTTP/2 writes as
//! extended CONNECT ([RFC 8441]) and HTTP/1.1 as `Upgrade`.
//!
//! [RFC 9110, 9.3.6]: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
//! [RFC 8441]: https://www.rfc-editor.org/rfc/rfc8441

use leno_http2::Head;

/// The status that accepts an upgrade, in whichever version of HTTP it came: HTTP/2 writes 200 for it.
pub(in crate::http) const SWITCHED: u16 = 101;

/// What a request asks for besides an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Tunnel {
    /// Nothing.
    None,
    /// CONNECT.
    Connect,
    /// Another protocol.
    Upgrade,
}

impl Tunnel {
    /// What a request asks for.
    pub(in crate::http) fn of(request: &Head) -> Self {
        match (request.protocol(), request.method()) {
            (Some(_), _) => Self::Upgrade,
            (None, "CONNECT") => Self::Connect,
            (None, _) => Self::None,
        }
    }

    /// Whether it asks for one.
    pub(in crate::http) fn is_asked(self) -> bool {
        self != Self::None
    }

    /// Whether an answer of this status opens it.
    pub(in crate::http) fn opens(self, status: u16) -> bool {
        match self {
            Self::None => false,
            Self::Connect => status / 100 == 2,
            Self::Upgrade => status == SWITCHED,
        }
    }
}
