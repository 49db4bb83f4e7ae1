//! `leno-control`: the control plane alone, for images. The same is `leno control`.

use clap::Parser;
use leno_control::cli::Program;

fn main() -> anyhow::Result<()> {
    Program::parse().run()
}
