//! `leno control`: the control plane, which `leno up` starts.

use std::process::ExitCode;

use clap::Args;

/// Run the control plane by itself (`leno up` does it for you)
#[derive(Debug, Args)]
pub(crate) struct Control {
    #[command(flatten)]
    control: leno_control::cli::Cli,
}

impl Control {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        leno_control::cli::run(self.control).map(|()| ExitCode::SUCCESS)
    }
}
