//! The command line: what all commands share, and which ones there are.

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::{cmd, output::Output};

/// A service mesh that runs on one machine, with no cluster and no root.
#[derive(Debug, Parser)]
#[command(name = "leno", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The mesh that is meant; several can run side by side
    #[arg(long, global = true, value_name = "NAME", default_value = "default", env = "LENO_MESH")]
    pub(crate) mesh: String,
    /// Write JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Write only what was asked for and what went wrong
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(cmd::up::Up),
    Down(cmd::down::Down),
    Ps(cmd::ps::Ps),
    Get(cmd::get::Get),
    Apply(cmd::apply::Apply),
    Delete(cmd::delete::Delete),
    Rollout(Box<cmd::rollout::Rollout>),
    Explain(cmd::explain::Explain),
    Logs(cmd::logs::Logs),
    Exec(cmd::exec::Exec),
    Validate(cmd::validate::Validate),
    Proxy(cmd::proxy::Proxy),
    Control(Box<cmd::control::Control>),
    #[command(name = "ratelimit")]
    RateLimit(cmd::ratelimit::RateLimit),
    Demo(cmd::demo::Demo),
    Completion(cmd::completion::Completion),
    Version(cmd::version::Version),
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let output = Output::new(global.json, global.quiet);
    let outcome = match command {
        Command::Up(up) => up.run(&global, &output),
        Command::Down(down) => down.run(&global, &output),
        Command::Ps(ps) => ps.run(&global, &output),
        Command::Get(get) => get.run(&global, &output),
        Command::Apply(apply) => apply.run(&global, &output),
        Command::Delete(delete) => delete.run(&global, &output),
        Command::Rollout(rollout) => Ok(rollout.run(&global, &output)),
        Command::Explain(explain) => Ok(explain.run(&global, &output)),
        Command::Logs(logs) => logs.run(&global, &output),
        Command::Exec(exec) => exec.run(&global),
        Command::Validate(validate) => validate.run(&output),
        Command::Proxy(proxy) => proxy.run(&global, &output),
        Command::Control(control) => control.run(),
        Command::RateLimit(service) => service.run(),
        Command::Demo(demo) => demo.run(),
        Command::Completion(completion) => completion.run(Cli::command(), &output),
        Command::Version(version) => version.run(&output),
    };
    outcome.unwrap_or_else(|error| {
        output.failure(&error);
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_are_understood_after_the_command() {
        let cli = Cli::try_parse_from(["leno", "ps", "--mesh", "two", "--json"]).unwrap();
        assert_eq!((cli.global.mesh.as_str(), cli.global.json), ("two", true));
    }
}
