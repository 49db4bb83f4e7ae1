//! The one binary: the command line and the local runner.
//!
//! ```text
//! main ─► cli ─► cmd/<subcommand> ─► client ═ control socket ═╗
//!                cmd/up ─► sandbox::enter ─┬─► front (host)   ║
//!                                          └─► runner (inside): api, store, controllers, pods
//! ```
//!
//! `rollout` is what `leno rollout` does, `explain` what `leno explain` does: clients of a running mesh as the other commands
//! are.
//! Everything that people read is written by `output`; everything that runs is in the sandbox.

pub mod cli;
mod client;
mod cmd;
mod explain;
mod front;
mod output;
mod rollout;
mod runner;
pub mod sandbox;
mod totals;
