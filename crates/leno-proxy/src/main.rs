//! The sidecar's program.

use clap::Parser;

/// The sidecar of a workload in a Leno service mesh.
#[derive(Parser)]
#[command(name = "leno-proxy", version)]
struct Program {
    #[command(flatten)]
    cli: leno_proxy::cli::Cli,
}

fn main() -> anyhow::Result<()> {
    leno_proxy::cli::run(Program::parse().cli)
}
