//! A connection as its driver and its streams share it.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use leno_http2::{Code, Connection, ConnectionError, Event, Expected, Head, Role, Settings, StreamError, Writer};

use super::{Stream, keepalive::Pings};
use crate::config::Http2Keepalive;

/// Why a stream is over before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// It was reset.
    Reset(Code),
    /// Its connection broke.
    Broken,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset(code) => write!(f, "reset: {code}"),
            Self::Broken => f.write_str("the connection broke"),
        }
    }
}

impl Over {
    /// The code that it was reset with.
    pub(crate) fn code(self) -> Option<Code> {
        match self {
            Self::Reset(code) => Some(code),
            Self::Broken => None,
        }
    }
}

/// A request that came.
pub(crate) struct Request {
    pub(crate) stream: Stream,
    pub(crate) head: Head,
}

/// What came on a stream and was not taken yet, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) answers: VecDeque<Head>,
    /// What came of the body, in one piece however small its frames are.
    pub(super) data: Vec<u8>,
    pub(super) trailers: Option<Head>,
    /// Whether everything has come.
    pub(super) ended: bool,
    pub(super) over: Option<Over>,
    /// Bytes that came and were not released.
    pub(super) unreleased: usize,
    /// The task of the stream; whatever happens, it is the one to look.
    pub(super) waker: Option<Waker>,
}

impl Slot {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A connection.
pub(crate) struct Link(RefCell<Inner>);

pub(super) struct Inner {
    pub(super) connection: Connection<Slot>,
    /// The driver, unless it was woken already.
    driver: Option<Waker>,
    /// Streams that wait until output is written, or for the window of the connection.
    pub(super) stalled: Vec<u32>,
    /// Who waits for a place to open a stream.
    openers: Vec<Waker>,
    /// Requests that nobody has looked at yet.
    arrived: VecDeque<(u32, Head)>,
    /// Whether the connection is over.
    pub(super) over: bool,
    /// Whether it ends with its last stream.
    pub(super) retired: bool,
    /// The pings that find out whether the other side is there.
    pub(super) pings: Option<Box<Pings>>,
}

/// The payload of our pings.
pub(super) const PING: [u8; 8] = *b"are you?";

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HTTP/2 connection")
    }
}

impl Link {
    pub(crate) fn new(role: Role, settings: Settings, keepalive: Option<Http2Keepalive>) -> Rc<Self> {
        Rc::new(Self(RefCell::new(Inner {
            connection: Connection::new(role, settings),
            driver: None,
            stalled: Vec::new(),
            openers: Vec::new(),
            arrived: VecDeque::new(),
            over: false,
            retired: false,
            pings: keepalive.map(|keepalive| Box::new(Pings::new(keepalive))),
        })))
    }

    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Inner) -> R) -> R {
        act(&mut self.0.borrow_mut())
    }

    /// Opens a stream with a request, once there is a place for it. `end`: the head is all; `expected`: what its
    /// answer's head is followed by.
    ///
    /// # Errors
    /// When the endpoint takes no new streams: it has not looked at this one.
    pub(crate) fn poll_open(
        self: &Rc<Self>,
        cx: &Context<'_>,
        (end, expected): (bool, Expected),
        write: &mut dyn FnMut(&mut Writer<'_>),
    ) -> Poll<Result<Stream, StreamError>> {
        self.with(|inner| {
            if !inner.is_usable() {
                return Poll::Ready(Err(StreamError::Unavailable));
            }
            if inner.connection.active() >= inner.connection.max_active() {
                inner.openers.push(cx.waker().clone());
                return Poll::Pending;
            }
            if inner.pings.as_mut().is_some_and(|pings| pings.opens()) {
                inner.connection.ping(PING);
            }
            let opened = inner.connection.open(Slot::default(), end, expected, write);
            inner.kick();
            Poll::Ready(opened.map(|id| Stream::new(Rc::clone(self), id)))
        })
    }

    /// Whether the other side takes upgrades (RFC 8441), once it has said what it takes.
    ///
    /// # Errors
    /// When it will not say so any more.
    pub(crate) fn poll_takes_upgrades(&self, cx: &Context<'_>) -> Poll<Result<bool, StreamError>> {
        self.with(|inner| match (inner.is_usable(), inner.connection.has_begun()) {
            (false, _) => Poll::Ready(Err(StreamError::Unavailable)),
            (true, true) => Poll::Ready(Ok(inner.connection.takes_connect_protocol())),
            (true, false) => {
                inner.openers.push(cx.waker().clone());
                Poll::Pending
            }
        })
    }

    /// How many streams there may be at the same time.
    pub(crate) fn max_streams(&self) -> usize {
        self.with(|inner| inner.connection.max_active())
    }

    /// Whether streams can be opened.
    pub(crate) fn is_usable(&self) -> bool {
        self.with(|inner| inner.is_usable())
    }

    /// Takes no new streams; the connection ends with the last.
    pub(crate) fn retire(&self) {
        self.with(|inner| {
            inner.retired = true;
            inner.kick();
        });
    }

    /// Says GOAWAY; streams under way go on.
    pub(crate) fn drain(&self) {
        self.with(|inner| {
            inner.connection.drain();
            inner.kick();
        });
    }

    /// A request that nobody has looked at yet.
    pub(super) fn arrived(self: &Rc<Self>) -> Option<Request> {
        self.with(|inner| {
            let Some((id, head)) = inner.arrived.pop_front() else {
                inner.connection.seen();
                return None;
            };
            Some(Request { stream: Stream::new(Rc::clone(self), id), head })
        })
    }
}

