//! A request of HTTP/1.1 as a stream of HTTP/2 would be, where its endpoint speaks HTTP/2 ([RFC 9113, 8]): `Host` becomes
//! `:authority`, chunks become DATA, `Upgrade` becomes an extended CONNECT, and the other way round.
//!
//! [RFC 9113, 8]: https://www.rfc-editor.org/rfc/rfc9113#section-8

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use leno_engine::request::RequestHead as _;
use leno_http1::{Body, Framing, Part, Version, field, field::same, write};
use leno_http2::{Code, Head, RequestLine};
use tokio::io::AsyncWrite as _;

use super::{
    super::{
        access_log::Outcome,
        decide::Routed,
        h2::{
            caller::Caller,
            exchange,
            held::Held,
            tunnel::{SWITCHED, Tunnel},
        },
        header,
        reply::Reply,
        view,
    },
    client::Client,
    head,
    held::Kept,
};
use crate::{config::HttpConnectionManager, connection::Connection, h2::Over};

/// A caller's request and the answer to it, on its connection.
pub(in crate::http) struct Http1(RefCell<State>);

struct State {
    client: Box<Client>,
    /// What is read of the request.
    body: Body,
    /// The trailers of the request as they came; `None`: they are dropped.
    trailers: Option<Vec<u8>>,
    /// Whether what came is no body.
    malformed: bool,
    tunnel: Tunnel,
    /// Whether that is open.
    open: bool,
    /// Whether the caller sends no more through it.
    closed: bool,
    /// What is to be written, and how much of it was.
    out: Vec<u8>,
    written: usize,
    /// How the answer's body goes.
    framing: Framing,
    /// Whether all of the answer is in `out`.
    ended: bool,
    /// Whether the answer was given up.
    cut: bool,
    /// Whether the connection is closed after it.
    close: bool,
}

/// What becomes of the caller's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The next request.
    Next,
    /// It is closed, when the caller has seen everything.
    Close,
    /// It is of no use any more.
    Drop,
}

/// A request.
pub(super) struct Asked {
    pub(super) client: Box<Client>,
    /// What was read of its body.
    pub(super) kept: Kept,
    /// Whether the upgrade that it asks for is passed on.
    pub(super) upgrade: bool,
    /// Whether its connection takes no other after it.
    pub(super) close: bool,
}

/// Serves a request; what becomes of its connection.
pub(super) async fn serve(
    (connection, manager): (&Rc<Connection>, &Arc<HttpConnectionManager>),
    asked: Asked,
    outcome: Outcome,
    routed: &Routed,
) -> (Box<Client>, Outcome, Then) {
    let Asked { client, kept, upgrade, close } = asked;
    let view = view::Http1 { head: &client.head, bytes: &client.head_bytes };
    let head = head_of(view, scheme(connection, routed, &view), upgrade);
    let pieces = if kept.length() > 0 { vec![Bytes::copy_from_slice(kept.content())] } else { Vec::new() };
    let close = close || connection.is_ending();
    let http1 = Http1::new(client, &kept, Tunnel::of(&head), manager.trailers, close);
    let caller = Caller::Http1(&http1);
    let of = (Rc::clone(connection), Arc::clone(manager));
    let body = Held::begun(&caller, pieces);
    let outcome = exchange::serve(of, (&caller, &head), outcome, routed, body).await;
    let (client, then) = http1.finish();
    (client, outcome, then)
}

/// The scheme that a request came by, as far as it is believed.
fn scheme<'a>(connection: &Connection, routed: &'a Routed, view: &'a view::Http1<'_>) -> &'a str {
    let told = routed.told.headers.iter().rev().find(|(name, _)| *name == header::FORWARDED_PROTO);
    let told = told.and_then(|(_, value)| value.as_deref().map(str::as_bytes));
    match told.or_else(|| view.header(header::FORWARDED_PROTO)) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => "https",
        Some(scheme) if scheme.eq_ignore_ascii_case(b"http") => "http",
        Some(_) | None => connection.scheme(),
    }
}

