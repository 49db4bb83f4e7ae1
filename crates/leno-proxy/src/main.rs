//! The sidecar's program.

use clap::Parser;
use leno_proxy::cli::Program;

fn main() -> anyhow::Result<()> {
    Program::parse().run()
}
