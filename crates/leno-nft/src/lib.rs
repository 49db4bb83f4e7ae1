//! nftables rulesets over netlink, without external programs.
//!
//! ```text
//! Table (plain data) ──► encode (pure) ──► one netlink batch ──► kernel: all of it or nothing
//! ```
//!
//! A ruleset is data: [`Table`], [`Chain`], [`Rule`], [`Expr`], [`Set`]. [`install::replace`] puts a table in the place
//! of the one of the same name, atomically; an error names the rule that the kernel refused. [`netlink`] is the message
//! builder and socket below it, of use for other netlink families as well.
//!
//! It must not know meshes, pods or sidecars.

#![forbid(unsafe_code)]

pub mod encode;
pub mod error;
pub mod expr;
pub mod install;
pub mod netlink;
pub mod prefix;
pub mod ruleset;
pub mod set;

pub use error::Error;
pub use expr::{Expr, Op, Reject, Transport, Verdict};
pub use prefix::Prefix;
pub use ruleset::{Chain, ChainType, Family, Hook, Rule, Table};
pub use set::{Element, Key, KeyPart, Set, SetKind};
