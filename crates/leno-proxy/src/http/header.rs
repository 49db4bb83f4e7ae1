//! Headers that the proxy itself sets, and edits that routes ask for.

use std::borrow::Cow;

use leno_engine::route::{HeaderAppend, HeaderEdits, HeaderWrite};
use rand::RngExt as _;
use smallvec::SmallVec;

use super::decide::Routed;
use crate::{
    config::Endpoint,
    connection::{Connection, Direction},
    hex::{Hex, HexWriter},
    telemetry::trace::{self, Traceparent},
};

/// Who called, as proved by mutual TLS ([XFCC]). Whatever comes from outside under this name is dropped.
///
/// [XFCC]: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert
pub(super) const CLIENT_CERTIFICATE: &str = "x-forwarded-client-cert";
pub(super) const REQUEST_ID: &str = "x-request-id";
pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// The path before a rewrite, and the host, as Envoy tells them.
pub(super) const ORIGINAL_PATH: &str = "x-envoy-original-path";
pub(super) const ORIGINAL_HOST: &str = "x-envoy-original-host";
pub(super) const FORWARDED_HOST: &str = "x-forwarded-host";

/// A change to one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// It goes, if it is there.
    Remove(&'a str),
    /// Whatever is there of this name is replaced.
    Set(&'a str, Cow<'a, str>),
    /// It is added beside what is there.
    Append(&'a str, Cow<'a, str>),
}

/// Changes in their order. Those that the proxy itself makes find room without an allocation.
pub(super) type Changes<'a> = SmallVec<[Change<'a>; 4]>;

/// What tells a request from others, where it is not what the caller said: for the callee and for the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ids {
    /// `x-request-id`.
    pub(super) request: Option<RequestId>,
    /// `traceparent`.
    pub(super) trace: Option<Traceparent>,
}

impl Ids {
    /// Those that are decided, and new ones where they are missing. `header` tells a header's value.
    pub(super) fn of<'v>(routed: &Routed, header: impl Fn(&str) -> Option<&'v [u8]>) -> Self {
        let mut random = rand::rng();
        let missing = || header(REQUEST_ID).is_none().then(|| RequestId::new(random.random()));
        let request = routed.told.request_id.or_else(missing);
        let legal = header(TRACEPARENT).is_some_and(trace::is_legal);
        let trace = (!legal).then(|| Traceparent::start(random.random(), random.random()));
        Self { request, trace }
    }
}

/// What changes in the headers of a request that goes on, to this endpoint once it is known. `header` tells a header's
/// value.
pub(super) fn request<'a, 'v>(
    connection: &'a Connection,
    routed: &'a Routed,
    ids: &'a Ids,
    endpoint: Option<&Endpoint>,
    header: impl Fn(&str) -> Option<&'v [u8]>,
) -> Changes<'a> {
    let mut changes = Changes::new();
    match connection.direction {
        // Without TLS of the mesh, what is told says what becomes of it.
        _ if !connection.mtls || routed.told.certificate => {}
        Direction::Inbound => changes.push(Change::Set(CLIENT_CERTIFICATE, connection.client_certificate().into())),
        Direction::Outbound if header(CLIENT_CERTIFICATE).is_some() => changes.push(Change::Remove(CLIENT_CERTIFICATE)),
        Direction::Outbound => {}
    }
    if let Some(id) = &ids.request {
        changes.push(Change::Set(REQUEST_ID, id.as_str().into()));
    }
    if let Some(trace) = &ids.trace {
        changes.push(Change::Set(TRACEPARENT, trace.as_str().into()));
    }
    changes.extend(routed.told.headers.iter().map(|(name, value)| match value {
        Some(value) => Change::Set(name, Cow::Borrowed(&**value)),
        None => Change::Remove(name),
    }));
    changes.extend(routed.originals.iter().map(|(name, value)| Change::Set(name, value.as_str().into())));
    if let Some(named) = endpoint.and_then(|endpoint| routed.named_by(endpoint)) {
        changes.extend(named.iter().map(|(name, value)| Change::Set(name, value.as_str().into())));
    }
    edits(&mut changes, &routed.request_edits, 0, header);
    changes
}

/// What changes in the headers of an answer of this status.
pub(super) fn response<'a, 'v>(
    edits: &'a [HeaderEdits],
    status: u16,
    header: impl Fn(&str) -> Option<&'v [u8]>,
) -> Changes<'a> {
    let mut changes = Changes::new();
    self::edits(&mut changes, edits, status, header);
    changes
}

