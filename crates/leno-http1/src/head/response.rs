//! Response heads.

use std::mem::MaybeUninit;

use httparse::ParserConfig;

use super::{Limits, Parsed, Version, refused, scan, version};
use crate::{Field, Framing, HeadError, Place, field::same};

/// The head of a response; reused from response to response. Places refer to the bytes it was parsed from.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// The status.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: Place,
    /// The version.
    pub version: Version,
    /// The fields, in their order.
    pub fields: Vec<Field>,
    /// Where the fields begin: after the status line.
    pub fields_start: usize,
    /// How the body is framed.
    pub framing: Framing,
    /// Whether the server keeps the connection open.
    pub keep_alive: bool,
}

impl ResponseHead {
    /// Parses the head of the answer to a request (`to_head`: HEAD, `to_connect`: CONNECT) from the beginning of `bytes`.
    ///
    /// # Errors
    /// When the head is refused; what this leaves in `self` means nothing.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        limits: Limits,
        to_head: bool,
        to_connect: bool,
    ) -> Result<Parsed, HeadError> {
        let window = bytes.get(..limits.bytes.min(bytes.len())).unwrap_or_default();
        // Not filled with anything before the parser does: that would be 8 KiB for every head.
        let mut storage = [const { MaybeUninit::uninit() }; Limits::MAX_FIELDS];
        let fields = storage.get_mut(..limits.fields.min(Limits::MAX_FIELDS)).unwrap_or_default();
        let mut parser = httparse::Response::new(&mut []);
        let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut parser, window, fields);
        let length = match parsed.map_err(refused)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial if bytes.len() >= limits.bytes => {
                return Err(HeadError::TooLarge);
            }
            httparse::Status::Partial => return Ok(Parsed::Partial),
        };
        let head = window.get(..length).unwrap_or_default();
        scan::line_ends(head)?;
        self.version = version(parser.version)?;
        self.status = parser.code.filter(|code| (100..=999).contains(code)).ok_or(HeadError::StartLine)?;
        self.reason = Place::of(parser.reason.unwrap_or_default().as_bytes(), bytes);
        self.fields.clear();
        let mut common = scan::Common::default();
        for header in parser.headers.iter() {
            let (name, value) = (header.name.as_bytes(), header.value.trim_ascii());
            common.field(name, value)?;
            self.fields.push(Field { name: Place::of(name, bytes), value: Place::of(value, bytes) });
        }
        self.fields_start = memchr::memchr(b'\n', head).map_or(length, |at| at + 1);
        common.check(self.version)?;
        let bodiless = to_head || matches!(self.status, 100..=199 | 204 | 304);
        self.framing = match (bodiless, common.chunked, common.length) {
            (true, ..) => Framing::None,
            (false, ..) if to_connect && matches!(self.status, 200..=299) => Framing::None,
            (false, true, _) => Framing::Chunked,
            (false, false, Some(length)) => Framing::Length(length),
            (false, false, None) => Framing::UntilClose,
        };
        self.keep_alive = common.keeps_alive(self.version) && self.framing != Framing::UntilClose;
        Ok(Parsed::Complete(length))
    }

    /// The value of the first field of this name (in lower case).
    #[must_use]
    pub fn field(&self, bytes: &[u8], name: &str) -> Option<Place> {
        let fits = |field: &&Field| same(field.name.of_bytes(bytes), name);
        self.fields.iter().find(fits).map(|field| field.value)
    }
}
