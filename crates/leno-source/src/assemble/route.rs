//! Routes of the Gateway API.

use leno_manifest::Kind;

use super::Remarks;
use crate::{Note, NoteReason, Objects};

/// Kinds that are read and checked, and not yet compiled.
const WAITING: [Kind; 6] = [
    Kind::HttpRoute,
    Kind::GrpcRoute,
    Kind::TlsRoute,
    Kind::GatewayTcpRoute,
    Kind::ReferenceGrant,
    Kind::BackendTlsPolicy,
];

pub(super) fn note(objects: &Objects, remarks: &mut Remarks) {
    for manifest in WAITING.into_iter().flat_map(|kind| objects.of_kind(kind)) {
        let text = "objects of this kind are checked and have no effect yet";
        remarks.notes.push(Note::new(manifest, NoteReason::NoEffect, text));
    }
}
