//! The command line: `leno-proxy run`, `init`, or `--config-path FILE`; the same as `leno proxy …`.

pub mod file;
pub mod init;
mod process;
pub mod run;

use clap::{Args, Parser, Subcommand};

/// The sidecar of a workload in a Leno service mesh.
#[derive(Debug, Parser)]
#[command(name = "leno-proxy", version)]
pub struct Program {
    #[command(flatten)]
    cli: Cli,
}

impl Program {
    /// Does what the command line says.
    ///
    /// # Errors
    /// Why it could not be done.
    pub fn run(self) -> anyhow::Result<()> {
        run(self.cli)
    }
}

/// The sidecar's commands, or the proxy from a file.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    file: file::FileArgs,
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
        Some(command) => command.run(),
        None => cli.file.run(),
    }
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// Why it could not be done.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Run(args) => run::run(&args),
            Self::Init(args) => init::run(*args),
        }
    }
}
