//! Headers that the proxy itself sets, and edits that routes ask for.

use leno_engine::route::{HeaderAppend, HeaderEdits};
use rand::RngExt as _;

use crate::{
    connection::{Connection, Direction},
    telemetry::trace,
};

/// Who called, as proved by mutual TLS ([XFCC]). Whatever comes from outside under this name is dropped.
///
/// [XFCC]: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert
pub(super) const CLIENT_CERTIFICATE: &str = "x-forwarded-client-cert";
pub(super) const REQUEST_ID: &str = "x-request-id";
pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// A change to one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// It goes, if it is there.
    Remove(&'a str),
    /// Whatever is there of this name is replaced.
    Set(&'a str, String),
    /// It is added beside what is there.
    Append(&'a str, String),
}

/// What changes in the headers of a request that goes on. `header` tells a header's value.
pub(super) fn request<'a, 'v>(
    connection: &Connection,
    edits: &'a [HeaderEdits],
    header: impl Fn(&str) -> Option<&'v [u8]>,
) -> Vec<Change<'a>> {
    let mut changes = Vec::with_capacity(4);
    match (connection.direction, connection.mtls) {
        (Direction::Inbound, true) => {
            let own = &connection.worker.shared.settings.workload.identity;
            let value = format!("By={own};URI={}", connection.source.identity);
            changes.push(Change::Set(CLIENT_CERTIFICATE, value));
        }
        (Direction::Inbound, false) | (Direction::Outbound, _) => {
            if header(CLIENT_CERTIFICATE).is_some() {
                changes.push(Change::Remove(CLIENT_CERTIFICATE));
            }
        }
    }
    if header(REQUEST_ID).is_none() {
        changes.push(Change::Set(REQUEST_ID, request_id()));
    }
    if !header(TRACEPARENT).is_some_and(trace::is_legal) {
        let mut random = rand::rng();
        changes.push(Change::Set(TRACEPARENT, trace::start(random.random(), random.random())));
    }
    if header(FORWARDED_PROTO).is_none() {
        changes.push(Change::Set(FORWARDED_PROTO, "http".to_owned()));
    }
    self::edits(&mut changes, edits, header);
    changes
}

/// What changes in the headers of an answer.
pub(super) fn response<'a, 'v>(edits: &'a [HeaderEdits], header: impl Fn(&str) -> Option<&'v [u8]>) -> Vec<Change<'a>> {
    let mut changes = Vec::new();
    self::edits(&mut changes, edits, header);
    changes
}

fn edits<'a, 'v>(changes: &mut Vec<Change<'a>>, edits: &'a [HeaderEdits], header: impl Fn(&str) -> Option<&'v [u8]>) {
    for edit in edits {
        changes.extend(edit.remove.iter().map(|name| Change::Remove(name)));
        for write in &edit.add {
            let (name, value) = (&*write.name, write.value.clone().into_string());
            match write.append {
                HeaderAppend::Append => changes.push(Change::Append(name, value)),
                HeaderAppend::Overwrite => changes.push(Change::Set(name, value)),
                HeaderAppend::IfAbsent if header(name).is_none() => changes.push(Change::Set(name, value)),
                HeaderAppend::OverwriteIfPresent if header(name).is_some() => changes.push(Change::Set(name, value)),
                HeaderAppend::IfAbsent | HeaderAppend::OverwriteIfPresent => {}
            }
        }
    }
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

/// A random UUID (version 4), as Envoy makes it.
fn request_id() -> String {
    let bits: u128 = rand::rng().random();
    let bits = (bits & !(0xf << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_uuids_of_version_4() {
        let id = request_id();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4', "{id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
    }
}
