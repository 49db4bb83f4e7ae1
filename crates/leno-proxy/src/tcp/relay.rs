//! Passing bytes on in both directions at once.
//!
//! ```text
//!            read ──► buffer ──► write            each direction:  Read ⇄ Write ─► (end of stream) ─► Shutdown ─► Done
//! downstream                           upstream
//!            write ◄── buffer ◄── read
//! ```
//!
//! A buffer exists only while it holds bytes: an idle connection has none. It starts at 64 KiB and is replaced by one of
//! 256 KiB when a read fills it. One side's end of stream is passed on as such and the other direction goes on.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::buffer::{Buffer, Buffers};
use crate::{config::Drain, io::Io, telemetry::series::TcpCells};

/// How a relay came to its end.
#[derive(Debug)]
pub enum End {
    /// Both sides said all they had to say.
    Complete,
    /// Nothing moved for too long.
    Idle,
    /// It has lived as long as it may.
    Expired,
    /// The chain that it came by is there no more.
    Drained,
    /// The caller's connection broke.
    Downstream(io::Error),
    /// The callee's connection broke.
    Upstream(io::Error),
}

/// What a relay did.
#[derive(Debug)]
pub struct Relayed {
    /// Bytes from the caller to the callee.
    pub sent: u64,
    /// Bytes from the callee to the caller.
    pub received: u64,
    /// How it ended.
    pub end: End,
}

/// How long a relay may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times<'a> {
    /// How long nothing may move; zero: for ever.
    pub idle: Duration,
    /// When it ends, whatever moves.
    pub until: Option<Instant>,
    /// When its chain is let go of, the time for that; `None`: it is not.
    pub drain: Option<&'a Drain>,
}

/// On which side something failed.
enum Broken {
    Reading(io::Error),
    Writing(io::Error),
}