impl Http1 {
    fn new(client: Box<Client>, kept: &Kept, tunnel: Tunnel, trailers: bool, close: bool) -> Self {
        let (out, mut trailers) = (Vec::new(), trailers.then(Vec::new));
        if let Some(trailers) = &mut trailers {
            // Those of a body that a filter wanted to see have come already; that it is sound is known.
            let taken = |part: Part<'_>| match part {
                Part::Content(_) => {}
                Part::Trailer(byte) => trailers.push(byte),
            };
            let _sound = Body::new(client.head.framing).take(&kept.framed, taken);
        }
        Self(RefCell::new(State {
            close: close || !client.head.keep_alive,
            client,
            body: kept.body,
            trailers,
            malformed: false,
            tunnel,
            open: false,
            closed: false,
            out,
            written: 0,
            framing: Framing::None,
            ended: false,
            cut: false,
        }))
    }

    /// Its connection, and what becomes of that.
    pub(super) fn finish(self) -> (Box<Client>, Then) {
        let state = self.0.into_inner();
        let written = state.ended && state.written == state.out.len();
        let then = match (state.cut || !written, state.close || state.open || !state.body.is_complete()) {
            (true, _) => Then::Drop,
            (false, true) => Then::Close,
            (false, false) => Then::Next,
        };
        (state.client, then)
    }

    /// The next piece of the request's body; `None` at its end.
    pub(in crate::http) fn poll_data(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Over>> {
        self.0.borrow_mut().poll_data(cx)
    }

    /// The request's trailers, where they are passed on.
    pub(in crate::http) fn trailers(&self) -> Option<Head> {
        let bytes = self.0.borrow_mut().trailers.as_mut().map(std::mem::take)?;
        trailers(&bytes)
    }

    /// Whether all of the request was taken.
    pub(in crate::http) fn is_end(&self) -> bool {
        let state = self.0.borrow();
        let trailers = state.trailers.as_ref().is_some_and(|trailers| trailers.len() > 2);
        if state.tunnel.is_asked() { state.closed } else { state.body.is_complete() && !trailers }
    }

    /// Whether what came is no body.
    pub(in crate::http) fn is_malformed(&self) -> bool {
        self.0.borrow().malformed
    }

    /// Ready when the caller is gone, as far as writing tells: what is there to be written is written.
    pub(in crate::http) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<Over> {
        let mut state = self.0.borrow_mut();
        if state.written == state.out.len() {
            return Poll::Pending;
        }
        match state.poll_write(cx) {
            Poll::Ready(Err(over)) => Poll::Ready(over),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// Sends all of a piece of the answer's body.
    pub(in crate::http) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
        end: bool,
    ) -> Poll<Result<(), Over>> {
        let mut state = self.0.borrow_mut();
        // Called again until all is written: what was taken is not there any more.
        if !data.is_empty() {
            let chunked = state.framing == Framing::Chunked;
            write::piece(&mut state.out, data, chunked);
            data.clear();
        }
        if end {
            state.end(None);
        }
        state.poll_write(cx)
    }

    /// Sees that what was sent leaves.
    pub(in crate::http) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Over>> {
        self.0.borrow_mut().poll_write(cx)
    }

    /// Has the head of an answer written. `end`: that is all.
    pub(in crate::http) fn put_answer(&self, end: bool, head: &Head, routed: &Routed) {
        self.0.borrow_mut().put_answer(end, head, routed);
    }

    /// Has the head of an interim answer written; HTTP/1.0 knows none.
    pub(in crate::http) fn put_interim(&self, head: &Head) {
        let mut state = self.0.borrow_mut();
        if state.client.head.version == Version::Http11 {
            let out = &mut state.out;
            write::status_line(out, head.status(), write::reason(head.status()));
            head.fields().for_each(|(name, value)| write::field(out, name, value));
            write::end(out);
        }
    }

    /// Has trailers written, where they are passed on, and with them the end.
    pub(in crate::http) fn put_trailers(&self, head: &Head) {
        self.0.borrow_mut().end(Some(head));
    }

    /// Has an answer of our own written.
    pub(in crate::http) fn put_reply(&self, reply: &Reply) {
        let mut state = self.0.borrow_mut();
        let State { client, out, body, close, ended, .. } = &mut *state;
        // A body that nobody reads stands before the next request.
        *close |= !body.is_complete();
        head::reply(out, reply, Some(&client.head), *close);
        *ended = true;
    }

    /// Gives the answer up: the caller is told by the end of its connection.
    pub(in crate::http) fn cut(&self) {
        self.0.borrow_mut().cut = true;
    }
}

impl State {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Over>> {
        if self.tunnel.is_asked() {
            return if self.open { self.poll_bytes(cx) } else { Poll::Pending };
        }
        loop {
            if self.body.is_complete() {
                return Poll::Ready(Ok(None));
            }
            if self.client.input.is_empty() {
                let read = ready!(self.client.input.poll_read(&mut self.client.io, cx));
                if !matches!(read, Ok(1..)) {
                    return Poll::Ready(Err(Over::Broken));
                }
            }
            let (mut content, trailers) = (Vec::new(), &mut self.trailers);
            let taken = self.body.take(self.client.input.filled(), |part| match (part, &mut *trailers) {
                (Part::Content(bytes), _) => content.extend_from_slice(bytes),
                (Part::Trailer(byte), Some(trailers)) => trailers.push(byte),
                (Part::Trailer(_), None) => {}
            });
            let Ok(taken) = taken else {
                self.malformed = true;
                return Poll::Ready(Err(Over::Reset(Code::PROTOCOL_ERROR)));
            };
            self.client.input.consume(taken.framed);
            if !content.is_empty() {
                return Poll::Ready(Ok(Some(content.into())));
            }
        }
    }

    /// What comes through an open tunnel.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Over>> {
        let Client { input, io, .. } = &mut *self.client;
        if input.is_empty() && !self.closed {
            match ready!(input.poll_read(io, cx)) {
                Ok(1..) => {}
                Ok(0) => self.closed = true,
                Err(_) => return Poll::Ready(Err(Over::Broken)),
            }
        }
        let bytes = Bytes::copy_from_slice(input.filled());
        input.consume(bytes.len());
        input.release();
        Poll::Ready(Ok((!bytes.is_empty()).then_some(bytes)))
    }

    /// Writes what there is.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Over>> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.client.io).poll_write(cx, rest)) {
                Ok(count @ 1..) => self.written += count,
                Ok(0) | Err(_) => {
                    self.cut = true;
                    return Poll::Ready(Err(Over::Broken));
                }
            }
        }
        self.out.clear();
        self.written = 0;
        self.client.poll_flush(cx).map_err(|_| Over::Broken)
    }

    /// Ends the answer.
    fn end(&mut self, trailers: Option<&Head>) {
        if std::mem::replace(&mut self.ended, true) || self.framing != Framing::Chunked {
            return;
        }
        self.out.extend_from_slice(b"0\r\n");
        if let Some(trailers) = trailers.filter(|_| self.trailers.is_some()) {
            let out = &mut self.out;
            let fields = trailers.fields().filter(|(name, _)| is_trailer(name));
            fields.for_each(|(name, value)| write::field(out, name, value));
        }
        write::end(&mut self.out);
    }

    fn put_answer(&mut self, end: bool, answer: &Head, routed: &Routed) {
        let (status, request) = (answer.status(), &self.client.head);
        self.open = self.tunnel.opens(status);
        let http10 = request.version == Version::Http10;
        let bodiless = request.head || matches!(status, 204 | 304);
        self.framing = match (self.open, bodiless || end, answer.content_length()) {
            (true, ..) => Framing::UntilClose,
            (false, true, _) => Framing::None,
            (false, false, Some(length)) => Framing::Length(length),
            (false, false, None) if http10 => Framing::UntilClose,
            (false, false, None) => Framing::Chunked,
        };
        self.close |= !self.body.is_complete() || self.framing == Framing::UntilClose;
        self.ended = end;
        let out = &mut self.out;
        let edits = routed.answer_edits();
        let changes = header::response(&edits, status, |name| answer.value(name));
        write::status_line(out, status, write::reason(status));
        let opens = self.open;
        let kept = answer.fields().filter(|(name, _)| !head::is_changed(name, &changes));
        kept.for_each(|(name, value)| write::field(out, name, value));
        head::write_changes(out, &changes);
        match self.framing {
            Framing::Chunked => write::field(out, b"transfer-encoding", b"chunked"),
            Framing::None if !bodiless && answer.content_length().is_none() => {
                write::field(out, b"content-length", b"0");
            }
            Framing::None | Framing::Length(_) | Framing::UntilClose => {}
        }
        if opens && status == SWITCHED {
            let asked = request.upgrade.map(|place| place.of_bytes(&self.client.head_bytes));
            write::field(out, b"connection", b"upgrade");
            write::field(out, b"upgrade", asked.unwrap_or_default());
        } else if self.close && !opens {
            write::field(out, b"connection", b"close");
        } else if http10 && !opens {
            write::field(out, b"connection", b"keep-alive");
        }
        write::end(out);
    }
}

