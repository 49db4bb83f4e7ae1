//! `leno demo`: the programs of the examples, so that one file is enough to run them.

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Play a part in one of the examples
#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(subcommand)]
    program: Program,
}

#[derive(Debug, Subcommand)]
enum Program {
    /// The bookstore scene: buyer, thief, store, warehouse, ledger
    #[command(subcommand)]
    Bookstore(bookstore::Role),
    /// A service that tells what it saw, and a client that keeps count
    #[command(subcommand)]
    Echo(echo::Command),
}

impl Demo {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.program {
            Program::Bookstore(role) => bookstore::run(role)?,
            Program::Echo(command) => echo::run(command)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
