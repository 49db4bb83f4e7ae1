//! A request of HTTP/2 whose endpoint is spoken to by HTTP/1.1 ([RFC 9113, 8], [RFC 9112]): `:authority` becomes `Host`,
//! DATA becomes chunks where no length is known, an extended CONNECT an upgrade, and the other way round.
//!
//! [RFC 9113, 8]: https://www.rfc-editor.org/rfc/rfc9113#section-8
//! [RFC 9112]: https://www.rfc-editor.org/rfc/rfc9112

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use leno_http1::{Body, Framing, Limits, Parsed, Part, ResponseHead, field::same, write};
use leno_http2::{Code, Head};
use tokio::io::AsyncWrite as _;

use super::{
    super::{decide::Routed, h1::stream, header::Change},
    tunnel::{SWITCHED, Tunnel},
};
use crate::{h2::Over, upstream::Http1, worker::Worker};

/// A connection to an endpoint, and where it goes afterwards.
pub(super) struct Translated {
    exchange: RefCell<Exchange>,
    worker: Rc<Worker>,
}

/// A request that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) head: &'a Head,
    pub(super) changes: &'a [Change<'a>],
    /// The host in place of its own.
    pub(super) host: Option<&'a str>,
    /// Whether the head is all.
    pub(super) ends: bool,
}

/// One request and its answer.
struct Exchange {
    /// Taken when it is given back.
    upstream: Option<Http1>,
    /// What is to be written, and how much of it was.
    out: Vec<u8>,
    written: usize,
    /// Whether the request's body goes in chunks.
    chunked: bool,
    /// Whether the end of the request is in `out`.
    ended: bool,
    /// What the request asks for besides an answer.
    tunnel: Tunnel,
    /// Whether that is open.
    open: bool,
    /// The trailers of the answer as they came; `None`: they are dropped, as are those of the request.
    trailers: Option<Vec<u8>>,
    /// Whether something came from the endpoint.
    heard: bool,
    /// Whether the request may be sent twice with the effect of once.
    idempotent: bool,
    to_head: bool,
    /// How large the head of an answer may be.
    limits: Limits,
    keep_alive: bool,
    /// The answer's body, once its head is there.
    body: Option<Body>,
    /// Whether the end of the connection ended it.
    closed: bool,
}

impl Drop for Translated {
    fn drop(&mut self) {
        let exchange = self.exchange.get_mut();
        let complete = exchange.body.as_ref().is_some_and(Body::is_complete);
        let sent = exchange.ended && exchange.written == exchange.out.len();
        if complete
            && sent
            && exchange.keep_alive
            && let Some(upstream) = exchange.upstream.take()
        {
            upstream.put_back(&self.worker);
        }
    }
}

impl Translated {
    /// Begins a request on a connection.
    pub(super) fn new(worker: &Rc<Worker>, routed: &Routed, upstream: Http1, line: &Line<'_>) -> Self {
        let Line { head, ends, .. } = *line;
        let mut out = Vec::with_capacity(512);
        let tunnel = Tunnel::of(head);
        let chunked = request(&mut out, routed, line);
        let exchange = Exchange {
            upstream: Some(upstream),
            out,
            written: 0,
            chunked,
            ended: ends,
            tunnel,
            open: false,
            trailers: routed.cluster.http.trailers.then(Vec::new),
            heard: false,
            idempotent: matches!(head.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"),
            to_head: head.method() == "HEAD",
            limits: routed.cluster.http.answer_limits(),
            keep_alive: false,
            body: None,
            closed: false,
        };
        Self { exchange: RefCell::new(exchange), worker: Rc::clone(worker) }
    }

    /// The head of the answer; interim ones come first.
    pub(super) fn poll_answer(&self, cx: &mut Context<'_>) -> Poll<Result<Head, Over>> {
        self.exchange.borrow_mut().poll_answer(cx)
    }

    /// The next piece of the body; `None` at its end.
    pub(super) fn poll_data(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Over>> {
        self.exchange.borrow_mut().poll_data(cx)
    }

    /// Sends all of a piece of the request's body.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>, data: &mut Bytes, end: bool) -> Poll<Result<(), Over>> {
        self.exchange.borrow_mut().poll_send(cx, data, end)
    }

    /// Has the request's trailers written, where they are passed on, and with them the end.
    pub(super) fn put_trailers(&self, head: &Head) {
        self.exchange.borrow_mut().end(Some(head));
    }

    /// The answer's trailers, where they are passed on.
    pub(super) fn trailers(&self) -> Option<Head> {
        let bytes = self.exchange.borrow_mut().trailers.as_mut().map(std::mem::take)?;
        stream::trailers(&bytes)
    }

    /// Whether the answer is complete.
    pub(super) fn is_end(&self) -> bool {
        let exchange = self.exchange.borrow();
        let trailers = exchange.trailers.as_ref().is_some_and(|trailers| trailers.len() > 2);
        exchange.closed || (exchange.body.as_ref().is_some_and(Body::is_complete) && !trailers)
    }
}

impl Exchange {
    /// A kept connection that was closed before anything can have been read from it processed nothing.
    fn broken(&self) -> Over {
        let reused = self.upstream.as_ref().is_some_and(|upstream| upstream.reused);
        if reused && self.idempotent && !self.heard { Over::Reset(Code::REFUSED_STREAM) } else { Over::Broken }
    }

