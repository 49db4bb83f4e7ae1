//! The labels of metrics: what each means, and which values it has.

use leno_engine::resilience::outlier::EjectionCause;

use super::decision::{FilterDecision, FilterName};
use super::event::{EjectionVerdict, HandshakeError, Protocol};
use crate::{connection::Direction, discovery};

/// A label of metrics.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// Its values.
    pub values: Values,
}

/// A value and its meaning; that is empty where the value says it all.
pub type Explained = (&'static str, &'static str);

/// The values that a label has.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// `true` and `false`.
    Boolean,
    /// Any text of this sort.
    Text(&'static str),
    /// These.
    OneOf(fn() -> Vec<Explained>),
    /// A response flag of [`crate::error::ErrorKind`], or `-`.
    Flag,
    /// A label of [`crate::error::ErrorKind`].
    Reason,
}

const fn label(name: &'static str, meaning: &'static str, values: Values) -> Label {
    Label { name, meaning, values }
}

const OWNER: Values = Values::Text("a name of a Deployment, StatefulSet or pod; empty when not known");
const NAMESPACE: Values = Values::Text("a name; empty when not known");
const IDENTITY: Values = Values::Text("a SPIFFE ID; empty without one");
const DIRECTION: Label = label("direction", "Which way, seen from the workload", Values::OneOf(directions));

/// Who called whom, and how.
pub const TRAFFIC: &[Label] = &[
    DIRECTION,
    label("protocol", "What was spoken", Values::OneOf(protocols)),
    label("mtls", "Whether it went over mesh TLS", Values::Boolean),
    label("source_workload", "The caller; on inbound traffic as its certificate says", OWNER),
    label("source_namespace", "The caller's namespace", NAMESPACE),
    label("source_identity", "The caller's identity; on inbound traffic as proved by mesh TLS", IDENTITY),
    label("destination_workload", "The workload that was called; empty until an instance was chosen", OWNER),
    label("destination_namespace", "The called workload's namespace", NAMESPACE),
    label(
        "destination_service",
        "The service that was called",
        Values::Text("`namespace/name`; empty when it was no service"),
    ),
    label("destination_identity", "The called workload's identity", IDENTITY),
];

/// How a request was answered.
pub const ANSWER: &[Label] = &[
    label(
        "response_code",
        "The status that the caller got",
        Values::Text("a number; 0 when the caller went away before"),
    ),
    label("response_flags", "What went wrong", Values::Flag),
];

/// Why something was refused or sent again.
pub const REASON: &[Label] = &[label("reason", "Why", Values::Reason)];

/// Why a connection of bytes got nowhere.
pub const FAILURE: &[Label] = &[label("reason", "Why", Values::Flag)];

/// How a handshake ended.
pub const HANDSHAKE: &[Label] = &[
    DIRECTION,
    label("result", "How it ended", Values::OneOf(results)),
    label("resumed", "Whether an earlier session was resumed", Values::Boolean),
];

/// Which way a connection went.
pub const WAY: &[Label] = &[DIRECTION];

/// What kind of resource.
pub const KIND: &[Label] = &[label("kind", "The kind of resource", Values::OneOf(kinds))];

/// Which outlier, and what was done about it.
pub const OUTLIER: &[Label] = &[
    label(
        "destination_service",
        "The service of the endpoint",
        Values::Text("`namespace/name`; empty when it is none"),
    ),
    label("cause", "Why it is an outlier", Values::OneOf(causes)),
    label("verdict", "What was done about it", Values::OneOf(verdicts)),
];

/// What a filter decided.
pub const DECISION: &[Label] = &[
    label("filter", "The filter", Values::OneOf(filters)),
    label("decision", "What it decided", Values::OneOf(decisions)),
];

fn filters() -> Vec<Explained> {
    FilterName::ALL.iter().map(|it| (it.label(), it.doc())).collect()
}

fn decisions() -> Vec<Explained> {
    FilterDecision::ALL.iter().map(|it| (it.label(), it.doc())).collect()
}

fn causes() -> Vec<Explained> {
    EjectionCause::ALL.iter().map(|it| (it.label(), "")).collect()
}

fn verdicts() -> Vec<Explained> {
    EjectionVerdict::ALL.iter().map(|it| (it.label(), it.doc())).collect()
}

fn directions() -> Vec<Explained> {
    Direction::ALL.iter().map(|it| (it.label(), it.doc())).collect()
}

fn protocols() -> Vec<Explained> {
    Protocol::ALL.iter().map(|it| (it.label(), it.doc())).collect()
}

fn results() -> Vec<Explained> {
    let failures = HandshakeError::ALL.iter().map(|it| (it.label(), it.doc()));
    std::iter::once((HANDSHAKE_OK, "It succeeded.")).chain(failures).collect()
}

fn kinds() -> Vec<Explained> {
    discovery::KINDS.map(|kind| (kind, "")).to_vec()
}

/// The value of `result` for a handshake without failure.
pub const HANDSHAKE_OK: &str = "ok";
