//! The state of a connection, the same for both of its ends.

mod control;
mod heads;
mod receive;
mod send;
mod stream;
mod window;
mod writer;

use std::collections::VecDeque;

use self::{
    control::Control,
    receive::Block,
    stream::{Stream, Streams},
    window::Window,
};
use crate::{
    Code, ConnectionError, Head, PREFACE, Settings,
    frame::{self, FrameHead, HEAD, MAX_STREAM, WINDOW_UPDATE},
    hpack::{Decoder, Encoder},
    settings::{DEFAULT_TABLE, DEFAULT_WINDOW, Peer},
};
pub use send::{Sent, Stalled};
pub use writer::Writer;

/// How many streams that were reset on this side are remembered: what is still under way for them is passed over.
const REMEMBERED: usize = 1024;
/// The most memory that is kept for output.
const KEEP: usize = 256 * 1024;
/// The payload of the PING that tells when the other side has seen the first GOAWAY.
const LAST_CALL: [u8; 8] = *b"lastcall";

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Streams are opened here.
    Client,
    /// Streams are opened by the other side.
    Server,
}

/// What an answer's head is followed by, as its request has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// A body, as the head says.
    #[default]
    Body,
    /// Nothing, whatever the head says of a body (HEAD).
    Nothing,
    /// What comes through a tunnel, if there is one then (CONNECT): what the head says of its length means nothing
    /// ([RFC 9110, 9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)).
    Tunnel,
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request came on a new stream; `end`: it has neither body nor trailers. The stream stays until [`Connection::forget`].
    Request {
        /// The new stream.
        stream: u32,
        /// The request's head.
        head: Head,
        /// Whether that is all.
        end: bool,
    },
    /// The head of an answer came, interim ones (1xx) included.
    Answer {
        /// Its stream.
        stream: u32,
        /// The answer's head.
        head: Head,
        /// Whether that is all.
        end: bool,
    },
    /// A piece of a body came; [`Connection::release`] says when it was used.
    Data {
        /// Its stream.
        stream: u32,
        /// The piece; may be empty.
        data: &'a [u8],
        /// Whether it is the last.
        end: bool,
    },
    /// Trailers came, and with them the end.
    Trailers {
        /// Their stream.
        stream: u32,
        /// The fields.
        head: Head,
    },
    /// A stream is over: the other side reset it, or it was reset here because of what the other side sent.
    Reset {
        /// The stream.
        stream: u32,
        /// Why.
        code: Code,
        /// Whether nobody had to look at it yet: it was opened and reset in one go.
        remote: bool,
    },
    /// More can be sent on a stream; 0: maybe on all of them, and maybe more can be opened.
    Window {
        /// The stream, or 0.
        stream: u32,
    },
    /// The other side takes no new streams; those above `last` were not looked at: [`Connection::abandon_above`].
    GoAway {
        /// The last stream that it may have looked at.
        last: u32,
        /// Why.
        code: Code,
    },
    /// The answer to a PING of [`Connection::ping`].
    Pong([u8; 8]),
}

/// What [`Connection::next`] did with its input.
#[derive(Debug)]
pub struct Next<'a> {
    /// How many bytes were used; 0: more must come first.
    pub used: usize,
    /// What happened, if anybody has to know.
    pub event: Option<Event<'a>>,
}

/// Frames that are counted against [`crate::Flood`].
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    /// PRIORITY frames that came.
    priority: u64,
    /// WINDOW_UPDATE frames that came.
    window: u64,
    /// DATA frames that were sent.
    data: u64,
}

/// One end of a connection. `T` is what its user keeps for each stream.
#[derive(Debug)]
pub struct Connection<T> {
    role: Role,
    settings: Settings,
    peer: Peer,
    /// Whether the preface, and then the first SETTINGS, have come.
    begun: (bool, bool),
    decoder: Decoder,
    encoder: Encoder,
    streams: Streams<T>,
    /// Streams that are open.
    active: u32,
    /// The last stream that the other side opened.
    last: u32,
    /// The next stream that is opened here.
    next: u32,
    /// What all streams may send together.
    send_window: i64,
    window: Window,
    /// A head of which the rest is to come.
    block: Option<Block>,
    /// Streams that were reset on this side.
    reset: VecDeque<u32>,
    /// Streams that were reset by the other side before anybody looked at them, since [`Connection::seen`].
    unseen_resets: usize,
    /// All streams that were opened by the other side, and those of them that it gave up.
    given_up: (u64, u64),
    /// Empty frames in a row.
    empty: u32,
    counted: Counted,
    /// Answers to frames of the other side that wait to be written.
    control: Control,
    /// Whether no new streams are taken: GOAWAY has named the last one.
    refusing: bool,
    /// Whether the other side takes no new streams.
    gone: bool,
    out: Vec<u8>,
}

impl<T: Default> Connection<T> {
    /// A connection on which nothing was said yet. Its output begins with the preface (clients) and SETTINGS.
    #[must_use]
    pub fn new(role: Role, settings: Settings) -> Self {
        let mut out = Vec::new();
        let server = role == Role::Server;
        if !server {
            out.extend_from_slice(PREFACE);
        }
        settings.write(&mut out, server);
        let more = settings.connection_window.saturating_sub(DEFAULT_WINDOW);
        if more > 0 {
            frame::number(&mut out, WINDOW_UPDATE, 0, more);
        }
        Self {
            role,
            peer: Peer::new(),
            begun: (!server, false),
            // Until the other side has seen the setting its table may have the usual size.
            decoder: Decoder::new(settings.header_table.max(DEFAULT_TABLE) as usize),
            encoder: Encoder::new(DEFAULT_TABLE as usize),
            streams: Streams::default(),
            active: 0,
            last: 0,
            next: 1,
            send_window: i64::from(DEFAULT_WINDOW),
            window: Window::new(settings.connection_window.max(DEFAULT_WINDOW)),
            block: None,
            reset: VecDeque::new(),
            unseen_resets: 0,
            given_up: (0, 0),
            empty: 0,
            counted: Counted::default(),
            control: Control::default(),
            refusing: false,
            gone: false,
            settings,
            out,
        }
    }

