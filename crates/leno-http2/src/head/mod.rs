//! Heads and trailers: their fields in one buffer, checked while they are read ([RFC 9113, 8.2 and 8.3]).
//!
//! [RFC 9113, 8.2 and 8.3]: https://www.rfc-editor.org/rfc/rfc9113#section-8.2

mod check;

use crate::hpack::{Decoder, FIELD_OVERHEAD, HpackError};

/// A place in the bytes of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    start: u32,
    end: u32,
}

impl Place {
    fn new(start: usize, end: usize) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end) }
    }

    /// Without white space around it.
    fn trimmed(self, bytes: &[u8]) -> Self {
        let whole = self.of(bytes);
        let before = whole.len() - whole.trim_ascii_start().len();
        let start = self.start as usize + before;
        Self::new(start, start + whole.trim_ascii().len())
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A field: the places of its name and value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    name: Place,
    value: Place,
}

/// What the pseudo-headers of a request say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// `:method`.
    pub method: &'a str,
    /// `:scheme`; empty in CONNECT.
    pub scheme: &'a str,
    /// `:authority`.
    pub authority: &'a str,
    /// `:path`; empty in CONNECT.
    pub path: &'a str,
    /// `:protocol` of an extended CONNECT.
    pub protocol: Option<&'a str>,
}

/// The pseudo-headers of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pseudo {
    Method,
    Scheme,
    Authority,
    Path,
    Protocol,
}

/// What a block of headers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response,
    Trailers,
}

/// The head of a request or of an answer, or trailers.
#[derive(Clone, Debug, Default)]
pub struct Head {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    pseudo: [Option<Place>; 5],
    host: Option<Place>,
    status: Option<u16>,
    content_length: Option<u64>,
    too_large: bool,
}

