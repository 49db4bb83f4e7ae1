//! `leno validate`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{cmd::manifests, output::Output, runner::files};

/// Say everything that is wrong with manifests, without running anything
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Manifest files, and folders that hold them at any depth; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Validate {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        let gathered = files::gather(&manifests(&self.paths)?);
        let is_fine = gathered.invalid.is_empty();
        if output.json {
            output.value(&serde_json::json!({
                "valid": is_fine, "objects": gathered.objects.len(),
                "invalid": gathered.invalid, "ignored": gathered.ignored,
            }));
        } else {
            if !output.quiet {
                gathered.ignored.iter().for_each(|ignored| output.warn(&format!("note: {ignored}")));
            }
            gathered.invalid.iter().for_each(|invalid| output.warn(&invalid.to_string()));
            if is_fine {
                output.note(&format!("{} objects, nothing wrong", gathered.objects.len()));
            }
        }
        Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
