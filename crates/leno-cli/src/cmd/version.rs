//! `leno version`.

use std::process::ExitCode;

use clap::Args;

use crate::output::Output;

/// Show the version of this program
#[derive(Debug, Args)]
pub(crate) struct Version {}

impl Version {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        let version = env!("CARGO_PKG_VERSION");
        if output.json {
            output.value(&serde_json::json!({"version": version}));
        } else {
            output.line(&format!("leno {version}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}