    /// Writes what there is.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Over>> {
        let broken = self.broken();
        let Some(upstream) = &mut self.upstream else { return Poll::Ready(Err(broken)) };
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut upstream.io).poll_write(cx, rest)) {
                Ok(count @ 1..) => self.written += count,
                Ok(0) | Err(_) => return Poll::Ready(Err(broken)),
            }
        }
        self.out.clear();
        self.written = 0;
        Pin::new(&mut upstream.io).poll_flush(cx).map_err(|_| broken)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut Bytes, end: bool) -> Poll<Result<(), Over>> {
        if self.tunnel.is_asked() && !self.open {
            // Where it is refused nobody takes what is sent through it. Who reads the answer is asked again by it.
            return if self.body.is_some() { Poll::Ready(Err(Over::Reset(Code::NO_ERROR))) } else { Poll::Pending };
        }
        // Called again until all is written: what was taken is not there any more.
        if !data.is_empty() {
            write::piece(&mut self.out, data, self.chunked);
            data.clear();
        }
        if end {
            self.end(None);
        }
        ready!(self.poll_write(cx))?;
        match &mut self.upstream {
            Some(upstream) if self.open && end => {
                Pin::new(&mut upstream.io).poll_shutdown(cx).map_err(|_| Over::Broken)
            }
            Some(_) | None => Poll::Ready(Ok(())),
        }
    }

    /// Ends the request.
    fn end(&mut self, trailers: Option<&Head>) {
        if std::mem::replace(&mut self.ended, true) || !self.chunked {
            return;
        }
        self.out.extend_from_slice(b"0\r\n");
        if let Some(trailers) = trailers.filter(|_| self.trailers.is_some()) {
            let fields = trailers.fields().filter(|(name, _)| stream::is_trailer(name));
            fields.for_each(|(name, value)| write::field(&mut self.out, name, value));
        }
        write::end(&mut self.out);
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Over>> {
        // An endpoint that does not want to read on may have said why.
        let wrote = self.poll_write(cx);
        loop {
            if let Some(head) = self.take_head()? {
                return Poll::Ready(Ok(head));
            }
            let broken = self.broken();
            let Some(upstream) = &mut self.upstream else { return Poll::Ready(Err(broken)) };
            match upstream.input.poll_read(&mut upstream.io, cx) {
                Poll::Ready(Ok(1..)) => self.heard = true,
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(broken)),
                Poll::Pending => {
                    return match wrote {
                        Poll::Ready(Err(over)) => Poll::Ready(Err(over)),
                        Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }

    /// The head of an answer, if all of it is there.
    fn take_head(&mut self) -> Result<Option<Head>, Over> {
        let malformed = Over::Reset(Code::PROTOCOL_ERROR);
        let Some(upstream) = self.upstream.as_mut().filter(|upstream| !upstream.input.is_empty()) else {
            return Ok(None);
        };
        let mut head = ResponseHead::default();
        let bytes = upstream.input.filled();
        let connect = self.tunnel == Tunnel::Connect;
        let Parsed::Complete(length) = head.parse(bytes, self.limits, self.to_head, connect).map_err(|_| malformed)?
        else {
            return Ok(None);
        };
        let translated = answer(&head, bytes);
        upstream.input.consume(length);
        self.open = self.tunnel.opens(head.status);
        match head.status {
            _ if self.open => self.body = Some(Body::new(Framing::UntilClose)),
            // Nothing was asked to be upgraded.
            SWITCHED => return Err(malformed),
            100..200 => {}
            _ => (self.body, self.keep_alive) = (Some(Body::new(head.framing)), head.keep_alive),
        }
        Ok(Some(translated))
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Over>> {
        let (Some(upstream), Some(body)) = (&mut self.upstream, &mut self.body) else {
            return Poll::Ready(Err(Over::Broken));
        };
        loop {
            if !upstream.input.is_empty() && !body.is_complete() {
                let (mut content, trailers) = (Vec::new(), &mut self.trailers);
                let advanced = body.take(upstream.input.filled(), |part| match (part, &mut *trailers) {
                    (Part::Content(bytes), _) => content.extend_from_slice(bytes),
                    (Part::Trailer(byte), Some(trailers)) => trailers.push(byte),
                    (Part::Trailer(_), None) => {}
                });
                let Ok(advanced) = advanced else { return Poll::Ready(Err(Over::Reset(Code::PROTOCOL_ERROR))) };
                upstream.input.consume(advanced.framed);
                if !content.is_empty() {
                    return Poll::Ready(Ok(Some(content.into())));
                }
            }
            if body.is_complete() || self.closed {
                return Poll::Ready(Ok(None));
            }
            match ready!(upstream.input.poll_read(&mut upstream.io, cx)) {
                Ok(1..) => {}
                Ok(0) if body.ends_with_connection() => self.closed = true,
                Ok(0) | Err(_) => return Poll::Ready(Err(Over::Broken)),
            }
        }
    }
}

/// Writes the head of the request; whether its body goes in chunks.
fn request(out: &mut Vec<u8>, routed: &Routed, line: &Line<'_>) -> bool {
    let Line { head, changes, host, ends } = *line;
    let (tunnel, host) = (Tunnel::of(head), host.unwrap_or(head.authority()));
    let (method, target) = match tunnel {
        Tunnel::Connect => ("CONNECT", head.authority()),
        Tunnel::Upgrade => ("GET", routed.target.as_deref().unwrap_or(head.path())),
        Tunnel::None => (head.method(), routed.target.as_deref().unwrap_or(head.path())),
    };
    write::request_line(out, method.as_bytes(), target.as_bytes());
    write::field(out, b"host", host.as_bytes());
    let removed = |name: &[u8]| changes.iter().any(|change| change.removes() && same(name, change.name()));
    // Cookies may have come in several fields (RFC 9113, 8.2.3).
    let cookies: Vec<_> = head.values("cookie").filter(|_| !removed(b"cookie")).collect();
    if !cookies.is_empty() {
        write::field(out, b"cookie", &cookies.join(&b"; "[..]));
    }
    // Who opens a tunnel has no body, and may say so.
    let own = |name: &[u8]| matches!(name, b"cookie" | b"te") || (tunnel.is_asked() && name == b"content-length");
    for (name, value) in head.fields().filter(|(name, _)| !own(name) && !removed(name)) {
        write::field(out, name, value);
    }
    for change in changes {
        match change {
            Change::Remove(_) => {}
            Change::Set(name, value) | Change::Append(name, value) => {
                if !value.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
                    write::field(out, name.as_bytes(), value.as_bytes());
                }
            }
        }
    }
    if let Some(protocol) = head.protocol() {
        write::field(out, b"connection", b"upgrade");
        write::field(out, b"upgrade", protocol.as_bytes());
    }
    let chunked = !ends && !tunnel.is_asked() && head.content_length().is_none();
    if chunked {
        write::field(out, b"transfer-encoding", b"chunked");
    } else if ends && head.content_length().is_none() && matches!(head.method(), "POST" | "PUT" | "PATCH") {
        write::field(out, b"content-length", b"0");
    }
    write::end(out);
    chunked
}

/// The head of an answer, without what concerns its connection.
fn answer(head: &ResponseHead, bytes: &[u8]) -> Head {
    let options: Vec<_> = write::connection_options(bytes, &head.fields).collect();
    let fields = head.fields.iter().map(|field| (field.name.of_bytes(bytes), field.value.of_bytes(bytes)));
    let kept = fields.filter(|(name, _)| {
        let hop = write::is_hop_by_hop(name) || same(name, "transfer-encoding") || same(name, "trailer");
        !hop && !options.iter().any(|option| name.eq_ignore_ascii_case(option))
    });
    Head::answer(head.status, kept)
}
