//! `leno proxy`: what the sidecars know, and the sidecar itself.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use leno_api::control::{ProxyConfig, ProxyStatus};
use serde_json::Value;

use crate::{
    cli::Global,
    client::{Client, block_on},
    cmd::find_pod,
    output::{
        Output, age,
        table::{Table, or_dash},
        yaml,
    },
    runner::clock,
};

/// Look at the sidecars of a running mesh, or run a proxy
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Proxy {
    #[command(subcommand)]
    command: Option<ProxyCommand>,
    #[command(flatten)]
    file: leno_proxy::cli::file::FileArgs,
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
            Some(ProxyCommand::Status) => block_on(status(&client, output))?,
            Some(ProxyCommand::Config(config)) => block_on(config.run(&client, output))?,
            Some(ProxyCommand::Own(command)) => command.run()?,
            None => self.file.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn status(client: &Client, output: &Output) -> anyhow::Result<()> {
    let proxies: Vec<ProxyStatus> = client.get("/v1/control/api/proxies").await?;
    if output.json {
        output.value(&proxies);
    } else {
        output.text(&table(&proxies, clock::now_unix()).text());
    }
    Ok(())
}

/// A line for each sidecar, and for each type of resource that it refused.
fn table(proxies: &[ProxyStatus], now: i64) -> Table {
    let mut table =
        Table::new(&["NAMESPACE", "POD", "WORKLOAD", "AGENT", "STATE", "VERSION", "CERTIFICATE", "REFUSED"]);
    for proxy in proxies {
        let state = match (proxy.connected, proxy.refusing, proxy.stale) {
            (false, _, _) => "not connected",
            (true, true, _) => "refusing",
            (true, false, true) => "stale",
            (true, false, false) => "up to date",
        };
        let version = proxy.types.iter().filter_map(|it| it.version_acknowledged.as_deref()).max_by_key(|it| it.len());
        let refused: Vec<String> = (proxy.types.iter())
            .filter_map(|it| Some(format!("{}: {}", it.resource_type, it.error.as_ref()?.message)))
            .collect();
        table.row(vec![
            proxy.namespace.clone(),
            proxy.pod.clone(),
            or_dash(&proxy.workload),
            or_dash(&proxy.agent),
            state.into(),
            or_dash(version.unwrap_or_default()),
            or_dash(&proxy.certificate_expires.map(|end| validity(end, now)).unwrap_or_default()),
            or_dash(&refused.join("; ")),
        ]);
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
fn validity(end: f64, now: i64) -> String {
    match u64::try_from(end as i64 - now) {
        Ok(left) => format!("valid {}", age(left)),
        Err(_) => "expired".into(),
    }
}

impl Config {
    async fn run(self, client: &Client, output: &Output) -> anyhow::Result<()> {
        let pod = find_pod(client, self.namespace.as_deref(), &self.pod).await?;
        let (namespace, name) = (pod.namespace, pod.name);
        if self.running {
            show(&client.get(&format!("/v1/admin/{namespace}/{name}/config_dump")).await?, output);
            return Ok(());
        }
        let config: ProxyConfig = client.get(&format!("/v1/control/api/config/{namespace}/{name}")).await?;
        if output.json {
            output.value(&config);
            return Ok(());
        }
        for resource in &config.resources {
            output.line(&format!("# {} {}", resource.resource_type, resource.name));
            output.text(&yaml::document(&resource.resource));
            output.line("");
        }
        Ok(())
    }
}

/// As JSON for programs, as YAML for people.
fn show(value: &Value, output: &Output) {
    if output.json { output.value(value) } else { output.text(&yaml::document(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_is_one_line_that_says_how_it_is() {
        let proxy = ProxyStatus {
            namespace: "shop".into(),
            pod: "cart-1".into(),
            connected: true,
            certificate_expires: Some(4600.0),
            ..ProxyStatus::default()
        };
        let lines = table(&[proxy], 1000).lines();
        assert!(lines[1].contains("up to date") && lines[1].contains("valid 60m"), "{lines:?}");
        assert_eq!(validity(10.0, 20), "expired");
    }
}
