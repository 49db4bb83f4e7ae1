//! `leno delete`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use leno_api::runner::{Changes, Deletion, Manifests};
use leno_model::ObjectRef;

use crate::{
    cli::Global,
    client::{Client, block_on},
    cmd::{NAMESPACE, apply, manifests},
    output::Output,
};

/// Delete objects of a running mesh
///
/// An object that stands in the watched files comes back with the next change of these files.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Delete what these manifests name; `-` is standard input
    #[arg(
        long = "filename",
        short = 'f',
        value_name = "PATH",
        required_unless_present = "kind",
        conflicts_with = "kind"
    )]
    files: Vec<PathBuf>,
    /// The kind, e.g. pod, svc, TrafficTarget
    #[arg(requires = "names")]
    kind: Option<String>,
    /// The names
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The namespace
    #[arg(long, short, default_value = NAMESPACE)]
    namespace: String,
}

impl Delete {
    pub(crate) fn run(self, global: &Global, output: &Output) -> anyhow::Result<ExitCode> {
        let deletions = match &self.kind {
            None => vec![Deletion::Manifests(Manifests { files: manifests(&self.files)? })],
            Some(kind) => {
                let object = |name: &String| Deletion::Object(ObjectRef::new(kind, &self.namespace, name));
                self.names.iter().map(object).collect()
            }
        };
        block_on(async {
            let client = Client::new(&global.mesh);
            for deletion in deletions {
                let changes: Changes = client.post("/v1/delete", &deletion).await?;
                apply::tell(&changes, output);
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}