    /// Takes the next frame from `input`, which begins where the last one ended.
    ///
    /// # Errors
    /// When the other side breaks the protocol: the connection is to be closed once its output is written.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<Next<'a>, ConnectionError> {
        let taken = self.step(input);
        if let Err(error) = &taken {
            frame::go_away(&mut self.out, self.last, error.code);
        }
        taken
    }

    fn step<'a>(&mut self, input: &'a [u8]) -> Result<Next<'a>, ConnectionError> {
        const MORE: Next<'static> = Next { used: 0, event: None };
        if !self.begun.0 {
            let there = input.len().min(PREFACE.len());
            if input.get(..there) != PREFACE.get(..there) {
                return Err(ConnectionError::protocol("no preface of HTTP/2"));
            }
            if there < PREFACE.len() {
                return Ok(MORE);
            }
            self.begun.0 = true;
            return Ok(Next { used: PREFACE.len(), event: None });
        }
        let Some(head) = FrameHead::parse(input) else { return Ok(MORE) };
        if head.length > self.settings.max_frame as usize {
            return Err(ConnectionError::new(Code::FRAME_SIZE_ERROR, "a frame larger than allowed"));
        }
        let used = HEAD + head.length;
        let Some(payload) = input.get(HEAD..used) else { return Ok(MORE) };
        let event = self.frame(head, payload)?;
        Ok(Next { used, event })
    }

    /// What is to be written; see [`Self::written`].
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.out
    }

    /// So many bytes of the output were written. Its memory is kept for more, unless it is much or there are no streams.
    pub fn written(&mut self, count: usize) {
        self.control.written(count);
        if count < self.out.len() {
            self.out.drain(..count);
        } else if self.active == 0 || self.out.capacity() > KEEP {
            self.out = Vec::new();
        } else {
            self.out.clear();
        }
    }

    /// What its user keeps for a stream; `None` once it was forgotten.
    pub fn stream(&mut self, stream: u32) -> Option<&mut T> {
        self.streams.get_mut(stream).map(|stream| &mut stream.user)
    }

    /// Everything that its user keeps.
    pub fn each(&mut self) -> impl Iterator<Item = &mut T> {
        self.streams.iter_mut().map(|(_, stream)| &mut stream.user)
    }

    /// How many streams are open.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active as usize
    }

    /// How many streams may be open that were opened here; before the other side has said so, what every one allows.
    #[must_use]
    pub fn max_active(&self) -> usize {
        self.peer.max_concurrent_streams as usize
    }

    /// Whether the other side has said what it allows.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.1
    }

    /// Whether the other side takes extended CONNECT.
    #[must_use]
    pub fn takes_connect_protocol(&self) -> bool {
        self.peer.connect_protocol
    }

    /// Whether streams can be opened here at all: neither GOAWAY came, nor are all numbers used.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.gone && self.next <= MAX_STREAM
    }

    /// All that has come until now was looked at: streams that are reset from now on were begun to be served.
    pub fn seen(&mut self) {
        self.unseen_resets = 0;
    }

    /// Asks whether the other side is there: [`Event::Pong`] has the same payload.
    pub fn ping(&mut self, payload: [u8; 8]) {
        frame::ping(&mut self.out, 0, payload);
    }

    /// Says GOAWAY, and takes new streams until the other side has seen it; then those under way are finished.
    pub fn drain(&mut self) {
        frame::go_away(&mut self.out, MAX_STREAM, Code::NO_ERROR);
        self.ping(LAST_CALL);
    }

    /// Says GOAWAY; nothing follows.
    pub fn close(&mut self, code: Code) {
        self.refusing = true;
        frame::go_away(&mut self.out, self.last, code);
    }

    /// Whether no new streams are taken and all others have ended.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.refusing && self.active == 0
    }

    /// Gives up the streams above `last`, which the other side did not look at.
    pub fn abandon_above(&mut self, last: u32) -> Vec<u32> {
        let above: Vec<u32> = self.streams.iter_mut().map(|(id, _)| id).filter(|id| *id > last).collect();
        for id in &above {
            self.end(*id);
        }
        above
    }

    /// Whether a stream was never opened.
    fn is_idle(&self, stream: u32) -> bool {
        let own = (stream % 2 == 1) == (self.role == Role::Client);
        if own { stream >= self.next } else { stream > self.last }
    }

    /// A stream of which nothing is sent and nothing taken any more.
    fn end(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.end();
        }
        self.settle(id);
    }

    /// Counts a stream out when it has ended, and drops it when nobody looks at it either.
    fn settle(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if !stream.is_closed() {
            return;
        }
        if std::mem::take(&mut stream.counted) {
            self.active = self.active.saturating_sub(1);
        }
        if !stream.held {
            self.streams.remove(id);
        }
    }

    fn insert(&mut self, id: u32, user: T, stream: impl FnOnce(&mut Stream<T>)) {
        let window = Window::new(self.settings.stream_window.max(DEFAULT_WINDOW));
        let mut new = Stream::new(user, i64::from(self.peer.initial_window), window);
        stream(&mut new);
        self.active += 1;
        self.streams.insert(id, new);
    }
}
