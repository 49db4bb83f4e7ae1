//! One attempt of one exchange: the request goes up while the answer comes down, each as fast as the other side takes it.
//!
//! ```text
//! caller ─► client.input ─► Upload.bytes ─► endpoint       head and body; kept for another attempt while small
//! caller ◄── Download.head, upstream.input ◄── endpoint    head, then the body as it is framed
//! ```

use std::{
    future::Future as _,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use leno_http1::{Body, BodyError, Framing, Limits, Parsed, ResponseHead};
use tokio::{
    io::AsyncWrite as _,
    time::{Instant, Sleep},
};

use super::{
    super::decide::Routed,
    client::Client,
    head::{self, Passing},
};
use crate::upstream::Http1;

/// How much of a request is kept so that it can be sent again.
const REPLAY: usize = 64 * 1024;

/// The request's way up.
pub(super) struct Upload {
    /// What is to be written: the head, and the body as far as it was read.
    bytes: Vec<u8>,
    /// How much of it is written.
    written: usize,
    /// The body.
    body: Body,
    /// Whether `bytes` still begins with the head: the request can be sent again.
    whole: bool,
    /// Bytes of the body's content.
    pub(super) content: u64,
    /// When the last of it was written.
    done: Option<Instant>,
}

impl Upload {
    /// A request with this head.
    pub(super) fn new(head: Vec<u8>, framing: Framing) -> Self {
        Self { bytes: head, written: 0, body: Body::new(framing), whole: true, content: 0, done: None }
    }

    /// Whether the request can be sent once more from its beginning.
    pub(super) fn is_replayable(&self) -> bool {
        self.whole
    }

    /// Whether all of it was read from the caller.
    pub(super) fn is_read(&self) -> bool {
        self.body.is_complete()
    }

    /// Begins again.
    pub(super) fn rewind(&mut self) {
        self.written = 0;
        self.done = None;
    }

    /// Takes the memory back for the next request.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The answer's way down.
#[derive(Default)]
struct Download {
    /// Our part of what is to be written: the head, or content of chunks taken apart.
    head: Vec<u8>,
    /// How much of `head` is written.
    written: usize,
    /// How much of the endpoint's input belongs to the body and is to be written after it.
    ready: usize,
    /// The body, once the head is there.
    body: Option<Body>,
    /// Whether chunks are taken apart.
    unchunk: bool,
    /// Whether something was written that may not have left the process.
    unflushed: bool,
}

/// How an attempt came to its end.
#[derive(Debug)]
pub(super) enum Ended {
    /// The answer was passed back wholly.
    Complete {
        /// Whether the endpoint's connection can take another request.
        reusable: bool,
    },
    /// Both sides speak something else from now on: 101, or CONNECT was answered with 2xx.
    Upgraded,
    /// The endpoint failed before its answer began.
    Upstream(UpstreamError),
    /// The endpoint failed after its answer began: the caller is told by closing the connection.
    Broken(String),
    /// The caller is gone.
    CallerGone,
    /// The caller's body is malformed.
    CallerBody(BodyError),
    /// Nothing moved for too long.
    Idle,
    /// The request did not arrive in time.
    Late,
}

/// How an endpoint failed before its answer began.
#[derive(Debug)]
pub(super) enum UpstreamError {
    /// The connection was closed before anything can have been read from it.
    Stale,
    /// The connection broke.
    Closed(String),
    /// The answer is no HTTP.
    Malformed(String),
    /// The answer did not begin in time.
    Timeout,
}

/// Times of an exchange.
pub(super) struct Times {
    /// One timer for all, set to what is due first; it may fire early and is then set again.
    timer: Pin<Box<Sleep>>,
    /// When something last moved.
    moved: Instant,
}

impl Times {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { timer: Box::pin(tokio::time::sleep_until(now + Duration::from_secs(3600))), moved: now }
    }

    /// Begins an attempt.
    pub(super) fn start(&mut self) {
        self.moved = Instant::now();
    }

    /// Ready when `due` has come.
    fn poll(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        if self.timer.deadline() > due {
            self.timer.as_mut().reset(due);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
    }
}

/// An attempt.
pub(super) struct Attempt<'a> {
    pub(super) client: &'a mut Client,
    pub(super) upstream: &'a mut Http1,
    pub(super) upload: &'a mut Upload,
    pub(super) response: &'a mut ResponseHead,
    pub(super) routed: &'a Routed,
    pub(super) times: &'a mut Times,
    /// When the answer must have begun; `None`: when the route's timeout says.
    pub(super) try_until: Option<Instant>,
    /// When the request must have arrived.
    pub(super) arrive_until: Option<Instant>,
    /// Whether an upgrade was passed on.
    pub(super) upgrade: bool,
    /// Whether the caller's connection will be closed after this.
    pub(super) close: bool,
    download: Download,
    /// What was passed back.
    pub(super) sent: Sent,
}

/// What was passed back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    /// The final status; 0 until it is known.
    pub(super) status: u16,
    /// Bytes of the body's content.
    pub(super) content: u64,
}