/// Passes bytes on until both directions have ended, one side breaks, or nothing moves for `idle` (zero: for ever).
/// `greeting` is what the upstream said already. Bytes are counted in `cells` while they flow.
pub async fn run(
    mut downstream: Io,
    mut upstream: Io,
    greeting: Vec<u8>,
    Times { idle, until, drain }: Times<'_>,
    buffers: &Buffers,
    cells: &TcpCells,
) -> Relayed {
    let mut request = Direction::new(Vec::new());
    let mut response = Direction::new(greeting);
    let mut watch = Watch::new(idle);
    let mut over = drain.map(Drain::over);
    let mut deadline = until.map(|until| Box::pin(sleep_until(until)));
    let end = poll_fn(|cx| {
        let before = request.moved + response.moved;
        let sent = request.poll(cx, &mut downstream, &mut upstream, buffers, |n| cells.add_sent(n));
        let received = response.poll(cx, &mut upstream, &mut downstream, buffers, |n| cells.add_received(n));
        let moved = request.moved + response.moved > before;
        match (sent, received) {
            (Poll::Ready(Err(Broken::Reading(error))), _) | (_, Poll::Ready(Err(Broken::Writing(error)))) => {
                Poll::Ready(End::Downstream(error))
            }
            (Poll::Ready(Err(Broken::Writing(error))), _) | (_, Poll::Ready(Err(Broken::Reading(error)))) => {
                Poll::Ready(End::Upstream(error))
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(End::Complete),
            (Poll::Pending, _) | (_, Poll::Pending) => {
                if over.as_mut().is_some_and(|over| Pin::new(over).poll(cx).is_ready()) {
                    return Poll::Ready(End::Drained);
                }
                match deadline.as_mut().map(|deadline| deadline.as_mut().poll(cx)) {
                    Some(Poll::Ready(())) => Poll::Ready(End::Expired),
                    Some(Poll::Pending) | None => watch.poll(cx, moved).map(|()| End::Idle),
                }
            }
        }
    })
    .await;
    request.release(buffers);
    response.release(buffers);
    Relayed { sent: request.moved, received: response.moved, end }
}

/// Ends a relay on which nothing moves. Movement only notes the time: the timer is set again when it fires.
struct Watch {
    idle: Duration,
    last: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Watch {
    fn new(idle: Duration) -> Self {
        let last = Instant::now();
        let timer = (!idle.is_zero()).then(|| Box::pin(sleep_until(last + idle)));
        Self { idle, last, timer }
    }

    fn poll(&mut self, cx: &mut Context<'_>, moved: bool) -> Poll<()> {
        let Some(timer) = &mut self.timer else {
            return Poll::Pending;
        };
        if moved {
            self.last = Instant::now();
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            let end = self.last + self.idle;
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
    }
}

/// What a direction does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Read, or write what was read.
    Copy,
    /// The source has ended: tell the destination.
    Shutdown,
    /// Told.
    Done,
}

/// One direction.
struct Direction {
    step: Step,
    /// Bytes that came before the relay began; written first.
    first: Vec<u8>,
    /// Bytes read and not yet written are `buffer[start..end]`.
    buffer: Option<Buffer>,
    start: usize,
    end: usize,
    /// Whether the next buffer is a large one.
    large: bool,
    /// Whether something was written that may not have left the process.
    unflushed: bool,
    /// Bytes passed on.
    moved: u64,
}

/// Rounds of one poll before others get their turn: the sockets are not always out of readiness by themselves.
const ROUNDS: usize = 32;

impl Direction {
    fn new(first: Vec<u8>) -> Self {
        let step = Step::Copy;
        Self { step, first, buffer: None, start: 0, end: 0, large: false, unflushed: false, moved: 0 }
    }

    /// Gives the buffer back.
    fn release(&mut self, buffers: &Buffers) {
        if let Some(buffer) = self.buffer.take() {
            buffers.put(buffer);
        }
        (self.start, self.end) = (0, 0);
    }

    /// Moves as much as can be moved now; ready when this direction has ended.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Io,
        to: &mut Io,
        buffers: &Buffers,
        count: impl Fn(u64),
    ) -> Poll<Result<(), Broken>> {
        for _ in 0..ROUNDS {
            match self.step {
                Step::Copy => {
                    ready!(self.poll_write(cx, to, &count)).map_err(Broken::Writing)?;
                    match self.poll_read(cx, from, buffers) {
                        Poll::Ready(Ok(0)) => self.step = Step::Shutdown,
                        Poll::Ready(Ok(_)) => {}
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Reading(error))),
                        Poll::Pending => {
                            self.release(buffers);
                            ready!(self.poll_flush(cx, to)).map_err(Broken::Writing)?;
                            return Poll::Pending;
                        }
                    }
                }
                Step::Shutdown => {
                    self.release(buffers);
                    ready!(self.poll_flush(cx, to)).map_err(Broken::Writing)?;
                    // A peer that is gone need not be told.
                    drop(ready!(Pin::new(&mut *to).poll_shutdown(cx)));
                    self.step = Step::Done;
                }
                Step::Done => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes all that was read.
    fn poll_write(&mut self, cx: &mut Context<'_>, to: &mut Io, count: &impl Fn(u64)) -> Poll<io::Result<()>> {
        while !self.first.is_empty() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.first))?;
            self.wrote(written, count)?;
            self.first.drain(..written);
        }
        while self.start < self.end {
            let bytes = self.buffer.as_ref().and_then(|buffer| buffer.get(self.start..self.end)).unwrap_or_default();
            let written = ready!(Pin::new(&mut *to).poll_write(cx, bytes))?;
            self.wrote(written, count)?;
            self.start += written;
        }
        (self.start, self.end) = (0, 0);
        Poll::Ready(Ok(()))
    }

    /// Notes that bytes were written.
    fn wrote(&mut self, bytes: usize, count: &impl Fn(u64)) -> io::Result<()> {
        if bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.unflushed = true;
        self.moved += bytes as u64;
        count(bytes as u64);
        Ok(())
    }

    /// Reads into a buffer of the right size; 0 at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, from: &mut Io, buffers: &Buffers) -> Poll<io::Result<usize>> {
        if self.large && self.buffer.as_ref().is_some_and(|buffer| !buffers.is_large(buffer)) {
            self.release(buffers);
        }
        let buffer = self.buffer.get_or_insert_with(|| buffers.take(self.large));
        let mut room = ReadBuf::new(buffer);
        ready!(Pin::new(&mut *from).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        self.large = room.remaining() == 0 || (self.large && read > buffers.small());
        (self.start, self.end) = (0, read);
        Poll::Ready(Ok(read))
    }

    /// Sends off what TLS may still hold.
    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Io) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(&mut *to).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
