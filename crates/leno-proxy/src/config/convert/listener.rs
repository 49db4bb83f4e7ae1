//! Listeners ([`envoy.config.listener.v3.Listener`]).
//!
//! [`envoy.config.listener.v3.Listener`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener.proto

use std::{sync::Arc, time::Duration};

use leno_proto::v3::{
    http_inspector::HttpInspector,
    listener::{Listener as Proto, ListenerFilter, listener::DrainType, listener_filter::ConfigType},
    original_dst::OriginalDst,
    tls_inspector::TlsInspector,
};

use super::{
    super::{Inspect, Listener, Registry},
    chain,
    check::{Check, at, join},
};

/// Envoy's default for the time that listener filters may take.
const LISTENER_FILTERS_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) fn convert(check: &mut Check, mut proto: Proto, registry: &mut Registry) -> Option<Listener> {
    let name: Arc<str> = std::mem::take(&mut proto.name).into();
    // Sockets are the process's own: connections come by redirection, whatever address a listener says.
    proto.address = None;
    proto.bind_to_port = None;
    proto.use_original_dst = None;
    proto.traffic_direction = 0;
    proto.stat_prefix.clear();
    if proto.drain_type == DrainType::Default as i32 {
        proto.drain_type = 0;
    }
    let mut inspect = Inspect {
        timeout: check.duration_or(
            "listener_filters_timeout",
            proto.listener_filters_timeout.take(),
            LISTENER_FILTERS_TIMEOUT,
        ),
        continue_on_timeout: std::mem::take(&mut proto.continue_on_listener_filters_timeout),
        ..Inspect::default()
    };
    for (index, filter) in std::mem::take(&mut proto.listener_filters).into_iter().enumerate() {
        listener_filter(check, &at("", "listener_filters", index), filter, &mut inspect);
    }
    let chains = std::mem::take(&mut proto.filter_chains).into_iter().enumerate();
    let filter_chains: Vec<_> = chains
        .filter_map(|(index, proto)| chain::convert(check, &at("", "filter_chains", index), proto, registry))
        .map(Arc::new)
        .collect();
    let default_filter_chain = proto
        .default_filter_chain
        .take()
        .and_then(|proto| chain::convert(check, "default_filter_chain", proto, registry))
        .map(Arc::new);
    check.rest("", &proto);
    Some(Listener { name, filter_chains, default_filter_chain, inspect })
}

/// What is looked at before a chain is chosen.
fn listener_filter(check: &mut Check, path: &str, mut filter: ListenerFilter, inspect: &mut Inspect) {
    let name = std::mem::take(&mut filter.name);
    let config = match filter.config_type.take() {
        Some(ConfigType::TypedConfig(config)) => Some(config),
        Some(ConfigType::ConfigDiscovery(_)) => {
            check.wrong(&join(path, "config_discovery"), "set", "typed_config");
            None
        }
        None => None,
    };
    let path = join(path, "typed_config");
    match name.as_str() {
        "envoy.filters.listener.original_dst" => {
            rest::<OriginalDst>(check, &path, config.as_ref());
        }
        "envoy.filters.listener.tls_inspector" => {
            rest::<TlsInspector>(check, &path, config.as_ref());
            inspect.tls = true;
        }
        "envoy.filters.listener.http_inspector" => {
            rest::<HttpInspector>(check, &path, config.as_ref());
            inspect.http = true;
        }
        other => check.wrong(&path, other, "original_dst, tls_inspector or http_inspector"),
    }
    check.rest(&path, &filter);
}

/// A filter's configuration, of which no field is supported.
fn rest<M: prost::Message + prost::Name + Default + PartialEq>(
    check: &mut Check,
    path: &str,
    config: Option<&leno_proto::google::protobuf::Any>,
) {
    if let Some(message) = config.and_then(|config| check.unpack::<M>(path, config)) {
        check.rest(path, &message);
    }
}
