//! The task of a connection: all that touches its socket.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::AsyncWrite as _;

use super::{Link, Request, keepalive::Act, link::PING};
use crate::{http_buffer::Buffer, io::Io};

/// How often in a row it reads before others have their turn.
const READS: usize = 8;

/// A connection with its socket.
pub(crate) struct Driver {
    link: Driven,
    io: Io,
    input: Buffer,
    /// Whether something was written that may not have left the process.
    unflushed: bool,
    /// What is wrong, once something is: what is left to write is written, then it ends.
    broken: Option<String>,
}

/// A connection that somebody drives: it is over when nobody does.
struct Driven(Rc<Link>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.with(super::link::Inner::end);
    }
}

impl Driver {
    /// Of a connection of which `first` was read already.
    pub(crate) fn new(link: Rc<Link>, io: Io, first: Vec<u8>) -> Self {
        Self { link: Driven(link), io, input: Buffer::from(first), unflushed: false, broken: None }
    }

    /// Moves what can be moved; ready when the connection is over: with what went wrong, or after the last stream of one
    /// that takes no new ones. Requests are handed to `serve`.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, serve: &mut dyn FnMut(Request)) -> Poll<Result<(), String>> {
        self.link.0.with(|inner| inner.driven_by(cx));
        if self.broken.is_none()
            && let Err(why) = self.poll_read(cx, serve)
        {
            self.broken = Some(why);
        }
        if self.poll_pings(cx) {
            return Poll::Ready(Err("no answer to a ping".to_owned()));
        }
        let written = self.poll_write(cx);
        if let Poll::Ready(Err(error)) = written {
            return Poll::Ready(Err(self.broken.take().unwrap_or_else(|| error.to_string())));
        }
        if written.is_pending() {
            return Poll::Pending;
        }
        if let Some(why) = self.broken.take() {
            return Poll::Ready(Err(why));
        }
        let ends = self
            .link
            .0
            .with(|inner| inner.connection.is_drained() || (inner.retired && inner.connection.active() == 0));
        if ends { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Reads all there is.
    fn poll_read(&mut self, cx: &mut Context<'_>, serve: &mut dyn FnMut(Request)) -> Result<(), String> {
        for _ in 0..READS {
            // What was read before it was known that this is HTTP/2 comes first.
            if !self.input.is_empty() {
                let used =
                    self.link.0.with(|inner| inner.take(self.input.filled())).map_err(|error| error.to_string())?;
                self.input.consume(used);
                while let Some(request) = self.link.0.arrived() {
                    serve(request);
                }
            }
            match self.input.poll_read(&mut self.io, cx) {
                Poll::Ready(Ok(1..)) => self.link.0.with(|inner| {
                    if let Some(pings) = &mut inner.pings {
                        pings.hear();
                    }
                }),
                Poll::Ready(Ok(0)) => return Err("closed by the other side".to_owned()),
                Poll::Ready(Err(error)) => return Err(error.to_string()),
                Poll::Pending => {
                    self.link.0.with(super::link::Inner::wake_openers);
                    return Ok(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Asks whether the other side is there, when it is time to; whether it is thought not to be.
    fn poll_pings(&self, cx: &mut Context<'_>) -> bool {
        self.link.0.with(|inner| {
            let Some(pings) = &mut inner.pings else { return false };
            while let Poll::Ready(act) = pings.poll(cx) {
                match act {
                    Act::Ping => inner.connection.ping(PING),
                    Act::GiveUp => return true,
                }
            }
            false
        })
    }

    /// Writes all there is.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { link, io, unflushed, .. } = self;
        link.0.with(|inner| {
            let mut polled = Poll::Ready(Ok(()));
            let mut written = 0;
            let out = inner.connection.output();
            while let Some(rest) = out.get(written..).filter(|rest| !rest.is_empty()) {
                match Pin::new(&mut *io).poll_write(cx, rest) {
                    Poll::Ready(Ok(0)) => polled = Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(count)) => {
                        written += count;
                        continue;
                    }
                    Poll::Ready(Err(error)) => polled = Poll::Ready(Err(error)),
                    Poll::Pending => polled = Poll::Pending,
                }
                break;
            }
            inner.connection.written(written);
            if written > 0 {
                *unflushed = true;
                inner.wake_stalled();
            }
            ready!(polled)?;
            if *unflushed {
                ready!(Pin::new(io).poll_flush(cx))?;
                *unflushed = false;
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Ends the connection so that the other side sees all that was written, for which it has at most `linger`.
    pub(crate) async fn close(self, linger: Duration) {
        let Self { link, io, .. } = self;
        drop(link);
        io.close(linger).await;
    }
}
