//! The build system: `cargo xtask <command>`. The gate is `cargo xtask ci`.

#![forbid(unsafe_code)]

mod dependency;
mod fuzz;
mod run;
mod tidy;
mod tool;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks and tests Leno")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Subcommand)]
enum Command {
    /// Everything that must pass before a change lands: fmt, tidy, deps, clippy, doc, test, bench, fuzz.
    Ci,
    /// Formatting.
    Fmt,
    /// The crate graph and the size limits, which lints cannot hold.
    Tidy,
    /// Licences, sources and the one crypto stack of all dependencies.
    Deps,
    /// Lints, warnings as errors.
    Clippy,
    /// The documentation of every crate, warnings as errors.
    Doc,
    /// Every test, with the third parties that judge Leno; installs what it needs under `target/`.
    Test,
    /// The benchmark, shortly and for Leno alone: that it still runs, never how fast.
    Bench,
    /// Inputs that no one thought of, for what reads bytes from strangers; guided by coverage.
    Fuzz(fuzz::Options),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Ci => {
            let quick = [Command::Fmt, Command::Tidy, Command::Deps, Command::Clippy, Command::Doc];
            let long = [Command::Test, Command::Bench, Command::Fuzz(fuzz::Options::gate())];
            quick.into_iter().chain(long).try_for_each(stage)
        }
        one => stage(one),
    }
}

fn stage(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Ci => unreachable!("the sum of the others"),
        Command::Fmt => run::cargo(&["fmt", "--all", "--check"]),
        Command::Tidy => tidy::check(),
        Command::Deps => dependency::check(),
        Command::Clippy => run::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        Command::Doc => run::cargo_with(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]),
        Command::Test => test(),
        Command::Bench => bench(),
        Command::Fuzz(options) => fuzz::check(&options),
    }
}

/// Builds the programs first, so that the end-to-end tests find them, then runs every test. Tests marked `ignore` need
/// the tools that are installed here.
fn test() -> anyhow::Result<()> {
    let path = tool::install()?;
    run::cargo(&["build", "--workspace", "--bins"])?;
    run::cargo_with(&["test", "--workspace", "--no-fail-fast", "--", "--include-ignored"], &[("PATH", &path)])
}

/// The load generators that only the benchmark needs.
const LOAD: [(&str, &str); 2] = [("wrk", "wrk"), ("iperf3", "iperf3")];

fn bench() -> anyhow::Result<()> {
    tool::debian(&LOAD)?;
    let path = tool::install()?;
    run::cargo_with(&["run", "-p", "bench", "--", "--quick", "--peers", "leno"], &[("PATH", &path)])
}
