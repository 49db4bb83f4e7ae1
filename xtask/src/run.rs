//! Running other programs.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

/// The top of the tree.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Runs cargo at the top of the tree.
pub(crate) fn cargo(args: &[&str]) -> anyhow::Result<()> {
    cargo_with(args, &[])
}

/// Runs cargo at the top of the tree with further environment variables.
pub(crate) fn cargo_with(args: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(args).envs(environment.iter().copied());
    run(&mut command)
}

/// Runs a command, at the top of the tree unless it says where, and fails when it does.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    if command.get_current_dir().is_none() {
        command.current_dir(root());
    }
    say(&format!("$ {command:?}"));
    let status = command.status().with_context(|| format!("start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// Runs a command at the top of the tree and returns what it printed.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.current_dir(root()).output().with_context(|| format!("start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// A line for the person who waits.
#[expect(clippy::print_stderr, reason = "the build's own output")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}
