//! One attempt of one exchange: the request goes up while the answer comes down, each as fast as the other side takes it.
//!
//! ```text
//! caller ─► client.input ─► Upload.bytes ─► endpoint       head and body; kept for another attempt while small
//! caller ◄── Download.head, upstream.input ◄── endpoint    head, then the body as it is framed
//! ```

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use leno_http1::{Body, BodyError, Framing, Parsed, ResponseHead};
use tokio::{io::AsyncWrite as _, time::Instant};

use super::{
    super::{
        decide::Routed,
        retry::{REPLAY, Retries},
        view,
    },
    client::Client,
    head::{self, Passing},
    times::Times,
    upload::Upload,
};
use crate::{connection::Connection, upstream::Http1};

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
    /// Whether input is left behind what is ready.
    more: bool,
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
    /// The caller's body is larger than the limit.
    TooLarge,
    /// Nothing moved for too long.
    Idle,
    /// The request did not arrive in time.
    Late,
    /// The request took longer with its answer than it may.
    TooLong,
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
    /// The answer did not begin in the time of the attempt.
    PerTryTimeout,
    /// The answer did not begin in the time of the route.
    Timeout,
    /// The endpoint took longer than it may.
    TooLong,
    /// It answered with a status after which the request is sent again.
    Status(u16),
}

/// An attempt.
pub(super) struct Attempt<'a, 'r> {
    pub(super) client: &'a mut Client,
    pub(super) upstream: &'a mut Http1,
    pub(super) upload: &'a mut Upload,
    pub(super) response: &'a mut ResponseHead,
    pub(super) times: &'a mut Times,
    pub(super) routed: &'a Routed,
    pub(super) retries: &'a mut Retries<'r>,
    /// When the answer must have begun; `None`: when the route's timeout says.
    pub(super) try_until: Option<Instant>,
    /// When the request must have arrived.
    pub(super) arrive_until: Option<Instant>,
    /// When all must be over: for the request, and for this attempt.
    pub(super) over_until: [Option<Instant>; 2],
    /// Whether an upgrade was passed on.
    pub(super) upgrade: bool,
    /// Whether the caller's connection will be closed after this.
    close: bool,
    download: Download,
    connection: &'a Connection,
    /// What was passed back.
    sent: Sent,
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
pub(super) struct Setting<'a, 'r> {
    pub(super) routed: &'a Routed,
    pub(super) retries: &'a mut Retries<'r>,
    pub(super) try_until: Option<Instant>,
    pub(super) arrive_until: Option<Instant>,
    pub(super) over_until: [Option<Instant>; 2],
    pub(super) upgrade: bool,
    pub(super) close: bool,
    pub(super) connection: &'a Connection,
}

impl<'a, 'r> Attempt<'a, 'r> {
    pub(super) fn new(
        client: &'a mut Client,
        upstream: &'a mut Http1,
        upload: &'a mut Upload,
        response: &'a mut ResponseHead,
        times: &'a mut Times,
        setting: Setting<'a, 'r>,
    ) -> Self {
        let Setting { routed, retries, try_until, arrive_until, over_until, upgrade, close, connection } = setting;
        let download = Download { head: std::mem::take(&mut client.spare), ..Download::default() };
        Self {
            client,
            upstream,
            upload,
            response,
            times,
            routed,
            retries,
            try_until,
            arrive_until,
            over_until,
            upgrade,
            close,
            download,
            connection,
            sent: Sent::default(),
        }
    }

    /// What was passed back, and whether the caller's connection is to be closed. The memory of the head is kept.
    pub(super) fn finish(self) -> (Sent, bool) {
        self.client.spare = self.download.head;
        self.client.spare.clear();
        (self.sent, self.close)
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
        if let Poll::Ready(Err(ended @ (Ended::CallerGone | Ended::CallerBody(_) | Ended::TooLarge))) = up {
            return Poll::Ready(ended);
        }
        self.poll_times(cx)
    }

