//! What a proxy has been told.

use std::borrow::Cow;

use leno_api::control::{ConfigResource, ProxyConfig};
use leno_model::WorkloadName;
use leno_proto::{
    any,
    google::protobuf::Any,
    json::{self, Descriptions},
    v3::{
        core::{DataSource, data_source::Specifier},
        tls::{Secret, secret::Type},
    },
};
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
    let shown = told.body.as_ref().map_or(Value::Null, |body| match json::of_any(&without_key(body)) {
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

/// What stands in the place of a key, as Envoy has it.
const REDACTED: &str = "[redacted]";

/// A resource as it may be shown: without the key, where it is a secret that has one. What cannot be read is not shown.
fn without_key(body: &Any) -> Cow<'_, Any> {
    if !any::is::<Secret>(body) {
        return Cow::Borrowed(body);
    }
    let mut secret = any::unpack::<Secret>(body).unwrap_or_default();
    if let Some(Type::TlsCertificate(pair)) = &mut secret.r#type {
        let specifier = Some(Specifier::InlineString(REDACTED.to_owned()));
        pair.private_key = Some(DataSource { specifier, ..DataSource::default() });
    }
    Cow::Owned(any::pack(&secret))
}

#[cfg(test)]
mod tests {
    use leno_proto::v3::tls::TlsCertificate;

    use super::*;

    #[test]
    fn keys_are_not_shown() {
        let text = |text: &str| {
            Some(DataSource { specifier: Some(Specifier::InlineString(text.into())), ..DataSource::default() })
        };
        let pair = TlsCertificate {
            certificate_chain: text("the chain"),
            private_key: text("key of gold"),
            ..TlsCertificate::default()
        };
        let secret = Secret { name: "a".into(), r#type: Some(Type::TlsCertificate(pair)) };
        let shown = json::of_any(&without_key(&any::pack(&secret))).unwrap().to_string();
        assert!(shown.contains("the chain") && shown.contains(REDACTED) && !shown.contains("gold"), "{shown}");
    }
}
