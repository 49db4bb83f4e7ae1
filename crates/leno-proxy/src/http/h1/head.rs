//! Heads that are written: the caller's passed on, the endpoint's passed back, and our own.

use leno_engine::request::RequestHead as _;
use leno_http1::{Framing, RequestHead, ResponseHead, field::same, write};

use super::super::{
    decide::Routed,
    header::{self, Change, Ids},
    reply::Reply,
    view::Http1,
};
use crate::{config::Endpoint, connection::Connection};

/// Whether a field concerns one connection only.
pub(super) fn is_hop(name: &[u8], options: &[&[u8]]) -> bool {
    write::is_hop_by_hop(name) || options.iter().any(|option| name.eq_ignore_ascii_case(option) && !same(name, "te"))
}

/// Writes the changes that are there to be written.
pub(super) fn write_changes(out: &mut Vec<u8>, changes: &[Change<'_>]) {
    for change in changes {
        match change {
            Change::Remove(_) => {}
            Change::Set(name, value) | Change::Append(name, value) => {
                write::field(out, name.as_bytes(), value.as_bytes());
            }
        }
    }
}

/// Whether a change takes a field away.
pub(super) fn is_changed(name: &[u8], changes: &[Change<'_>]) -> bool {
    changes.iter().any(|change| change.removes() && same(name, change.name()))
}

/// What tells a request from others.
pub(super) fn ids(view: Http1<'_>, routed: &Routed) -> Ids {
    Ids::of(routed, |name| view.head.field(view.bytes, name).map(|place| place.of_bytes(view.bytes)))
}

/// Writes the head of a request that goes on, to this endpoint where the head depends on it.
pub(super) fn request(
    out: &mut Vec<u8>,
    (connection, ids): (&Connection, &Ids),
    view: Http1<'_>,
    routed: &Routed,
    upgrade: Option<&[u8]>,
    endpoint: Option<&Endpoint>,
) {
    let Http1 { head, bytes } = view;
    let value = |name: &str| head.field(bytes, name).map(|place| place.of_bytes(bytes));
    let changes = header::request(connection, routed, ids, endpoint, value);
    let target = if head.connect { view.authority() } else { routed.target.as_deref().unwrap_or(view.target()) };
    write::request_line(out, view.method().as_bytes(), target.as_bytes());
    let host = endpoint.map_or(routed.host.as_deref(), |endpoint| routed.host_at(endpoint));
    let host = host.unwrap_or(view.authority());
    write::field(out, b"host", host.as_bytes());
    let options: Vec<_> = write::connection_options(bytes, &head.fields).collect();
    write::fields(out, bytes, &head.fields, bytes.len(), |name, value| {
        let te = same(name, "te") && !value.eq_ignore_ascii_case(b"trailers");
        !(same(name, "host") || te || is_hop(name, &options) || is_changed(name, &changes))
    });
    write_changes(out, &changes);
    if let Some(upgrade) = upgrade {
        write::field(out, b"connection", b"upgrade");
        write::field(out, b"upgrade", upgrade);
    }
    write::end(out);
}

/// How an answer is passed back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passing {
    /// Whether the connection is closed after it.
    pub(super) close: bool,
    /// Whether the caller speaks HTTP/1.0: chunks are taken apart, and a kept connection must be named.
    pub(super) http10: bool,
    /// Whether it answers an upgrade with 101.
    pub(super) upgrade: bool,
}

/// Writes the head of an answer that is passed back.
pub(super) fn response(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8], routed: &Routed, passing: Passing) {
    let edits = routed.answer_edits();
    let changes =
        header::response(&edits, head.status, |name| head.field(bytes, name).map(|place| place.of_bytes(bytes)));
    write::status_line(out, head.status, head.reason.of_bytes(bytes));
    let options: Vec<_> = write::connection_options(bytes, &head.fields).collect();
    let unchunk = passing.http10 && head.framing == Framing::Chunked;
    write::fields(out, bytes, &head.fields, bytes.len(), |name, _| {
        let kept = passing.upgrade && same(name, "upgrade");
        let chunked = unchunk && (same(name, "transfer-encoding") || same(name, "trailer"));
        (kept || !is_hop(name, &options)) && !chunked && !is_changed(name, &changes)
    });
    write_changes(out, &changes);
    if passing.upgrade {
        write::field(out, b"connection", b"upgrade");
    } else if passing.close {
        write::field(out, b"connection", b"close");
    } else if passing.http10 {
        write::field(out, b"connection", b"keep-alive");
    }
    write::end(out);
}

/// Writes the head of an interim answer (1xx).
pub(super) fn interim(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8]) {
    write::status_line(out, head.status, head.reason.of_bytes(bytes));
    write::fields(out, bytes, &head.fields, bytes.len(), |name, _| !write::is_hop_by_hop(name));
    write::end(out);
}

/// Writes an answer of our own, wholly.
pub(super) fn reply(out: &mut Vec<u8>, reply: &Reply, to: Option<&RequestHead>, close: bool) {
    write::status_line(out, reply.status, write::reason(reply.status));
    // How long it is and what becomes of the connection is ours to say, whatever a configuration adds.
    let framing = |name: &str| same(name.as_bytes(), "content-length") || write::is_hop_by_hop(name.as_bytes());
    for (name, value) in reply.headers.iter().filter(|(name, _)| !framing(name)) {
        write::field(out, name.as_bytes(), value.as_bytes());
    }
    let bodiless = reply.is_bodiless();
    if !bodiless {
        out.extend_from_slice(b"content-length: ");
        write::number(out, reply.body.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    if close {
        write::field(out, b"connection", b"close");
    }
    write::end(out);
    if !bodiless && !to.is_some_and(|head| head.head) {
        out.extend_from_slice(&reply.body);
    }
}
