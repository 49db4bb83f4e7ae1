//! Bodies: where they end, and whether their framing is sound ([RFC 9112, 6 and 7]).
//!
//! ```text
//!            ┌────────────────────────────── next chunk ◄──────────────────────────┐
//! chunked:   Size ─► (LF) ─► Data ─► (CR) ─► (LF) ─────────────────────────────────┘
//!              └─ size 0 ─► (LF) ─► Trailer lines ─► empty line ─► end
//! ```
//!
//! [RFC 9112, 6 and 7]: https://www.rfc-editor.org/rfc/rfc9112#section-6

/// How a body is framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    #[default]
    None,
    /// It has this many bytes.
    Length(u64),
    /// It comes in chunks.
    Chunked,
    /// It ends with the connection (responses only).
    UntilClose,
}

/// A body that is being passed on.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    state: State,
    /// Bytes of trailers so far.
    trailers: u32,
}

/// How far a body came with some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advanced {
    /// How many of the bytes belong to the body, framing included: pass them on as they are.
    pub framed: usize,
    /// How many of these are content.
    pub content: usize,
    /// Whether the body is complete.
    pub complete: bool,
}

/// A part of a body, without its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Content.
    Content(&'a [u8]),
    /// A byte of the trailers: lines that end with CR LF, the empty one included.
    Trailer(u8),
}

/// What is wrong with a body's framing. Chunk extensions are refused: nobody uses them, and programs differ in how they
/// read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BodyError {
    /// A chunk's size is no hexadecimal number, too large, or followed by something else than a line's end.
    #[error("a chunk's size is malformed")]
    ChunkSize,
    /// A chunk is not followed by CR LF.
    #[error("a chunk does not end with CR LF")]
    ChunkEnd,
    /// The trailers are malformed or too large.
    #[error("the trailers are malformed or too large")]
    Trailers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    UntilClose,
    /// In the digits of a size; how many there were.
    Size(u64, u8),
    /// After the CR of a size.
    SizeEnd(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// At the start of a line of the trailers.
    TrailerStart,
    /// In the name of a trailer.
    TrailerName,
    /// In the value of a trailer.
    TrailerValue,
    /// After the CR of a trailer.
    TrailerEnd,
    /// After the CR of the empty line.
    LastLf,
    Complete,
}

/// The most bytes of trailers.
const MAX_TRAILERS: u32 = 8 * 1024;
/// The most digits of a chunk's size: 2^60 is enough.
const MAX_DIGITS: u8 = 15;

impl Body {
    /// A body of which nothing has come yet.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Complete,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size(0, 0),
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, trailers: 0 }
    }

    /// Whether it has come wholly. A body that ends with the connection never says so.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Whether the end of the connection is its end.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        self.state == State::UntilClose
    }

    /// Takes bytes that came, as far as they belong to it. `content` is given the parts that are content.
    ///
    /// # Errors
    /// When the framing is not sound; the connection cannot be used any more.
    pub fn advance(&mut self, bytes: &[u8], mut content: impl FnMut(&[u8])) -> Result<Advanced, BodyError> {
        self.take(bytes, |part| match part {
            Part::Content(bytes) => content(bytes),
            Part::Trailer(_) => {}
        })
    }

    /// As [`Self::advance`], for who wants the trailers as well: see [`crate::field::trailers`].
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn take(&mut self, bytes: &[u8], mut part: impl FnMut(Part<'_>)) -> Result<Advanced, BodyError> {
        let mut advanced = Advanced::default();
        while !self.is_complete() {
            let rest = bytes.get(advanced.framed..).unwrap_or_default();
            let Some(first) = rest.first() else { break };
            match self.state {
                State::Length(left) | State::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    part(Part::Content(rest.get(..take).unwrap_or_default()));
                    advanced.framed += take;
                    advanced.content += take;
                    let left = left - take as u64;
                    self.state = match self.state {
                        State::Data(_) if left == 0 => State::DataCr,
                        State::Data(_) => State::Data(left),
                        _ if left == 0 => State::Complete,
                        _ => State::Length(left),
                    };
                }
                State::UntilClose => {
                    part(Part::Content(rest));
                    advanced.framed += rest.len();
                    advanced.content += rest.len();
                }
                _ => {
                    self.state = self.framing_byte(*first)?;
                    if self.trailers > 0 {
                        part(Part::Trailer(*first));
                    }
                    advanced.framed += 1;
                }
            }
        }
        advanced.complete = self.is_complete();
        Ok(advanced)
    }

    /// The state after one byte of chunk framing.
    fn framing_byte(&mut self, byte: u8) -> Result<State, BodyError> {
        match (self.state, byte) {
            (State::Size(size, digits), _) => size_byte(size, digits, byte),
            (State::SizeEnd(0), b'\n') => Ok(State::TrailerStart),
            (State::SizeEnd(size), b'\n') => Ok(State::Data(size)),
            (State::SizeEnd(_), _) => Err(BodyError::ChunkSize),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size(0, 0)),
            (State::DataCr | State::DataLf, _) => Err(BodyError::ChunkEnd),
            (State::LastLf, b'\n') => Ok(State::Complete),
            _ => self.trailer_byte(byte),
        }
    }

    fn trailer_byte(&mut self, byte: u8) -> Result<State, BodyError> {
        self.trailers += 1;
        if self.trailers > MAX_TRAILERS {
            return Err(BodyError::Trailers);
        }
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::LastLf),
            (State::TrailerStart | State::TrailerName, _) if is_token(byte) => Ok(State::TrailerName),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerValue, b'\r') => Ok(State::TrailerEnd),
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Ok(State::TrailerValue),
            (State::TrailerEnd, b'\n') => Ok(State::TrailerStart),
            _ => Err(BodyError::Trailers),
        }
    }
}

fn size_byte(size: u64, digits: u8, byte: u8) -> Result<State, BodyError> {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        b'\r' if digits > 0 => return Ok(State::SizeEnd(size)),
        _ => return Err(BodyError::ChunkSize),
    };
    if digits >= MAX_DIGITS {
        return Err(BodyError::ChunkSize);
    }
    Ok(State::Size(size * 16 + u64::from(digit), digits + 1))
}

/// A character of a field name ([RFC 9110, 5.6.2]).
///
/// [RFC 9110, 5.6.2]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
