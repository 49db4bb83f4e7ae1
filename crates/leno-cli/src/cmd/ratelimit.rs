//! `leno ratelimit`: the rate limit service.

use std::process::ExitCode;

use clap::Args;

/// Run the rate limit service: sidecars ask it, so that one limit holds for all of them
#[derive(Debug, Args)]
pub(crate) struct RateLimit {
    #[command(flatten)]
    service: leno_ratelimit::cli::Cli,
}

impl RateLimit {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        leno_ratelimit::cli::run(self.service).map(|()| ExitCode::SUCCESS)
    }
}
