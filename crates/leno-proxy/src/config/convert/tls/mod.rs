//! Transport sockets ([`envoy.extensions.transport_sockets`]): TLS of the mesh or of the configuration's own, a PROXY
//! header before it, or nothing.
//!
//! [`envoy.extensions.transport_sockets`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/tls.proto

mod common;
mod context;
mod mesh;
mod parameters;
pub(super) mod secret;
mod source;
mod validation;

use std::sync::Arc;

use leno_engine::proxy_protocol::Version;
use leno_proto::{
    any,
    google::protobuf::Any,
    v3::{
        core::{
            ProxyProtocolConfig, ProxyProtocolPassThroughTlVs, TransportSocket,
            proxy_protocol_config::Version as VersionProto, proxy_protocol_pass_through_tl_vs::PassTlVsMatchType,
            transport_socket::ConfigType,
        },
        raw_buffer::RawBuffer,
        tls::{DownstreamTlsContext, UpstreamTlsContext},
        upstream_proxy_protocol::ProxyProtocolUpstreamTransport,
    },
};

use super::{
    super::{DownstreamTls, Passed, ProxyHeader, Registry, Security, Transport},
    check::{Check, at, join},
};

/// The configuration in a socket, and its path.
fn typed(check: &mut Check, path: &str, mut socket: TransportSocket) -> Option<(String, Any)> {
    socket.name.clear();
    let Some(ConfigType::TypedConfig(config)) = socket.config_type.take() else {
        check.wrong(path, "missing", "typed_config");
        return None;
    };
    check.rest(path, &socket);
    Some((join(path, "typed_config"), config))
}

/// The transport of a listener's chain; `None` for plaintext.
pub(super) fn downstream(
    check: &mut Check,
    path: &str,
    socket: TransportSocket,
    registry: &mut Registry,
) -> Option<DownstreamTls> {
    let (path, config) = typed(check, path, socket)?;
    if any::is::<RawBuffer>(&config) {
        return None;
    }
    let context = check.unpack::<DownstreamTlsContext>(&path, &config)?;
    if context.common_tls_context.as_ref().is_some_and(mesh::is) {
        return Some(DownstreamTls::Mesh(mesh::downstream(check, &path, context)));
    }
    context::downstream(check, &path, context, registry).map(|context| DownstreamTls::Own(Box::new(context)))
}

/// The transport of a cluster.
pub(super) fn upstream(
    check: &mut Check,
    path: &str,
    socket: TransportSocket,
    registry: &mut Registry,
) -> Option<Transport> {
    let (path, config) = typed(check, path, socket)?;
    if !any::is::<ProxyProtocolUpstreamTransport>(&config) {
        return Some(Transport { header: None, security: security(check, &path, &config, registry)? });
    }
    let mut proto = check.unpack::<ProxyProtocolUpstreamTransport>(&path, &config)?;
    let header = proto.config.take().unwrap_or_default();
    let header = header_of(check, &join(&path, "config"), header);
    let inner = proto.transport_socket.take();
    check.rest(&path, &proto);
    let (path, config) = typed(check, &join(&path, "transport_socket"), inner.unwrap_or_default())?;
    Some(Transport { header: Some(header), security: security(check, &path, &config, registry)? })
}

/// What protects a connection.
fn security(check: &mut Check, path: &str, config: &Any, registry: &mut Registry) -> Option<Security> {
    if any::is::<RawBuffer>(config) {
        return Some(Security::Plain);
    }
    let context = check.unpack::<UpstreamTlsContext>(path, config)?;
    if context.common_tls_context.as_ref().is_some_and(|it| mesh::is(it) && !mesh::is_shown_to_others(it)) {
        return mesh::upstream(check, path, context).map(|tls| Security::MeshTls(Arc::new(tls)));
    }
    context::upstream(check, path, context, registry).map(|context| Security::Tls(Arc::new(context)))
}

fn header_of(check: &mut Check, path: &str, mut proto: ProxyProtocolConfig) -> ProxyHeader {
    let number = std::mem::take(&mut proto.version);
    let version = match VersionProto::try_from(number) {
        Ok(VersionProto::V1) => Version::V1,
        Ok(VersionProto::V2) => Version::V2,
        Err(_) => {
            check.wrong(&join(path, "version"), number.to_string(), "V1 or V2");
            Version::V1
        }
    };
    let pass = proto.pass_through_tlvs.take();
    let pass = pass.map_or(Passed::Types(Vec::new()), |pass| passed(check, &join(path, "pass_through_tlvs"), pass));
    check.rest(path, &proto);
    ProxyHeader { version, pass }
}

/// Which additions are passed on, or kept.
pub(super) fn passed(check: &mut Check, path: &str, mut proto: ProxyProtocolPassThroughTlVs) -> Passed {
    let kind = PassTlVsMatchType::try_from(std::mem::take(&mut proto.match_type));
    let types = std::mem::take(&mut proto.tlv_type).into_iter().enumerate().filter_map(|(index, number)| {
        let made = u8::try_from(number).ok();
        if made.is_none() {
            check.wrong(&at(path, "tlv_type", index), number.to_string(), "0 to 255");
        }
        made
    });
    let types = types.collect();
    check.rest(path, &proto);
    match kind {
        Ok(PassTlVsMatchType::IncludeAll) => Passed::All,
        Ok(PassTlVsMatchType::Include) => Passed::Types(types),
        Err(number) => {
            check.wrong(&join(path, "match_type"), number.to_string(), "INCLUDE_ALL or INCLUDE");
            Passed::Types(types)
        }
    }
}
