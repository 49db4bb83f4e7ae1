//! `leno ps`.

use std::process::ExitCode;

use clap::Args;
use leno_api::runner::{MeshView, PodView, ServiceView};

use crate::{
    cli::Global,
    client::{Client, block_on},
    output::{
        Output, age, live,
        table::{Table, or_dash},
    },
};

/// Show the pods and services of a running mesh
#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// Only this namespace
    #[arg(long, short)]
    namespace: Option<String>,
}

impl Ps {
    pub(crate) fn run(self, global: &Global, output: &Output) -> anyhow::Result<ExitCode> {
        let mut mesh: MeshView = block_on(async { Client::new(&global.mesh).get("/v1/mesh").await })?;
        if let Some(namespace) = &self.namespace {
            mesh.pods.retain(|pod| pod.namespace == *namespace);
            mesh.services.retain(|service| service.namespace == *namespace);
        }
        if output.json {
            output.value(&mesh);
            return Ok(ExitCode::SUCCESS);
        }
        output.text(&pods(&mesh.pods).text());
        if !mesh.services.is_empty() && !output.quiet {
            output.text(&format!("\n{}", services(&mesh.services).text()));
        }
        for problem in &mesh.invalid {
            output.warn(problem);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn pods(pods: &[PodView]) -> Table {
    let mut table = Table::new(&["NAMESPACE", "POD", "READY", "STATUS", "RESTARTS", "AGE", "IP", "MESH"]);
    for pod in pods {
        table.row(vec![
            pod.namespace.clone(),
            pod.name.clone(),
            format!("{}/{}", pod.ready, pod.containers),
            pod.status.clone(),
            pod.restarts.to_string(),
            age(pod.age_seconds),
            or_dash(&pod.ip),
            if pod.meshed { "yes" } else { "no" }.into(),
        ]);
    }
    table
}

fn services(services: &[ServiceView]) -> Table {
    let head =
        ["NAMESPACE", "SERVICE", "ADDRESS", "PORTS", "READY", "REQ/S", "OK", "P50", "P99", "MTLS", "DENIED/S", "URL"];
    let mut table = Table::new(&head);
    for service in services {
        let mut cells = vec![
            service.namespace.clone(),
            service.name.clone(),
            or_dash(&service.cluster_ip),
            or_dash(&service.ports.join(",")),
            format!("{}/{}", service.ready, service.instances),
        ];
        cells.extend(live::traffic(service.traffic.as_ref()));
        cells.push(or_dash(&service.published.join(" ")));
        table.row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_one_line() {
        let pod = PodView {
            namespace: "shop".into(),
            name: "cart-1".into(),
            status: "Running".into(),
            ready: 2,
            containers: 2,
            age_seconds: 7,
            ip: "10.244.0.2".into(),
            meshed: true,
            ..PodView::default()
        };
        let text = pods(&[pod]).text();
        assert_eq!(
            text.lines().nth(1),
            Some("shop        cart-1   2/2     Running   0          7s    10.244.0.2   yes")
        );
    }
}
