//! The network rules of a filter chain.

use leno_engine::authorization::{Rbac, Subject, Verdict};

use crate::connection::Connection;

/// What rules may ask of a connection.
#[must_use]
pub fn subject(connection: &Connection) -> Subject<'_> {
    let identity = &*connection.source.identity;
    Subject {
        // On the way in the labels are those of the verified identity; on the way out nobody has one.
        identity: connection.identity.as_ref().map(|_| identity),
        source: connection.peer,
        destination: connection.original_destination,
        server_name: &connection.server_name,
    }
}

/// Whether a connection may be there at all; if not, why not.
///
/// # Errors
/// The decision in words.
pub fn admit(rbac: &Rbac, connection: &Connection) -> Result<(), String> {
    match rbac.check_connection(&subject(connection)) {
        Verdict::Allowed(_) => Ok(()),
        Verdict::Denied(policy) => Err(describe(connection, policy)),
    }
}

/// A denial in words: who, where to, and by which policy.
#[must_use]
pub fn describe(connection: &Connection, policy: Option<&str>) -> String {
    let who = connection.identity.as_ref().map_or_else(|| "a caller without identity".to_owned(), ToString::to_string);
    let me = &connection.worker.shared.settings.workload.identity;
    let to = connection.original_destination;
    match policy {
        Some(policy) => format!("{who} is denied access to {me} at {to} by {policy}"),
        None => format!("{who} is denied access to {me} at {to}: no policy allows it"),
    }
}
