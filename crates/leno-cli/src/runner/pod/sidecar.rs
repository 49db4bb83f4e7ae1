//! Leno's own sidecar: which pods get it, and how it is run.

use std::path::Path;

use leno_inject::Decision;
use leno_manifest::{
    annotation::{METRICS_PATH, METRICS_PORT},
    core::{
        Namespace, Pod,
        pod::{Container, ContainerPort, Probe, probe::HttpGetAction},
    },
    leno::MeshConfig,
};
use leno_model::WorkloadName;
use leno_proxy::{
    cli::run::DEFAULT_MARK,
    redirect::{Owner, Redirect},
};

use super::SIDECAR;
use crate::{runner::control, sandbox};

/// The port of readiness and metrics.
pub(crate) const STATUS_PORT: u16 = 15020;
/// Where the application's own connections are led.
const OUTBOUND_PORT: u16 = 15001;
/// Where connections to the application are led.
const INBOUND_PORT: u16 = 15006;

/// What the sidecar of a pod needs to be told.
pub(crate) struct Given<'a> {
    /// This program.
    pub(crate) executable: &'a Path,
    /// The pod's token.
    pub(crate) token: &'a Path,
    /// The certificate authority's root.
    pub(crate) root: &'a Path,
    /// Where it may keep what it was told, for a restart while the control plane is away.
    pub(crate) state: &'a Path,
    /// The pod's address.
    pub(crate) address: std::net::Ipv4Addr,
    /// The mesh's settings.
    pub(crate) mesh: Option<&'a MeshConfig>,
}

/// Whether the pod gets a sidecar, and why.
pub(crate) fn decide(namespace: Option<&Namespace>, pod: &Pod) -> Decision {
    leno_inject::injected_into(namespace, pod)
}

/// The packet rules of a pod with a sidecar.
pub(crate) fn redirect(pod: &Pod, mesh: Option<&MeshConfig>) -> Redirect {
    let of_mesh = mesh.map(MeshConfig::to_model).unwrap_or_default().interception;
    let interception = leno_inject::interception(&of_mesh, &pod.metadata.annotations);
    Redirect {
        owner: Owner::Mark(DEFAULT_MARK),
        outbound_port: OUTBOUND_PORT,
        inbound_port: INBOUND_PORT,
        metrics_port: STATUS_PORT,
        interception,
    }
}

/// Puts the sidecar before the pod's other containers.
pub(crate) fn add(pod: &mut Pod, given: &Given<'_>) {
    let name = WorkloadName::new(&pod.metadata.namespace, &pod.metadata.name);
    let owner = pod.metadata.owner_references.first().map_or(&pod.metadata.name, |owner| &owner.name);
    let mesh = given.mesh.map(MeshConfig::to_model).unwrap_or_default();
    let grace = pod.spec.termination_grace_period_seconds.unwrap_or(30).clamp(1, 5);
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let mut command = vec![path(given.executable), "proxy".into(), "run".into()];
    let flags = [
        ("--workload-name", name.name.clone()),
        ("--workload-namespace", name.namespace.clone()),
        ("--service-account", pod.spec.account().to_owned()),
        ("--owner", owner.clone()),
        ("--workload-ip", given.address.to_string()),
        ("--control-address", format!("{}:{}", sandbox::GATEWAY, control::XDS_PORT)),
        ("--control-ca", path(given.root)),
        ("--token-file", path(given.token)),
        ("--trust-domain", mesh.trust_domain.to_string()),
        ("--state-dir", path(given.state)),
        ("--log-level", mesh.log_level),
        ("--drain-seconds", grace.to_string()),
    ];
    let annotation = |name| pod.metadata.annotations.get(name).cloned();
    let metrics = annotation(METRICS_PORT).map(|port| ("--app-metrics-port", port));
    let metrics_path = annotation(METRICS_PATH).map(|path| ("--app-metrics-path", path));
    let flags = flags.into_iter().chain(metrics).chain(metrics_path);
    for (flag, value) in flags {
        command.push(flag.into());
        command.push(value);
    }
    let ready = |failures| Probe {
        http_get: Some(HttpGetAction {
            path: Some("/healthz/ready".into()),
            port: STATUS_PORT.into(),
            host: None,
            scheme: leno_manifest::core::pod::probe::HttpScheme::Http,
            http_headers: Vec::new(),
        }),
        period_seconds: Some(1),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Probe::default()
    };
    let container = Container {
        name: SIDECAR.into(),
        command,
        ports: vec![ContainerPort {
            name: Some("leno-metrics".into()),
            container_port: STATUS_PORT,
            ..ContainerPort::default()
        }],
        restart_policy: Some("Always".into()),
        // A minute without the control plane is no reason to start the sidecar again: it would only ask anew.
        startup_probe: Some(ready(600)),
        readiness_probe: Some(ready(5)),
        ..Container::default()
    };
    pod.spec.init_containers.insert(0, container);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sidecar_comes_first_and_knows_whose_it_is() {
        let mut pod: Pod = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "cart-1", "namespace": "shop",
                "ownerReferences": [{"kind": "Deployment", "name": "cart"}]},
            "spec": {"serviceAccountName": "cart", "containers": [{"name": "app"}],
                "initContainers": [{"name": "migrate"}]}
        }))
        .unwrap();
        let (executable, token, root, state) =
            (Path::new("/bin/leno"), Path::new("/t"), Path::new("/r"), Path::new("/s"));
        add(&mut pod, &Given { executable, token, root, state, address: [10, 244, 0, 7].into(), mesh: None });
        assert!(leno_inject::has_sidecar(&pod.spec));
        let command = pod.spec.init_containers[0].command.join(" ");
        assert!(
            command.starts_with("/bin/leno proxy run --workload-name cart-1 --workload-namespace shop"),
            "{command}"
        );
        assert!(command.contains("--owner cart --workload-ip 10.244.0.7 "), "{command}");
    }
}
