//! Netlink: how the kernel is asked, in messages of attributes.
//!
//! <https://docs.kernel.org/userspace-api/netlink/intro.html>

pub mod message;
pub mod socket;

pub use message::Message;
pub use socket::{Refusal, Socket};