fn edits<'a, 'v>(
    changes: &mut Changes<'a>,
    edits: &'a [HeaderEdits],
    status: u16,
    header: impl Fn(&str) -> Option<&'v [u8]>,
) {
    for edit in edits {
        for name in &edit.remove {
            change(changes, Change::Remove(name));
        }
        let there = |changes: &[Change<'_>], name: &str| {
            let last = changes.iter().rev().find(|change| change.name().eq_ignore_ascii_case(name));
            last.map_or_else(|| header(name).is_some(), |last| !matches!(last, Change::Remove(_)))
        };
        // Envoy's order: whether a header is there is seen before any of these, what overwrites is written first.
        let mut added = Vec::new();
        let mut overwritten = Vec::new();
        for write in &edit.add {
            match write.append {
                HeaderAppend::Append => added.push(write),
                HeaderAppend::IfAbsent if !there(changes, &write.name) => added.push(write),
                HeaderAppend::Overwrite => overwritten.push(write),
                HeaderAppend::OverwriteIfPresent if there(changes, &write.name) => overwritten.push(write),
                HeaderAppend::IfAbsent | HeaderAppend::OverwriteIfPresent => {}
            }
        }
        let text = |write: &'a HeaderWrite| Some((&*write.name, write.value.text(status, &header)?));
        for (name, value) in overwritten.into_iter().filter_map(text) {
            change(changes, Change::Set(name, value.into()));
        }
        changes.extend(added.into_iter().filter_map(text).map(|(name, value)| Change::Append(name, value.into())));
    }
}

/// Adds a change; what it takes away may have come from one before.
fn change<'a>(changes: &mut Changes<'a>, new: Change<'a>) {
    if new.removes() {
        changes.retain(|old| !old.name().eq_ignore_ascii_case(new.name()));
    }
    changes.push(new);
}

impl Change<'_> {
    /// The header it is about.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Remove(name) | Self::Set(name, _) | Self::Append(name, _) => name,
        }
    }

    /// Whether what is there goes.
    pub(super) fn removes(&self) -> bool {
        match self {
            Self::Remove(_) | Self::Set(..) => true,
            Self::Append(..) => false,
        }
    }
}

/// A request's id.
pub(super) type RequestId = Hex<36>;

impl RequestId {
    /// A UUID (version 4) of random bits, as Envoy makes it.
    fn new(bits: u128) -> Self {
        let bits = (bits & !(0xf << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
        let mut text = HexWriter::default();
        for (part, digits) in [(bits >> 96, 8), (bits >> 80, 4), (bits >> 64, 4), (bits >> 48, 4)] {
            text.hex(part, digits);
            text.byte(b'-');
        }
        text.hex(bits, 12);
        text.finish()
    }
}

/// A new request id.
pub(super) fn request_id() -> RequestId {
    RequestId::new(rand::rng().random())
}

#[cfg(test)]
mod tests {
    use leno_engine::route::HeaderText;

    use super::*;

    #[test]
    fn changes_see_those_before_them() {
        let write =
            |name: &str, append| HeaderWrite { name: name.into(), value: HeaderText::Plain("new".into()), append };
        let edit = |remove: &[&str], add: Vec<HeaderWrite>| HeaderEdits {
            remove: remove.iter().map(|name| (*name).into()).collect(),
            add,
        };
        let made = |edits: &[HeaderEdits]| {
            let changes = response(edits, 200, |name| (name == "there").then_some(&b"old"[..]));
            changes.iter().map(|change| format!("{change:?}")).collect::<Vec<_>>().join(" ")
        };
        let removed = edit(&["there"], vec![write("there", HeaderAppend::OverwriteIfPresent)]);
        assert_eq!(made(&[removed]), r#"Remove("there")"#);
        let replaced = edit(&["there"], vec![write("there", HeaderAppend::IfAbsent)]);
        assert_eq!(made(&[replaced]), r#"Remove("there") Append("there", "new")"#);
        let twice = [HeaderAppend::Append, HeaderAppend::Overwrite].map(|append| edit(&[], vec![write("a", append)]));
        assert_eq!(made(&twice), r#"Set("a", "new")"#);
        let undone = [edit(&[], vec![write("A", HeaderAppend::Append)]), edit(&["a"], vec![])];
        assert_eq!(made(&undone), r#"Remove("a")"#);
    }

    #[test]
    fn request_ids_are_uuids_of_version_4() {
        let id = RequestId::new(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(id.as_str(), "01234567-89ab-4def-8123-456789abcdef");
        assert_eq!(RequestId::new(u128::MAX).as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
