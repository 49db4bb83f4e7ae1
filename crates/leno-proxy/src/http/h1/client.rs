//! The caller's side of a connection: heads come in, answers go out.

use std::{future::poll_fn, io, pin::Pin, task::Poll, time::Duration};

use leno_http1::{Framing, HeadError, Limits, Parsed, RequestHead, write};
use tokio::{
    io::{AsyncWrite as _, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};

use super::times::Times;
use crate::{
    config::{HttpLimits, Underscores},
    error::{ErrorKind, ProxyError},
    http_buffer::Buffer,
    io::Io,
    worker::Worker,
};

/// The caller's connection.
pub(super) struct Client {
    pub(super) io: Io,
    /// What was read and not yet used.
    pub(super) input: Buffer,
    /// The head of the request under way.
    pub(super) head: RequestHead,
    /// The bytes that it was parsed from.
    pub(super) head_bytes: Vec<u8>,
    /// The memory of the last answer's head.
    pub(super) spare: Vec<u8>,
    /// Ready when the process ends. One for the connection's whole life: to wait anew for every request would cost more
    /// than to parse it.
    drained: Pin<Box<dyn Future<Output = ()>>>,
}

/// How much memory is kept for the next head.
pub(super) const SPARE: usize = 4096;

/// How long a connection may be silent before it gives back what only requests need.
pub(super) const REST: Duration = Duration::from_secs(1);

/// What came of the wait for a request's first byte.
enum First {
    /// It came.
    Byte,
    /// None will come.
    Nothing,
    /// None came in time.
    Silence,
}

/// What came instead of a request, or with it.
pub(super) enum Arrived {
    /// A request's head.
    Request,
    /// The caller closed the connection, or it was idle for too long, or the process ends: nothing to answer.
    Nothing,
    /// Not a byte for [`REST`].
    Silence,
    /// Something that cannot be served.
    Refused(HeadError),
    /// The head did not come in time.
    Timeout,
}

impl Client {
    pub(super) fn new(worker: &Worker, io: Io, first: Vec<u8>) -> Self {
        let mut drained = worker.drained.clone();
        Self {
            io,
            input: Buffer::from(first),
            head: RequestHead::default(),
            head_bytes: Vec::new(),
            spare: Vec::new(),
            drained: Box::pin(async move { drained.wait().await }),
        }
    }

    /// Waits for the next request's head.
    pub(super) async fn request(&mut self, limits: &HttpLimits, times: &mut Times) -> Arrived {
        for memory in [&mut self.head_bytes, &mut self.spare] {
            if memory.capacity() > SPARE {
                *memory = Vec::new();
            }
        }
        if self.input.is_empty() {
            let idle = limits.idle_timeout;
            let rests = idle.is_zero() || idle > REST;
            match self.first_byte(if rests { REST } else { idle }, times).await {
                First::Byte => {}
                First::Silence if rests => return Arrived::Silence,
                First::Silence | First::Nothing => return Arrived::Nothing,
            }
        }
        let bounds = Limits {
            bytes: usize::try_from(limits.max_headers_bytes).unwrap_or(usize::MAX),
            fields: usize::try_from(limits.max_headers_count).unwrap_or(Limits::MAX_FIELDS),
        };
        // Set when it is seen that the head did not come as a whole.
        let mut deadline = None;
        loop {
            match self.head.parse(self.input.filled(), bounds) {
                Ok(Parsed::Complete(length)) => {
                    self.head_bytes.clear();
                    self.head_bytes.extend_from_slice(self.input.filled().get(..length).unwrap_or_default());
                    self.input.consume(length);
                    return Arrived::Request;
                }
                Ok(Parsed::Partial) => {}
                Err(error) => return Arrived::Refused(error),
            }
            let more = poll_fn(|cx| self.input.poll_read(&mut self.io, cx));
            let timeout = (!limits.headers_timeout.is_zero()).then_some(limits.headers_timeout);
            let read = match timeout.map(|timeout| *deadline.get_or_insert_with(|| Instant::now() + timeout)) {
                Some(deadline) => match timeout_at(deadline, more).await {
                    Ok(read) => read,
                    Err(_) => return Arrived::Timeout,
                },
                None => more.await,
            };
            if !matches!(read, Ok(1..)) {
                return Arrived::Nothing;
            }
        }
    }

    /// Gives back what only requests need, and waits for the first byte of the next; `false` when none will come.
    pub(super) async fn rest(&mut self, limits: &HttpLimits, times: &mut Times) -> bool {
        self.head = RequestHead::default();
        (self.head_bytes, self.spare) = (Vec::new(), Vec::new());
        let idle = limits.idle_timeout.saturating_sub(REST);
        matches!(self.first_byte(idle, times).await, First::Byte)
    }

    /// Waits for the first byte of a request for so long; zero: without end.
    async fn first_byte(&mut self, time: Duration, times: &mut Times) -> First {
        let mut due = None;
        poll_fn(|cx| {
            if let Poll::Ready(read) = self.input.poll_read(&mut self.io, cx) {
                return Poll::Ready(if matches!(read, Ok(1..)) { First::Byte } else { First::Nothing });
            }
            if self.drained.as_mut().poll(cx).is_ready() {
                return Poll::Ready(First::Nothing);
            }
            if time.is_zero() {
                return Poll::Pending;
            }
            let due = *due.get_or_insert_with(|| Instant::now() + time);
            times.poll(cx, due).map(|()| First::Silence)
        })
        .await
    }

    /// Does with header fields with `_` in their name what the rule says.
    ///
    /// # Errors
    /// `BadRequest` when the request may not go on.
    pub(super) fn judge_underscores(&mut self, rule: Underscores) -> Result<(), ProxyError> {
        let bytes = &self.head_bytes;
        let Some(found) = rule.find(self.head.fields.iter().map(|field| field.name.of_bytes(bytes))) else {
            return Ok(());
        };
        if rule == Underscores::Reject {
            return Err(Underscores::refused(found));
        }
        let mut left = bytes.get(..self.head.fields_start).unwrap_or_default().to_vec();
        write::fields(&mut left, bytes, &self.head.fields, bytes.len(), |name, _| !name.contains(&b'_'));
        write::end(&mut left);
        let bounds = Limits { bytes: usize::MAX, fields: Limits::MAX_FIELDS };
        let parsed = self.head.parse(&left, bounds);
        self.head_bytes = left;
        match parsed {
            Ok(Parsed::Complete(_)) => Ok(()),
            Ok(Parsed::Partial) => Err(ErrorKind::BadRequest.into()),
            Err(error) => Err(ProxyError::new(ErrorKind::BadRequest, error.to_string())),
        }
    }

    /// The upgrade that it asks for. `passed`: whether it is passed on.
    pub(super) fn asked(&self, passed: bool) -> Option<&[u8]> {
        self.head.upgrade.filter(|_| passed).map(|place| place.of_bytes(&self.head_bytes))
    }

    /// Writes bytes and sees that they leave.
    ///
    /// # Errors
    /// When the caller is gone.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }

    /// Whether the caller said that no more will come, so that closing at once resets nothing. After a body some send an
    /// empty line all the same.
    pub(super) fn said_last(&self) -> bool {
        !self.head.keep_alive && self.head.framing == Framing::None && self.input.is_empty() && !self.io.is_tls()
    }

    /// Ends the connection so that the caller sees all that was written, for which it has at most `linger`.
    pub(super) async fn close(self, linger: Duration) {
        self.io.close(linger).await;
    }

    /// Sees that written bytes leave.
    pub(super) fn poll_flush(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
}
