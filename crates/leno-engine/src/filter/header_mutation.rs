//! Changes to headers by a filter.

use crate::route::HeaderEdits;

/// Changes to headers, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMutation {
    /// Of the request.
    pub request: Vec<HeaderEdits>,
    /// Of the answer.
    pub response: Vec<HeaderEdits>,
    /// Whether the closest place counts last where several say something, so that it wins
    /// (`most_specific_header_mutations_wins`). Else the widest does. Only the connection manager's own counts.
    pub closest_wins: bool,
}
