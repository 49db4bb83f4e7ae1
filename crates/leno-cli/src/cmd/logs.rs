//! `leno logs`.

use std::process::ExitCode;

use clap::Args;

use crate::{
    cli::Global,
    client::{Client, block_on, query},
    cmd::find_pod,
    output::Output,
};

/// Show the output of a container
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The pod: its name, `NAMESPACE/NAME`, the name of its Deployment, or `control` for the control plane
    pod: String,
    /// The container; `proxy` is the sidecar; the pod's first container when not given
    #[arg(long, short)]
    container: Option<String>,
    /// Go on showing what comes
    #[arg(long, short)]
    follow: bool,
    /// The run before the last restart
    #[arg(long, short)]
    previous: bool,
    /// Begin with the last so many lines
    #[arg(long, value_name = "LINES")]
    tail: Option<u64>,
    /// The namespace; any when not given
    #[arg(long, short)]
    namespace: Option<String>,
}

impl Logs {
    pub(crate) fn run(self, global: &Global, output: &Output) -> anyhow::Result<ExitCode> {
        block_on(async {
            let client = Client::new(&global.mesh);
            let (namespace, name) = if self.pod == "control" || self.pod == "leno-control" {
                ("-".to_owned(), "leno-control".to_owned())
            } else {
                let pod = find_pod(&client, self.namespace.as_deref(), &self.pod).await?;
                (pod.namespace, pod.name)
            };
            let mut path = format!("/v1/logs/{namespace}/{name}?follow={}&previous={}", self.follow, self.previous);
            if let Some(container) = &self.container {
                path.push_str(&format!("&container={}", query(container)));
            }
            if let Some(tail) = self.tail {
                path.push_str(&format!("&tail={tail}"));
            }
            let mut chunks = client.stream(&path).await?;
            while let Some(chunk) = chunks.next().await? {
                if !output.bytes(&chunk) {
                    break;
                }
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}
