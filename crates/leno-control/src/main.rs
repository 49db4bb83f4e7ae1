//! `leno-control`: the control plane alone, for images. The same is `leno control`.

use clap::Parser;
use leno_control::cli::{self, Cli};

/// The control plane of the Leno service mesh.
#[derive(Debug, Parser)]
#[command(name = "leno-control", version)]
struct Program {
    #[command(flatten)]
    cli: Cli,
}

fn main() -> anyhow::Result<()> {
    cli::run(Program::parse().cli)
}
