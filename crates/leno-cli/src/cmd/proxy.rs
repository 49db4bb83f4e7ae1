//! `leno proxy`: what the sidecars know, and the sidecar itself.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::{
    cli::Global,
    client::{Client, block_on},
    cmd::find_pod,
    output::{Output, yaml},
};

/// Look at the sidecars of a running mesh
#[derive(Debug, Args)]
pub(crate) struct Proxy {
    #[command(subcommand)]
    command: ProxyCommand,
}

#[derive(Debug, Subcommand)]
enum ProxyCommand {
    /// Show for each sidecar whether it is connected, up to date, and how long its certificate is valid
    Status,
    /// Show what the control plane has told a pod's sidecar
    Config(Config),
    #[command(flatten)]
    Own(leno_proxy::cli::Command),
}

#[derive(Debug, Args)]
struct Config {
    /// The pod: its name, `NAMESPACE/NAME`, or the name of its Deployment
    pod: String,
    /// The namespace; any when not given
    #[arg(long, short)]
    namespace: Option<String>,
    /// What the sidecar itself says it runs with, instead of what it was told
    #[arg(long)]
    running: bool,
}

impl Proxy {
    pub(crate) fn run(self, global: &Global, output: &Output) -> anyhow::Result<ExitCode> {
        let client = Client::new(&global.mesh);
        match self.command {
            ProxyCommand::Status => block_on(status(&client, output))?,
            ProxyCommand::Config(config) => block_on(config.run(&client, output))?,
            ProxyCommand::Own(command) => leno_proxy::cli::run(leno_proxy::cli::Cli { command })?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn status(client: &Client, output: &Output) -> anyhow::Result<()> {
    let proxies: Value = client.get("/v1/control/api/proxies").await?;
    show(&proxies, output);
    Ok(())
}

impl Config {
    async fn run(self, client: &Client, output: &Output) -> anyhow::Result<()> {
        let pod = find_pod(client, self.namespace.as_deref(), &self.pod).await?;
        let (namespace, name) = (pod.namespace, pod.name);
        let path = if self.running {
            format!("/v1/admin/{namespace}/{name}/config_dump")
        } else {
            format!("/v1/control/api/config/{namespace}/{name}")
        };
        show(&client.get(&path).await?, output);
        Ok(())
    }
}

/// As JSON for programs, as YAML for people.
fn show(value: &Value, output: &Output) {
    if output.json { output.value(value) } else { output.text(&yaml::document(value)) }
}
