//! Heads that are written: the caller's passed on, the endpoint's passed back, and our own.

use std::borrow::Cow;

use leno_http2::{Head, Writer};

use super::{
    super::{
        decide::Routed,
        header::{self as changes, Change},
        reply::{self, Reply},
    },
    tunnel::SWITCHED,
};

/// A request that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) head: &'a Head,
    pub(super) changes: &'a [Change<'a>],
    /// The host in place of its own.
    pub(super) host: Option<&'a str>,
    /// The scheme in place of its own.
    pub(super) scheme: Option<&'a str>,
}

/// Writes the request that goes on. Target and host are legal: see [`is_legal`].
pub(super) fn request(writer: &mut Writer<'_>, routed: &Routed, line: &Line<'_>) {
    let Line { head, changes, host, scheme } = *line;
    writer.method(head.method());
    if !head.scheme().is_empty() {
        writer.scheme(scheme.unwrap_or(head.scheme()));
    }
    let host = host.unwrap_or(head.authority());
    if !host.is_empty() {
        writer.authority(host);
    }
    match &routed.target {
        Some(target) => writer.path(target),
        None if !head.path().is_empty() => writer.path(head.path()),
        None => {}
    }
    // Extended CONNECT (RFC 8441) names its protocol here.
    if let Some(protocol) = head.protocol() {
        writer.protocol(protocol);
    }
    fields(writer, head, changes);
}

/// Whether what rewrites made can be sent.
pub(super) fn is_legal(routed: &Routed) -> bool {
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    let target = routed.target.as_deref().is_none_or(|target| visible(target) && !target.contains('#'));
    target && routed.host.as_deref().is_none_or(visible)
}

/// Writes the head of an answer that is passed back.
pub(super) fn answer(writer: &mut Writer<'_>, head: &Head, routed: &Routed) {
    let edits = routed.answer_edits();
    let changes = changes::response(&edits, head.status(), |name| head.value(name));
    writer.status(if head.status() == SWITCHED { 200 } else { head.status() });
    fields(writer, head, &changes);
}

/// Writes the head of an interim answer (1xx).
pub(super) fn interim(writer: &mut Writer<'_>, head: &Head) {
    writer.status(head.status());
    fields(writer, head, &[]);
}

/// Writes trailers.
pub(super) fn trailers(writer: &mut Writer<'_>, head: &Head) {
    fields(writer, head, &[]);
}

/// Writes the fields that stay, and those that are added.
fn fields(writer: &mut Writer<'_>, head: &Head, changes: &[Change<'_>]) {
    let removed = |name: &[u8]| {
        changes.iter().any(|change| change.removes() && change.name().as_bytes().eq_ignore_ascii_case(name))
    };
    for (name, value) in head.fields().filter(|(name, _)| changes.is_empty() || !removed(name)) {
        writer.field(name, value);
    }
    for change in changes {
        match change {
            Change::Remove(_) => {}
            Change::Set(name, value) | Change::Append(name, value) => own(writer, name, value),
        }
    }
}

/// Writes a field that comes from the configuration or from us, if HTTP/2 can have it ([RFC 9113, 8.2]).
///
/// [RFC 9113, 8.2]: https://www.rfc-editor.org/rfc/rfc9113#section-8.2
fn own(writer: &mut Writer<'_>, name: &str, value: &str) {
    let name = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    };
    let of_connection =
        matches!(&*name, "connection" | "keep-alive" | "transfer-encoding" | "upgrade" | "proxy-connection");
    let legal = !value.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
    if legal && !of_connection {
        writer.field(name.as_bytes(), value.trim_ascii().as_bytes());
    }
}

/// Our own answer; gRPC clients get it as the status that they understand.
pub(super) fn understood(reply: &Reply, grpc: bool) -> Cow<'_, Reply> {
    match grpc.then(|| reply.for_grpc()).flatten() {
        Some(reply) => Cow::Owned(reply),
        None => Cow::Borrowed(reply),
    }
}

/// Writes the head of our own answer. `length`: whether it says how long its body is.
pub(super) fn reply(writer: &mut Writer<'_>, reply: &Reply, length: bool) {
    writer.status(if reply.status == 0 { 503 } else { reply.status });
    // How long it is is ours to say, whatever a configuration adds.
    for (name, value) in reply.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length")) {
        own(writer, name, value);
    }
    if length && !reply.is_bodiless() {
        own(writer, "content-length", &reply.body.len().to_string());
    }
}

/// Whether a request is gRPC.
pub(super) fn is_grpc(head: &Head) -> bool {
    head.value("content-type").is_some_and(reply::is_grpc)
}

/// The status of HTTP that a gRPC status stands for ([Envoy's table]).
///
/// [Envoy's table]: https://cloud.google.com/apis/design/errors#generating_errors
pub(super) fn http_status(grpc: u32) -> u16 {
    match grpc {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}