/// What is shared by all attempts of a request.
pub(super) struct Setting<'a> {
    pub(super) routed: &'a Routed,
    pub(super) try_until: Option<Instant>,
    pub(super) arrive_until: Option<Instant>,
    pub(super) upgrade: bool,
    pub(super) close: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        client: &'a mut Client,
        upstream: &'a mut Http1,
        upload: &'a mut Upload,
        response: &'a mut ResponseHead,
        times: &'a mut Times,
        setting: &Setting<'a>,
    ) -> Self {
        let Setting { routed, try_until, arrive_until, upgrade, close } = *setting;
        Self {
            client,
            upstream,
            upload,
            response,
            routed,
            times,
            try_until,
            arrive_until,
            upgrade,
            close,
            download: Download::default(),
            sent: Sent::default(),
        }
    }

    /// Moves what can be moved; ready when the attempt has come to its end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        // A broken way up does not matter once the answer is under way: many answer before they have read everything.
        let up = match self.poll_up(cx) {
            Poll::Ready(Err(ended)) if self.download.body.is_none() => match ended {
                Ended::Upstream(error) => return self.last_words(cx, error),
                other => return Poll::Ready(other),
            },
            other => other,
        };
        let down = self.poll_down(cx);
        if down.is_ready() {
            return down;
        }
        if let Poll::Ready(Err(ended @ (Ended::CallerGone | Ended::CallerBody(_)))) = up {
            return Poll::Ready(ended);
        }
        self.poll_times(cx)
    }

    /// An endpoint that does not want to read on may have said why.
    fn last_words(&mut self, cx: &mut Context<'_>, error: UpstreamError) -> Poll<Ended> {
        match self.poll_down(cx) {
            Poll::Ready(Ended::Upstream(_)) => Poll::Ready(Ended::Upstream(error)),
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending if self.download.body.is_some() => Poll::Pending,
            Poll::Pending => Poll::Ready(Ended::Upstream(error)),
        }
    }

    /// Sends the request.
    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        if self.upload.done.is_some() {
            return Poll::Ready(Ok(()));
        }
        loop {
            while let Some(rest) = self.upload.bytes.get(self.upload.written..).filter(|rest| !rest.is_empty()) {
                match ready!(Pin::new(&mut self.upstream.io).poll_write(cx, rest)) {
                    Ok(written @ 1..) => self.upload.written += written,
                    Ok(0) => return Poll::Ready(Err(Ended::Upstream(self.write_failed("closed")))),
                    Err(error) => {
                        return Poll::Ready(Err(Ended::Upstream(self.write_failed(&error.to_string()))));
                    }
                }
                self.times.moved = Instant::now();
            }
            if let Err(error) = ready!(Pin::new(&mut self.upstream.io).poll_flush(cx)) {
                return Poll::Ready(Err(Ended::Upstream(self.write_failed(&error.to_string()))));
            }
            if self.upload.body.is_complete() {
                self.upload.done = Some(Instant::now());
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_body(cx))?;
        }
    }

    /// Reads a part of the caller's body.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        if self.client.input.is_empty() {
            match ready!(self.client.input.poll_read(&mut self.client.io, cx)) {
                Ok(1..) => self.times.moved = Instant::now(),
                Ok(0) | Err(_) => return Poll::Ready(Err(Ended::CallerGone)),
            }
        }
        let upload = &mut *self.upload;
        if upload.written == upload.bytes.len() && upload.bytes.len() > REPLAY {
            upload.whole = false;
        }
        if !upload.whole {
            upload.bytes.clear();
            upload.written = 0;
        }
        let input = self.client.input.filled();
        match upload.body.advance(input, |_| {}) {
            Ok(advanced) => {
                upload.bytes.extend_from_slice(input.get(..advanced.framed).unwrap_or_default());
                upload.content += advanced.content as u64;
                self.client.input.consume(advanced.framed);
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(Ended::CallerBody(error))),
        }
    }

    /// A kept connection that cannot be written to was closed before the endpoint read anything of this request.
    fn write_failed(&self, why: &str) -> UpstreamError {
        if self.upstream.reused { UpstreamError::Stale } else { UpstreamError::Closed(why.to_owned()) }
    }

    /// Passes the answer back.
    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            match ready!(self.poll_write(cx)) {
                Ok(()) => {}
                Err(_) => return Poll::Ready(Ended::CallerGone),
            }
            if let Some(body) = &self.download.body
                && body.is_complete()
            {
                if ready!(self.client.poll_flush(cx)).is_err() {
                    return Poll::Ready(Ended::CallerGone);
                }
                let upgraded = self.response.status == 101 || (self.client.head.connect && self.sent.status / 100 == 2);
                if upgraded {
                    return Poll::Ready(Ended::Upgraded);
                }
                let reusable = self.response.keep_alive && self.upload.done.is_some();
                return Poll::Ready(Ended::Complete { reusable });
            }
            if !self.upstream.input.is_empty() {
                match self.take() {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(ended) => return Poll::Ready(ended),
                }
            }
            if self.download.unflushed {
                match self.client.poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.download.unflushed = false,
                    Poll::Ready(Err(_)) => return Poll::Ready(Ended::CallerGone),
                    Poll::Pending => {}
                }
            }
            match ready!(self.upstream.input.poll_read(&mut self.upstream.io, cx)) {
                Ok(1..) => self.times.moved = Instant::now(),
                Ok(0) => {
                    if let Some(ended) = self.end_of_stream() {
                        return Poll::Ready(ended);
                    }
                }
                Err(error) => return Poll::Ready(self.read_failed(&error)),
            }
        }
    }

    /// The endpoint says no more.
    fn end_of_stream(&mut self) -> Option<Ended> {
        match &mut self.download.body {
            Some(body) if body.ends_with_connection() => {
                *body = Body::new(Framing::None);
                self.close = true;
                None
            }
            Some(_) => Some(Ended::Broken("the endpoint closed the connection in the middle of its answer".into())),
            None if self.upstream.reused && self.upstream.input.is_empty() => {
                Some(Ended::Upstream(UpstreamError::Stale))
            }
            None => Some(Ended::Upstream(UpstreamError::Closed("the endpoint closed the connection".into()))),
        }
    }

    fn read_failed(&self, error: &io::Error) -> Ended {
        match &self.download.body {
            Some(_) => Ended::Broken(format!("the endpoint's connection broke in the middle of its answer: {error}")),
            None if self.upstream.reused && self.upstream.input.is_empty() => Ended::Upstream(UpstreamError::Stale),
            None => Ended::Upstream(UpstreamError::Closed(error.to_string())),
        }
    }

    /// Writes what is ready: our head and the endpoint's bytes after it, in one go.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let head = self.download.head.get(self.download.written..).unwrap_or_default();
            let body = self.upstream.input.filled().get(..self.download.ready).unwrap_or_default();
            if head.is_empty() && body.is_empty() {
                self.download.head.clear();
                self.download.written = 0;
                return Poll::Ready(Ok(()));
            }
            let slices = [IoSlice::new(head), IoSlice::new(body)];
            let written = ready!(Pin::new(&mut self.client.io).poll_write_vectored(cx, &slices))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = written.min(head.len());
            self.download.written += of_head;
            self.download.ready -= written - of_head;
            self.download.unflushed = true;
            self.upstream.input.consume(written - of_head);
            self.times.moved = Instant::now();
        }
    }

    /// Makes something of what the endpoint sent; `false` when more is needed.
    fn take(&mut self) -> Result<bool, Ended> {
        let Some(body) = &mut self.download.body else {
            return self.take_head();
        };
        let (input, head, unchunk) = (self.upstream.input.filled(), &mut self.download.head, self.download.unchunk);
        let advanced = body.advance(input, |content| {
            if unchunk {
                head.extend_from_slice(content);
            }
        });
        let advanced = advanced.map_err(|error| Ended::Broken(format!("the endpoint's body: {error}")))?;
        self.sent.content += advanced.content as u64;
        if unchunk {
            self.upstream.input.consume(advanced.framed);
        } else {
            self.download.ready = advanced.framed;
        }
        Ok(advanced.framed > 0 || advanced.complete)
    }

    /// Takes the answer's head; `false` when more is needed.
    fn take_head(&mut self) -> Result<bool, Ended> {
        let request = &self.client.head;
        let input = self.upstream.input.filled();
        let parsed = self.response.parse(input, Limits::default(), request.head, request.connect);
        let malformed = |error: String| Ended::Upstream(UpstreamError::Malformed(error));
        let length = match parsed.map_err(|error| malformed(format!("the endpoint's answer: {error}")))? {
            Parsed::Complete(length) => length,
            Parsed::Partial => return Ok(false),
        };
        let bytes = input.get(..length).unwrap_or_default();
        let status = self.response.status;
        let upgraded = status == 101;
        if upgraded && !self.upgrade {
            return Err(malformed("the endpoint switched protocols without being asked".into()));
        }
        if (100..200).contains(&status) && !upgraded {
            // HTTP/1.0 knows no interim answers.
            if request.version == leno_http1::Version::Http11 {
                head::interim(&mut self.download.head, self.response, bytes);
            }
            self.upstream.input.consume(length);
            return Ok(true);
        }
        let http10 = request.version == leno_http1::Version::Http10;
        let unchunk = http10 && self.response.framing == Framing::Chunked;
        self.close |= unchunk || self.response.framing == Framing::UntilClose || !self.upload.is_read();
        let passing = Passing { close: self.close, http10, upgrade: upgraded };
        head::response(&mut self.download.head, self.response, bytes, self.routed, passing);
        self.download.unchunk = unchunk;
        self.download.body = Some(Body::new(self.response.framing));
        self.sent.status = status;
        self.upstream.input.consume(length);
        Ok(true)
    }

    /// Whether time is up.
    fn poll_times(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let begun = self.download.body.is_some();
        let idle = (!self.routed.idle.is_zero()).then(|| self.times.moved + self.routed.idle);
        // The route's time runs from the end of the request to the end of the answer.
        let whole = self.routed.timeout.zip(self.upload.done).map(|(timeout, done)| done + timeout);
        let attempt = if begun { None } else { self.try_until };
        let late = if begun || self.upload.done.is_some() { None } else { self.arrive_until };
        let Some(due) = [idle, whole, attempt, late].into_iter().flatten().min() else {
            return Poll::Pending;
        };
        ready!(self.times.poll(cx, due));
        if late == Some(due) {
            return Poll::Ready(Ended::Late);
        }
        Poll::Ready(match (idle == Some(due), begun) {
            (true, _) => Ended::Idle,
            (false, true) => Ended::Broken("the answer was not complete in time".into()),
            (false, false) => Ended::Upstream(UpstreamError::Timeout),
        })
    }
}
