//! Messages as they come from the network.

#![expect(clippy::too_many_lines, reason = "tables of cases are long")]

mod body;
mod head;
mod smuggling;
mod write;