impl Inner {
    fn is_usable(&self) -> bool {
        !self.over && !self.retired && self.connection.is_usable()
    }

    /// The driver has something to write.
    pub(super) fn kick(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Notes the driver. It is woken once.
    pub(super) fn driven_by(&mut self, cx: &Context<'_>) {
        if !self.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
            self.driver = Some(cx.waker().clone());
        }
    }

    /// Those who wait for room in the output, or for the connection's window, try again.
    pub(super) fn wake_stalled(&mut self) {
        for id in std::mem::take(&mut self.stalled) {
            self.wake(id);
        }
    }

    fn wake(&mut self, id: u32) {
        if let Some(slot) = self.connection.stream(id) {
            slot.wake();
        }
    }

    /// Those who wait for a place try again.
    pub(super) fn wake_openers(&mut self) {
        if !self.openers.is_empty() && (self.connection.active() < self.connection.max_active() || !self.is_usable()) {
            self.openers.drain(..).for_each(Waker::wake);
        }
    }

    /// The connection is over, and with it all that is not complete.
    pub(super) fn end(&mut self) {
        self.over = true;
        self.arrived.clear();
        for slot in self.connection.each() {
            slot.over.get_or_insert(Over::Broken);
            slot.wake();
        }
        self.wake_openers();
    }

    /// Takes in what there is; how many bytes were used.
    ///
    /// # Errors
    /// When the other side breaks the protocol.
    pub(super) fn take(&mut self, input: &[u8]) -> Result<usize, ConnectionError> {
        let mut used = 0;
        loop {
            let next = self.connection.next(input.get(used..).unwrap_or_default())?;
            if next.used == 0 {
                return Ok(used);
            }
            used += next.used;
            if let Some(event) = next.event {
                self.tell(event)?;
            }
        }
    }

    fn tell(&mut self, event: Event<'_>) -> Result<(), ConnectionError> {
        match event {
            Event::Request { stream, head, end } => {
                self.arrived.push_back((stream, head));
                if let Some(slot) = self.connection.stream(stream) {
                    slot.ended = end;
                }
            }
            Event::Answer { stream, head, end } => self.note(stream, |slot| {
                slot.answers.push_back(head);
                slot.ended = end;
            }),
            Event::Data { stream, data, end } => self.note(stream, |slot| {
                slot.ended = end;
                slot.unreleased += data.len();
                slot.data.extend_from_slice(data);
            }),
            Event::Trailers { stream, head } => self.note(stream, |slot| {
                slot.trailers = Some(head);
                slot.ended = true;
            }),
            Event::Reset { stream, code, remote } => self.on_reset(stream, code, remote)?,
            Event::Window { stream: 0 } => {
                self.stalled.clear();
                self.connection.each().for_each(Slot::wake);
            }
            Event::Window { stream } => self.wake(stream),
            Event::GoAway { last, code: _ } => {
                for stream in self.connection.abandon_above(last) {
                    self.note(stream, |slot| slot.over = Some(Over::Reset(Code::REFUSED_STREAM)));
                }
            }
            Event::Pong(_) => {}
        }
        Ok(())
    }

    fn on_reset(&mut self, stream: u32, code: Code, remote: bool) -> Result<(), ConnectionError> {
        let waiting = self.arrived.iter().position(|(id, _)| *id == stream);
        if let Some(at) = waiting {
            self.arrived.remove(at);
            self.connection.forget(stream, 0);
            return if remote { self.connection.unseen() } else { Ok(()) };
        }
        self.note(stream, |slot| slot.over = Some(Over::Reset(code)));
        Ok(())
    }

    fn note(&mut self, stream: u32, act: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.connection.stream(stream) {
            act(slot);
            slot.wake();
        }
    }
}