/// A request's head as HTTP/2 has it. `upgrade`: whether the upgrade that it asks for is passed on.
pub(super) fn head_of(view: view::Http1<'_>, scheme: &str, upgrade: bool) -> Head {
    let view::Http1 { head, bytes } = view;
    let protocol = head.upgrade.filter(|_| upgrade).map(|place| place.text(bytes));
    let (scheme, path) = if head.connect { ("", "") } else { (scheme, view.target()) };
    let method = if protocol.is_some() { "CONNECT" } else { view.method() };
    let line = RequestLine { method, scheme, authority: view.authority(), path, protocol };
    let options: Vec<_> = write::connection_options(bytes, &head.fields).collect();
    let tunnels = protocol.is_some() || head.connect;
    let kept = view.all().filter(|(name, value)| {
        let own = same(name, "host") || same(name, "transfer-encoding") || same(name, "http2-settings");
        let te = same(name, "te") && !field::list(value).any(|coding| same(coding, "trailers"));
        // Who opens a tunnel has no body, and may say so.
        let length = tunnels && same(name, "content-length");
        !(own || te || length || head::is_hop(name, &options))
    });
    let fields = kept.map(|(name, value)| (name, if same(name, "te") { &b"trailers"[..] } else { value }));
    Head::request(&line, fields)
}

/// Trailers as HTTP/2 has them; `None` when there are none.
pub(in crate::http) fn trailers(bytes: &[u8]) -> Option<Head> {
    let head = Head::trailers(field::trailers(bytes).filter(|(name, _)| is_trailer(name)));
    (!head.is_empty()).then_some(head)
}

/// Whether a field may be a trailer ([RFC 9110, 6.5.1]): it concerns neither the connection nor the body's framing.
///
/// [RFC 9110, 6.5.1]: https://www.rfc-editor.org/rfc/rfc9110#section-6.5.1
pub(in crate::http) fn is_trailer(name: &[u8]) -> bool {
    let framing = ["content-length", "transfer-encoding", "host", "trailer", "te"];
    !write::is_hop_by_hop(name) && !framing.iter().any(|own| same(name, own))
}
