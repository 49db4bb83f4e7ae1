//! The echo service.

use clap::Parser;

#[derive(Parser)]
#[command(name = "echo", about = "An echo service, and a client that keeps count")]
struct Cli {
    #[command(subcommand)]
    command: echo::Command,
}

fn main() -> anyhow::Result<()> {
    echo::run(Cli::parse().command)
}
