//! Listeners ([`envoy.config.listener.v3.Listener`]).
//!
//! [`envoy.config.listener.v3.Listener`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener.proto

use std::{sync::Arc, time::Duration};

use leno_engine::proxy_protocol::Version;
use leno_proto::{
    any,
    google::protobuf::Any,
    v3::{
        core::proxy_protocol_config::Version as VersionProto,
        http_inspector::HttpInspector,
        listener::{Listener as Proto, ListenerFilter, listener_filter::ConfigType},
        original_dst::OriginalDst,
        proxy_protocol::ProxyProtocol,
        tls_inspector::TlsInspector,
    },
};

use super::{
    super::{Inspect, Introduction, Listener, Passed, Registry},
    chain,
    check::{Check, at, join},
    tls,
};

/// Envoy's default for the time that listener filters may take.
pub(super) const LISTENER_FILTERS_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) fn convert(check: &mut Check, mut proto: Proto, registry: &mut Registry) -> Option<Listener> {
    let name: Arc<str> = std::mem::take(&mut proto.name).into();
    // Sockets are the process's own: connections come by redirection, whatever address a listener says.
    proto.address = None;
    proto.bind_to_port = None;
    proto.use_original_dst = None;
    proto.traffic_direction = 0;
    proto.stat_prefix.clear();
    let mut inspect = Inspect {
        timeout: check.duration_or(
            "listener_filters_timeout",
            proto.listener_filters_timeout.take(),
            LISTENER_FILTERS_TIMEOUT,
        ),
        continue_on_timeout: std::mem::take(&mut proto.continue_on_listener_filters_timeout),
        ..Inspect::default()
    };
    let mut introduction = None;
    for (index, filter) in std::mem::take(&mut proto.listener_filters).into_iter().enumerate() {
        listener_filter(check, &at("", "listener_filters", index), filter, (&mut inspect, &mut introduction));
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
    for (index, chain) in filter_chains.iter().enumerate() {
        if !inspect.tls && !chain.matches.server_names.is_empty() {
            let field = format!("filter_chains[{index}].filter_chain_match.server_names");
            check.wrong(&field, "names that nobody looks at", "a TlsInspector among listener_filters");
        }
    }
    check.rest("", &proto);
    Some(Listener { name, filter_chains, default_filter_chain, introduction, inspect })
}

/// What is looked at before a chain is chosen.
fn listener_filter(
    check: &mut Check,
    path: &str,
    mut filter: ListenerFilter,
    (inspect, introduction): (&mut Inspect, &mut Option<Introduction>),
) {
    let name = std::mem::take(&mut filter.name);
    let config = filter.config_type.take();
    check.rest(path, &filter);
    let config = match config {
        Some(ConfigType::TypedConfig(config)) => config,
        Some(ConfigType::ConfigDiscovery(_)) => {
            check.unsupported::<()>(path, "config_discovery", "typed_config");
            return;
        }
        None => {
            check.wrong(path, name, "a listener filter with typed_config");
            return;
        }
    };
    let path = join(path, "typed_config");
    // The type decides, as in Envoy; the name is for people.
    if any::is::<OriginalDst>(&config) {
        rest::<OriginalDst>(check, &path, &config);
    } else if any::is::<TlsInspector>(&config) {
        rest::<TlsInspector>(check, &path, &config);
        inspect.tls = true;
    } else if any::is::<HttpInspector>(&config) {
        rest::<HttpInspector>(check, &path, &config);
        inspect.http = true;
    } else if any::is::<ProxyProtocol>(&config) {
        if inspect.tls || inspect.http || introduction.is_some() {
            check.wrong(
                &path,
                "after a filter that looks at the bytes behind the header",
                "the first of those filters",
            );
        }
        *introduction = check.unpack::<ProxyProtocol>(&path, &config).map(|proto| introduced(check, &path, proto));
    } else {
        check.wrong(&path, config.type_url, "OriginalDst, TlsInspector, HttpInspector or ProxyProtocol");
    }
}

/// The header that connections begin with.
fn introduced(check: &mut Check, path: &str, mut proto: ProxyProtocol) -> Introduction {
    proto.stat_prefix.clear();
    let optional = std::mem::take(&mut proto.allow_requests_without_proxy_protocol);
    let versions = std::mem::take(&mut proto.disallowed_versions).into_iter().enumerate();
    let refused = versions.filter_map(|(index, number)| match VersionProto::try_from(number) {
        Ok(VersionProto::V1) => Some(Version::V1),
        Ok(VersionProto::V2) => Some(Version::V2),
        Err(_) => {
            check.wrong(&at(path, "disallowed_versions", index), number.to_string(), "V1 or V2");
            None
        }
    });
    let refused = refused.collect();
    let keep = proto.pass_through_tlvs.take();
    let keep =
        keep.map_or(Passed::Types(Vec::new()), |proto| tls::passed(check, &join(path, "pass_through_tlvs"), proto));
    check.rest(path, &proto);
    Introduction { optional, refused, keep }
}

/// A filter's configuration, of which no field is supported.
fn rest<M: prost::Message + prost::Name + Default + PartialEq + std::fmt::Debug>(
    check: &mut Check,
    path: &str,
    config: &Any,
) {
    if let Some(message) = check.unpack::<M>(path, config) {
        check.rest(path, &message);
    }
}
