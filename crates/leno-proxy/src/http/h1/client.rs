//! The caller's side of a connection: heads come in, answers go out.

use std::{future::poll_fn, io, pin::Pin, task::Poll, time::Duration};

use leno_http1::{HeadError, Limits, Parsed, RequestHead};
use tokio::{
    io::{AsyncWrite as _, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};

use crate::{config::HttpLimits, http_buffer::Buffer, io::Io, worker::Worker};

/// The caller's connection.
pub(super) struct Client {
    pub(super) io: Io,
    /// What was read and not yet used.
    pub(super) input: Buffer,
    /// The head of the request under way.
    pub(super) head: RequestHead,
    /// The bytes that it was parsed from.
    pub(super) head_bytes: Vec<u8>,
}

/// What came instead of a request, or with it.
pub(super) enum Arrived {
    /// A request's head.
    Request,
    /// The caller closed the connection, or it was idle for too long, or the process ends: nothing to answer.
    Nothing,
    /// Something that cannot be served.
    Refused(HeadError),
    /// The head did not come in time.
    Timeout,
}

impl Client {
    pub(super) fn new(io: Io, first: Vec<u8>) -> Self {
        Self { io, input: Buffer::from(first), head: RequestHead::default(), head_bytes: Vec::new() }
    }

    /// Waits for the next request's head.
    pub(super) async fn request(&mut self, worker: &Worker, limits: &HttpLimits) -> Arrived {
        if self.input.is_empty() && !self.first_byte(worker, limits.idle_timeout).await {
            return Arrived::Nothing;
        }
        let bounds = Limits {
            bytes: usize::try_from(limits.max_headers_bytes).unwrap_or(usize::MAX),
            fields: usize::try_from(limits.max_headers_count).unwrap_or(Limits::MAX_FIELDS),
        };
        let deadline = (!limits.headers_timeout.is_zero()).then(|| Instant::now() + limits.headers_timeout);
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
            let read = match deadline {
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

    /// Waits for the first byte of a request; `false` when none will come.
    async fn first_byte(&mut self, worker: &Worker, idle: Duration) -> bool {
        let mut drained = worker.drained.clone();
        let Self { io, input, .. } = self;
        let read = poll_fn(|cx| input.poll_read(io, cx));
        let idle = async { if idle.is_zero() { std::future::pending().await } else { tokio::time::sleep(idle).await } };
        tokio::select! {
            biased;
            read = read => matches!(read, Ok(1..)),
            () = drained.wait() => false,
            () = idle => false,
        }
    }

    /// Writes bytes and sees that they leave.
    ///
    /// # Errors
    /// When the caller is gone.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }

    /// Ends the connection so that the caller sees all that was written.
    pub(super) async fn close(self) {
        self.io.close().await;
    }

    /// Sees that written bytes leave.
    pub(super) fn poll_flush(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
}
