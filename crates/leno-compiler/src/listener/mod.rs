//! Listeners: what happens to a connection before it is known what it is.

pub(crate) mod egress;
mod filter;
mod inbound;
mod outbound;

pub(crate) use inbound::inbound;
pub(crate) use outbound::{api, destination, unknown};
