//! The command line: `leno-proxy run` and `leno-proxy init`, the same as `leno proxy run` and `leno proxy init`.

pub mod init;
pub mod run;

use clap::{Args, Subcommand};

/// The sidecar's commands.
#[derive(Args, Clone, Debug)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the sidecar of one workload
    Run(Box<run::RunArgs>),
    /// Write the rules that bring the pod's TCP to its sidecar into the current network namespace, and exit
    Init(Box<init::InitArgs>),
}

/// Does it.
///
/// # Errors
/// Why it could not be done.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Run(args) => run::run(*args),
        Command::Init(args) => init::run(*args),
    }
}
