//! Request heads.

use std::mem::MaybeUninit;

use httparse::ParserConfig;

use super::{Limits, Parsed, Version, refused, scan, version};
use crate::{Field, Framing, HeadError, Place, field::same};

/// The head of a request; reused from request to request. Places refer to the bytes it was parsed from.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The method.
    pub method: Place,
    /// The target in origin form (`/path?query`), `*`, or empty for CONNECT. An absolute form is taken apart.
    pub target: Place,
    /// The host that it is for: of an absolute target, else `Host`, for CONNECT the target. Empty in an HTTP/1.0
    /// request without one.
    pub authority: Place,
    /// The version.
    pub version: Version,
    /// The fields, in their order.
    pub fields: Vec<Field>,
    /// Where the fields begin: after the request line.
    pub fields_start: usize,
    /// How the body is framed.
    pub framing: Framing,
    /// Whether the caller keeps the connection open.
    pub keep_alive: bool,
    /// Whether the caller waits for `100 Continue`.
    pub expect_continue: bool,
    /// The value of `Upgrade`, when `Connection` lists it.
    pub upgrade: Option<Place>,
    /// Whether it is CONNECT.
    pub connect: bool,
    /// Whether it is HEAD.
    pub head: bool,
}

impl RequestHead {
    /// Parses a head from the beginning of `bytes`.
    ///
    /// # Errors
    /// When the head is refused; what this leaves in `self` means nothing.
    pub fn parse(&mut self, bytes: &[u8], limits: Limits) -> Result<Parsed, HeadError> {
        let window = bytes.get(..limits.bytes.min(bytes.len())).unwrap_or_default();
        // Not filled with anything before the parser does: that would be 8 KiB for every head.
        let mut storage = [const { MaybeUninit::uninit() }; Limits::MAX_FIELDS];
        let fields = storage.get_mut(..limits.fields.min(Limits::MAX_FIELDS)).unwrap_or_default();
        let mut parser = httparse::Request::new(&mut []);
        let parsed = ParserConfig::default().parse_request_with_uninit_headers(&mut parser, window, fields);
        let length = match parsed.map_err(refused)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial if bytes.len() >= limits.bytes => {
                return Err(HeadError::TooLarge);
            }
            httparse::Status::Partial => return Ok(Parsed::Partial),
        };
        let head = window.get(..length).unwrap_or_default();
        scan::line_ends(head)?;
        // Empty lines before the request line are legal, and passed over by some servers only.
        if head.starts_with(b"\r\n") {
            return Err(HeadError::StartLine);
        }
        self.version = version(parser.version)?;
        let method = parser.method.ok_or(HeadError::StartLine)?;
        let target = parser.path.ok_or(HeadError::StartLine)?;
        self.method = Place::of(method.as_bytes(), bytes);
        self.connect = method == "CONNECT";
        self.head = method == "HEAD";
        let absolute = self.target(method, target.as_bytes(), bytes)?;
        self.fields.clear();
        for header in parser.headers.iter() {
            let (name, value) = (header.name.as_bytes(), header.value.trim_ascii());
            self.fields.push(Field { name: Place::of(name, bytes), value: Place::of(value, bytes) });
        }
        self.fields_start = memchr::memchr(b'\n', head).map_or(length, |at| at + 1);
        self.meaning(bytes, absolute)?;
        Ok(Parsed::Complete(length))
    }

    /// Takes the target apart; says whether it named the host itself.
    fn target(&mut self, method: &str, target: &[u8], bytes: &[u8]) -> Result<bool, HeadError> {
        if !target.iter().all(u8::is_ascii_graphic) || target.contains(&b'#') {
            return Err(HeadError::Target);
        }
        if method == "CONNECT" {
            let port = target.iter().rposition(|byte| *byte == b':').and_then(|colon| target.get(colon + 1..));
            if !port.is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit)) || !is_host(target) {
                return Err(HeadError::Target);
            }
            self.authority = Place::of(target, bytes);
            self.target = Place::default();
            return Ok(true);
        }
        if target.starts_with(b"/") || (target == b"*" && method == "OPTIONS") {
            self.target = Place::of(target, bytes);
            self.authority = Place::default();
            return Ok(false);
        }
        // Absolute form: only that of this protocol.
        let scheme = target.get(..7).filter(|scheme| same(scheme, "http://"));
        let rest = scheme.and_then(|_| target.get(7..)).ok_or(HeadError::Target)?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() || !is_host(authority) || path.starts_with(b"?") {
            return Err(HeadError::Target);
        }
        self.authority = Place::of(authority, bytes);
        self.target = if path.is_empty() { Place::default() } else { Place::of(path, bytes) };
        Ok(true)
    }

    /// What the fields say.
    fn meaning(&mut self, bytes: &[u8], authority_known: bool) -> Result<(), HeadError> {
        let mut common = scan::Common::default();
        let (mut hosts, mut upgrade) = (0, None);
        self.expect_continue = false;
        for Field { name, value } in &self.fields {
            let (name, text) = (name.of_bytes(bytes), value.of_bytes(bytes));
            common.field(name, text)?;
            match name.len() {
                4 if same(name, "host") => {
                    hosts += 1;
                    if hosts > 1 || !is_host(text) {
                        return Err(HeadError::Host);
                    }
                    if !authority_known {
                        self.authority = *value;
                    }
                }
                6 if same(name, "expect") => self.expect_continue = same(text, "100-continue"),
                7 if same(name, "upgrade") => upgrade = Some(*value),
                _ => {}
            }
        }
        if hosts == 0 && self.version == Version::Http11 {
            return Err(HeadError::Host);
        }
        common.check(self.version)?;
        self.framing = match (self.connect, common.chunked, common.length) {
            // A CONNECT request has no body; one that claims to have is read differently by different servers.
            (true, false, None | Some(0)) => Framing::None,
            (true, ..) => return Err(HeadError::ContentLength),
            (false, true, _) => Framing::Chunked,
            (false, false, Some(length)) => Framing::Length(length),
            (false, false, None) => Framing::None,
        };
        self.keep_alive = common.keeps_alive(self.version);
        self.upgrade = if common.upgrade && self.version == Version::Http11 { upgrade } else { None };
        Ok(())
    }

    /// The value of the first field of this name (in lower case).
    #[must_use]
    pub fn field(&self, bytes: &[u8], name: &str) -> Option<Place> {
        let fits = |field: &&Field| same(field.name.of_bytes(bytes), name);
        self.fields.iter().find(fits).map(|field| field.value)
    }
}

/// Whether a host has only characters that a host, with a port, may have ([RFC 3986, 3.2.2]); no user information.
/// Empty is a host.
///
/// [RFC 3986, 3.2.2]: https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2
fn is_host(host: &[u8]) -> bool {
    host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(byte))
}
