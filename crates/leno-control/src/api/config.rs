//! What a proxy has been told.

use leno_api::control::{ConfigResource, ProxyConfig};
use leno_model::WorkloadName;
use leno_proto::json::{self, Descriptions};
use leno_xds::server::Told;
use serde_json::Value;

use crate::{discovery::workload_name, wire::Control};

/// What the proxy of this workload has been told; `None` when it has no stream.
pub(super) fn of(control: &Control, workload: &WorkloadName) -> Option<ProxyConfig> {
    let board = control.ads.board();
    let streams = board.streams();
    let of_workload = |id: &str| workload_name(id).as_ref() == Some(workload);
    let stream = streams.iter().rev().find(|stream| of_workload(&stream.node.id))?;
    let told = board.told(stream.id)?;
    let _known = Descriptions::hold();
    Some(ProxyConfig {
        namespace: workload.namespace.clone(),
        pod: workload.name.clone(),
        resources: told.iter().map(resource).collect(),
    })
}

fn resource(told: &Told) -> ConfigResource {
    let shown = told.body.as_ref().map_or(Value::Null, |body| match json::of_any(body) {
        Ok(value) => value,
        Err(error) => Value::String(format!("cannot be shown: {error}")),
    });
    ConfigResource {
        resource_type: told.resource_type.to_string(),
        name: told.name.to_string(),
        version: told.version.to_string(),
        resource: shown,
    }
}