    /// An endpoint that does not want to read on may have said why.
    fn last_words(&mut self, cx: &mut Context<'_>, error: UpstreamError) -> Poll<Ended> {
        match self.poll_down(cx) {
            Poll::Ready(Ended::Upstream(said @ UpstreamError::Status(_))) => Poll::Ready(Ended::Upstream(said)),
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
            // What has come of the body leaves together with the head.
            if self.upload.whole && !self.client.input.is_empty() && !self.upload.body.is_complete() {
                self.take_body()?;
            }
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
                // Just now, when the last of it was written.
                let now = self.times.moved;
                self.upload.done = Some(now);
                self.upload.arrive(now);
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
        Poll::Ready(self.take_body())
    }

    /// Takes what was read of the caller's body.
    fn take_body(&mut self) -> Result<(), Ended> {
        let (upload, input) = (&mut *self.upload, self.client.input.filled());
        let mirroring = &mut upload.mirroring;
        let advanced = upload.body.advance(input, |content| {
            if let Some(mirroring) = mirroring {
                mirroring.take(content);
            }
        });
        let advanced = advanced.map_err(Ended::CallerBody)?;
        upload.bytes.extend_from_slice(input.get(..advanced.framed).unwrap_or_default());
        upload.content += advanced.content as u64;
        self.client.input.consume(advanced.framed);
        if self.routed.is_too_large(upload.content) { Err(Ended::TooLarge) } else { Ok(()) }
    }

    /// A kept connection that cannot be written to was closed before the endpoint read anything of this request.
    fn write_failed(&self, why: &str) -> UpstreamError {
        if self.upstream.reused { UpstreamError::Stale } else { UpstreamError::Closed(why.to_owned()) }
    }

    /// Passes the answer back.
    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            if let Err(ended) = self.take_all() {
                return self.say_what_is_there(cx, ended);
            }
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
            // What came while it was written goes first.
            if self.download.more {
                continue;
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

    /// Makes something of all that the endpoint sent, so that head and body leave together.
    fn take_all(&mut self) -> Result<(), Ended> {
        self.download.more = false;
        while !self.upstream.input.is_empty() {
            if self.download.ready > 0 {
                // The rest stands behind what is to be written.
                self.download.more = self.download.ready < self.upstream.input.len();
                return Ok(());
            }
            if self.download.body.as_ref().is_some_and(Body::is_complete) || !self.take()? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The endpoint broke its answer: the caller gets to see what was right about it, if it takes it at once.
    fn say_what_is_there(&mut self, cx: &mut Context<'_>, ended: Ended) -> Poll<Ended> {
        match self.poll_write(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(Ended::CallerGone),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(ended),
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
        let malformed = |error: String| Ended::Upstream(UpstreamError::Malformed(error));
        let parsed =
            self.response.parse(input, self.routed.cluster.http.answer_limits(), request.head, request.connect);
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
        let answer = view::Answer1 { head: self.response, bytes };
        if self.retries.claim_answer(&answer, self.upload.is_replayable()) {
            return Err(Ended::Upstream(UpstreamError::Status(status)));
        }
        self.retries.settle();
        let http10 = request.version == leno_http1::Version::Http10;
        let unchunk = http10 && self.response.framing == Framing::Chunked;
        self.close |= unchunk
            || self.connection.is_ending()
            || self.response.framing == Framing::UntilClose
            || !self.upload.is_read();
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
        let whole = self.routed.timeout.zip(self.upload.arrived).map(|(timeout, arrived)| arrived + timeout);
        let attempt = if begun { None } else { self.try_until };
        let late = if begun || self.upload.done.is_some() { None } else { self.arrive_until };
        let [over, over_try] = self.over_until;
        let Some(due) = [idle, whole, attempt, late, over, over_try].into_iter().flatten().min() else {
            return Poll::Pending;
        };
        ready!(self.times.poll(cx, due));
        let is = |time: Option<Instant>| time == Some(due);
        Poll::Ready(match begun {
            _ if is(late) => Ended::Late,
            _ if is(over) => Ended::TooLong,
            false if is(over_try) => Ended::Upstream(UpstreamError::TooLong),
            _ if is(idle) => Ended::Idle,
            true => Ended::Broken("the answer was not complete in time".into()),
            false if is(whole) => Ended::Upstream(UpstreamError::Timeout),
            false => Ended::Upstream(UpstreamError::PerTryTimeout),
        })
    }
}
