//! `leno completion`.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use crate::output::Output;

/// Print what a shell needs to complete this program's commands
///
/// For example, in ~/.bashrc: source <(leno completion bash)
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// The shell
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(self, mut command: clap::Command, output: &Output) -> anyhow::Result<ExitCode> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, "leno", &mut text);
        output.bytes(&text);
        Ok(ExitCode::SUCCESS)
    }
}
