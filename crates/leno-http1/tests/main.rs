//! Messages as they come from the network.

mod body;
mod head;
mod smuggling;
mod write;
