//! `leno apply`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use leno_api::runner::{Changes, Manifests};

use crate::{
    cli::Global,
    client::{Client, block_on},
    cmd::manifests,
    output::Output,
};

/// Make or change objects of a running mesh
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Manifest files, and folders that hold them at any depth; `-` is standard input
    #[arg(long = "filename", short = 'f', required = true, value_name = "PATH")]
    files: Vec<PathBuf>,
}

impl Apply {
    pub(crate) fn run(self, global: &Global, output: &Output) -> anyhow::Result<ExitCode> {
        let files = manifests(&self.files)?;
        let changes: Changes =
            block_on(async { Client::new(&global.mesh).post("/v1/apply", &Manifests { files }).await })?;
        tell(&changes, output);
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes what became of the objects.
pub(super) fn tell(changes: &Changes, output: &Output) {
    if output.json {
        output.value(&changes.changes);
        return;
    }
    for change in &changes.changes {
        output.note(&format!("{} {}", change.object, change.change.word()));
    }
}