impl Head {
    /// Reads a block. What is wrong with the head itself, but not with the compression, is the inner error.
    ///
    /// # Errors
    /// When the block is broken: the connection cannot go on.
    pub(crate) fn read(
        decoder: &mut Decoder,
        block: &[u8],
        kind: Kind,
        limit: usize,
    ) -> Result<Result<Self, &'static str>, HpackError> {
        let mut head =
            Self { bytes: Vec::with_capacity(block.len() * 2), fields: Vec::with_capacity(12), ..Self::default() };
        let mut wrong = None;
        let mut size = 0;
        let mut block = decoder.block(block);
        loop {
            let start = head.bytes.len();
            let keep = !head.too_large && wrong.is_none();
            let Some(name) = block.next(&mut head.bytes, keep)? else { break };
            if !keep {
                head.bytes.truncate(start);
                continue;
            }
            size += head.bytes.len() - start + FIELD_OVERHEAD;
            if size > limit {
                head.bytes.truncate(start);
                head.too_large = true;
            } else if let Err(why) = head.take(start, name, kind) {
                wrong = Some(why);
            }
        }
        Ok(match wrong {
            Some(why) => Err(why),
            None => head.complete(kind).map(|()| head),
        })
    }

    /// The head of a request that came by another protocol. Names are put into lower case; which fields concern one
    /// connection only is known to whoever calls, and `Host` is not among them.
    pub fn request<'a>(line: &RequestLine<'a>, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut head = Self::default();
        let RequestLine { method, scheme, authority, path, protocol } = *line;
        let all = [
            (Pseudo::Method, Some(method)),
            (Pseudo::Scheme, Some(scheme).filter(|scheme| !scheme.is_empty())),
            (Pseudo::Authority, Some(authority).filter(|authority| !authority.is_empty())),
            (Pseudo::Path, Some(path).filter(|path| !path.is_empty())),
            (Pseudo::Protocol, protocol),
        ];
        for (pseudo, text) in all {
            let place = text.map(|text| head.put(text.as_bytes().iter().copied()));
            if let Some(own) = head.pseudo.get_mut(pseudo as usize) {
                *own = place;
            }
        }
        head.put_fields(fields);
        head.content_length = head.value("content-length").and_then(check::number);
        head
    }

    /// The head of an answer that came by another protocol, as [`Self::request`].
    pub fn answer<'a>(status: u16, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut head = Self { status: Some(status), ..Self::default() };
        head.put_fields(fields);
        head.content_length = head.value("content-length").and_then(check::number);
        head
    }

    /// Trailers that came by another protocol, as [`Self::request`].
    pub fn trailers<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut head = Self::default();
        head.put_fields(fields);
        head
    }

    /// Leaves out fields whose name is not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        let Self { bytes, fields, .. } = self;
        fields.retain(|field| keep(field.name.of(bytes)));
        if !keep(b"content-length") {
            self.content_length = None;
        }
    }

    /// The same head with another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    fn put(&mut self, bytes: impl Iterator<Item = u8>) -> Place {
        let start = self.bytes.len();
        self.bytes.extend(bytes);
        Place::new(start, self.bytes.len())
    }

    fn put_fields<'a>(&mut self, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        for (name, value) in fields {
            let name = self.put(name.iter().map(u8::to_ascii_lowercase));
            let value = self.put(value.iter().copied());
            self.fields.push(Field { name, value });
        }
    }

    /// The method; empty in answers.
    #[must_use]
    pub fn method(&self) -> &str {
        self.pseudo(Pseudo::Method)
    }

    /// The scheme; empty in answers and CONNECT.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.pseudo(Pseudo::Scheme)
    }

    /// The authority, or the host where there is none; empty when there is neither.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.pseudo(Pseudo::Authority)
    }

    /// The path with its query; empty in CONNECT.
    #[must_use]
    pub fn path(&self) -> &str {
        self.pseudo(Pseudo::Path)
    }

    /// The protocol of an extended CONNECT ([RFC 8441](https://www.rfc-editor.org/rfc/rfc8441)).
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.at(Pseudo::Protocol).map(|_| self.pseudo(Pseudo::Protocol))
    }

    /// The status of an answer; 0 in requests and trailers.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.unwrap_or_default()
    }

    /// How long the body says to be.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Whether it was larger than allowed: the rest is not here.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// How many fields there are beside pseudo-headers and the host.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields in their order; names are in lower case. `host` is not among them: see [`Self::authority`].
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (field.name.of(&self.bytes), field.value.of(&self.bytes)))
    }

    /// The values of a field (name in lower case).
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields().filter(move |(own, _)| *own == name.as_bytes()).map(|(_, value)| value)
    }

    /// The first value of a field (name in lower case).
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(own, _)| *own == name.as_bytes()).map(|(_, value)| value)
    }

    fn at(&self, pseudo: Pseudo) -> Option<Place> {
        self.pseudo.get(pseudo as usize).copied().flatten()
    }

    fn pseudo(&self, pseudo: Pseudo) -> &str {
        let bytes = self.at(pseudo).map_or(&[][..], |place| place.of(&self.bytes));
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Takes the field that stands in the buffer from `start`.
    fn take(&mut self, start: usize, name: usize, kind: Kind) -> Result<(), &'static str> {
        let (name, value) = (Place::new(start, start + name), Place::new(start + name, self.bytes.len()));
        match name.of(&self.bytes) {
            [b':', ..] => return self.take_pseudo(name, value, kind),
            bytes => check::name(bytes)?,
        }
        check::value(value.of(&self.bytes))?;
        // White space around a value is not part of it; whoever sends it is forgiven, as Envoy does.
        let value = value.trimmed(&self.bytes);
        match name.of(&self.bytes) {
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
                return Err("a field that concerns one connection only");
            }
            b"te" if value.of(&self.bytes) != b"trailers" => return Err("TE other than trailers"),
            b"host" if kind == Kind::Request => {
                if self.host.replace(value).is_some() {
                    return Err("more than one Host");
                }
                return Ok(());
            }
            b"content-length" if kind != Kind::Trailers => {
                let length = check::number(value.of(&self.bytes)).ok_or("Content-Length is no number")?;
                if self.content_length.replace(length).is_some() {
                    return Err("more than one Content-Length");
                }
            }
            _ => {}
        }
        self.fields.push(Field { name, value });
        Ok(())
    }

    fn take_pseudo(&mut self, name: Place, value: Place, kind: Kind) -> Result<(), &'static str> {
        if !self.fields.is_empty() || self.host.is_some() {
            return Err("a pseudo-header behind a field");
        }
        let bytes = value.of(&self.bytes);
        let pseudo = match (kind, name.of(&self.bytes)) {
            (Kind::Response, b":status") => {
                let status = check::status(bytes).ok_or(":status is no status")?;
                return if self.status.replace(status).is_none() { Ok(()) } else { Err("more than one :status") };
            }
            (Kind::Request, b":method") => check::token(bytes).then_some(Pseudo::Method),
            (Kind::Request, b":scheme") => check::scheme(bytes).then_some(Pseudo::Scheme),
            (Kind::Request, b":authority") => check::authority(bytes).then_some(Pseudo::Authority),
            (Kind::Request, b":path") => check::path(bytes).then_some(Pseudo::Path),
            (Kind::Request, b":protocol") => check::token(bytes).then_some(Pseudo::Protocol),
            _ => return Err("a pseudo-header that is not known here"),
        };
        let place = pseudo
            .and_then(|pseudo| self.pseudo.get_mut(pseudo as usize))
            .ok_or("a pseudo-header that is not legal")?;
        if place.replace(value).is_some() { Err("a pseudo-header twice") } else { Ok(()) }
    }

    /// Checks what must be there.
    fn complete(&mut self, kind: Kind) -> Result<(), &'static str> {
        match kind {
            Kind::Trailers => return Ok(()),
            Kind::Response if self.status.is_none() => return Err("an answer without :status"),
            Kind::Response => return Ok(()),
            Kind::Request if self.too_large => return Ok(()),
            Kind::Request => {}
        }
        if let Some(host) = self.host {
            if !check::authority(host.of(&self.bytes)) {
                return Err("Host is no host");
            }
            let [_, _, authority, ..] = &mut self.pseudo;
            authority.get_or_insert(host);
        }
        let has = |pseudo| self.at(pseudo).is_some();
        let (connect, extended) = (self.method() == "CONNECT", has(Pseudo::Protocol));
        if !has(Pseudo::Method) {
            return Err("a request without :method");
        }
        if connect && !extended {
            let legal = has(Pseudo::Authority) && !has(Pseudo::Scheme) && !has(Pseudo::Path);
            return if legal { Ok(()) } else { Err("CONNECT has an authority, and neither scheme nor path") };
        }
        if extended && !connect {
            return Err(":protocol without CONNECT");
        }
        if !has(Pseudo::Scheme) || !has(Pseudo::Path) {
            return Err("a request without :scheme or :path");
        }
        let star = self.path() == "*" && self.method() == "OPTIONS";
        if star || self.path().starts_with('/') { Ok(()) } else { Err(":path is no path") }
    }
}
