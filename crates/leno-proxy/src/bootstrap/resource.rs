//! The message's resources, by the converters of xDS.

use std::{net::SocketAddr, sync::Arc};

use leno_model::Invalid;
use leno_proto::{
    any,
    v3::{
        bootstrap::{Admin, Bootstrap as Proto, ClusterManager, bootstrap::StaticResources},
        cluster,
        core::{Address, address, socket_address::PortSpecifier},
        listener,
        original_dst::OriginalDst,
    },
};

use leno_xds::ResourceType;

use super::{Bootstrap, Fixed, read::invalid, secret};
use crate::{
    config::{
        Fingerprint, Key, Registry, Slot, SlotState, convert, registry,
        source::{Dynamic, Source, SourceId},
    },
    settings::{Bound, ListenSocket},
};

/// What the message asks for, or everything that is wrong with it.
pub(super) fn convert(mut proto: Proto) -> Result<Bootstrap, Vec<Invalid>> {
    let mut wrong = Vec::new();
    let node = proto.node.take().unwrap_or_default();
    let admin = proto.admin.take().and_then(|admin| admin_address(admin, &mut wrong));
    let StaticResources { listeners, clusters, secrets } = proto.static_resources.take().unwrap_or_default();
    let local = proto.cluster_manager.take().map(|manager| local_cluster(manager, &mut wrong)).unwrap_or_default();
    let dynamic = proto.dynamic_resources.take();
    wrong.extend(convert::leftover(&proto));
    let mut fixed = Fixed::default();
    let credentials = secret::convert(secrets, &mut fixed).unwrap_or_else(|errors| {
        wrong.extend(errors);
        Default::default()
    });
    fixed.registry.node = registry::Node {
        here: node.locality.clone().map(convert::locality).unwrap_or_default(),
        cluster: (!local.is_empty()).then(|| local.as_str().into()),
    };
    let primary = clusters.iter().filter(|cluster| cluster.eds_cluster_config.is_none());
    fixed.registry.set_primary(primary.map(|cluster| cluster.name.as_str().into()));
    for (index, proto) in clusters.into_iter().enumerate() {
        wrong.extend(take_cluster(index, &proto, &mut fixed));
    }
    for (index, proto) in listeners.into_iter().enumerate() {
        wrong.extend(take_listener(index, proto, &mut fixed).err().into_iter().flatten());
    }
    if !local.is_empty() && fixed.registry.find_cluster(&local).is_none() {
        let expected = "a cluster under static_resources";
        wrong.push(*invalid("cluster_manager.local_cluster_name", format!("{local:?}"), expected));
    }
    let dynamic = match dynamic.map(|proto| convert::dynamic(proto, &mut fixed.registry)) {
        None => Dynamic::default(),
        Some(Ok(dynamic)) => dynamic,
        Some(Err(errors)) => {
            wrong.extend(within("dynamic_resources", errors));
            Dynamic::default()
        }
    };
    wrong.extend(unfit(&fixed.registry));
    wrong.extend(unknown(&fixed, &dynamic));
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Bootstrap { node, admin, fixed, dynamic, credentials })
}

/// The name of the cluster that this process is one of.
fn local_cluster(mut manager: ClusterManager, wrong: &mut Vec<Invalid>) -> String {
    let name = std::mem::take(&mut manager.local_cluster_name);
    wrong.extend(within("cluster_manager", convert::leftover(&manager)));
    name
}

fn admin_address(mut admin: Admin, wrong: &mut Vec<Invalid>) -> Option<SocketAddr> {
    let address = admin.address.take();
    wrong.extend(within("admin", convert::leftover(&admin)));
    match socket_address("admin.address", address) {
        Ok(address) => Some(address),
        Err(errors) => {
            wrong.extend(errors);
            None
        }
    }
}

fn take_cluster(index: usize, proto: &cluster::Cluster, fixed: &mut Fixed) -> Vec<Invalid> {
    let path = format!("static_resources.clusters[{index}]");
    let slot = fixed.registry.cluster(&proto.name);
    if slot.state() != SlotState::Pending {
        return vec![*invalid(
            &format!("{path}.name"),
            format!("{:?}", proto.name),
            "a name that no other cluster has",
        )];
    }
    match convert::cluster(proto, &mut fixed.registry) {
        Ok(cluster) => {
            slot.set(Arc::new(cluster));
            fixed.clusters.push(slot);
            Vec::new()
        }
        Err(errors) => {
            // It is known, though not right: what refers to it is not wrong for that.
            slot.set_absent();
            fixed.clusters.push(slot);
            within(&path, errors)
        }
    }
}

fn take_listener(index: usize, proto: listener::Listener, fixed: &mut Fixed) -> Result<(), Vec<Invalid>> {
    let path = format!("static_resources.listeners[{index}]");
    let bound = bound(proto, &mut fixed.registry).map_err(|errors| within(&path, errors))?;
    fixed
        .listeners
        .extend(bound.first().map(|one| Slot::ready_as(Arc::clone(&one.listener.name), Arc::clone(&one.listener))));
    fixed.bound.extend(bound);
    Ok(())
}

/// A listener with its sockets, one for each of its addresses.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn bound(mut proto: listener::Listener, registry: &mut Registry) -> Result<Vec<Arc<Bound>>, Vec<Invalid>> {
    let rest = listener::Listener { filter_chains: Vec::new(), default_filter_chain: None, ..proto.clone() };
    let fingerprint = Fingerprint::of(&rest);
    let address = socket_address("address", proto.address.take())?;
    let mut addresses = vec![address];
    for (index, mut more) in std::mem::take(&mut proto.additional_addresses).into_iter().enumerate() {
        let path = format!("additional_addresses[{index}]");
        addresses.push(socket_address(&format!("{path}.address"), more.address.take())?);
        let left = convert::leftover(&more);
        if !left.is_empty() {
            return Err(within(&path, left));
        }
    }
    let socket = listen_socket(&mut proto).map_err(|error| vec![*error])?;
    let is_original_dst = |filter: &listener::ListenerFilter| match &filter.config_type {
        Some(listener::listener_filter::ConfigType::TypedConfig(config)) => any::is::<OriginalDst>(config),
        _ => false,
    };
    let original_destination =
        proto.listener_filters.iter().any(is_original_dst) || proto.use_original_dst.is_some_and(|it| it.value);
    if proto.name.is_empty() {
        // As Envoy names listeners that have no name.
        proto.name = address.to_string();
    }
    let listener = Arc::new(convert::listener(&proto, registry)?);
    let bound = |address| {
        let (listener, fingerprint) = (Arc::clone(&listener), fingerprint.clone());
        Arc::new(Bound { address, original_destination, socket, listener, fingerprint })
    };
    Ok(addresses.into_iter().map(bound).collect())
}

/// How a listener's socket is opened.
fn listen_socket(proto: &mut listener::Listener) -> Result<ListenSocket, Box<Invalid>> {
    let usual = ListenSocket::default();
    let backlog = proto.tcp_backlog_size.take().map(|size| {
        let wrong = || invalid("tcp_backlog_size", size.value.to_string(), "0 to 2147483647");
        i32::try_from(size.value).map_err(|_| wrong())
    });
    // Each worker has a socket of its own, and the kernel shares connections out: there is nothing else to reuse.
    if proto.enable_reuse_port.take().is_some_and(|it| !it.value) {
        return Err(invalid("enable_reuse_port", "false", "true: each worker has a socket of its own"));
    }
    let transparent = proto.transparent.take().is_some_and(|it| it.value);
    let at_once = proto.max_connections_to_accept_per_socket_event.take();
    Ok(ListenSocket {
        backlog: backlog.transpose()?.unwrap_or(usual.backlog),
        freebind: proto.freebind.take().is_some_and(|it| it.value),
        transparent,
        accepted_at_once: at_once.map_or(usual.accepted_at_once, |count| count.value),
    })
}

/// Clusters that are asked for resources and cannot be, now that all are known.
fn unfit(registry: &Registry) -> Vec<Invalid> {
    let upstreams = registry.sources().flat_map(|(_, source)| match &**source {
        Source::Server(server) => server.upstreams.as_slice(),
        Source::Aggregated | Source::File(..) => &[],
    });
    let lacking = upstreams.filter_map(|upstream| {
        let lacks = convert::source::unfit(&*upstream.cluster.get()?)?;
        let (value, expected) = convert::source::unfit_value(upstream.cluster.name(), lacks);
        Some(*invalid("api_config_source.grpc_services.envoy_grpc.cluster_name", value, expected))
    });
    lacking.collect()
}

/// What is referred to, is not there, and cannot come from elsewhere.
fn unknown(fixed: &Fixed, dynamic: &Dynamic) -> Vec<Invalid> {
    let mut pending = fixed.registry.pending();
    pending.retain(|key| {
        key.source == SourceId::COMMON
            && match key.kind {
                ResourceType::Cluster => dynamic.clusters.is_none(),
                ResourceType::Listener | ResourceType::Route | ResourceType::Endpoint | ResourceType::Secret => {
                    dynamic.aggregated.is_none()
                }
            }
    });
    pending.sort();
    let missing = |key: Key| {
        let what = match key.kind {
            ResourceType::Cluster => "cluster",
            ResourceType::Route => "route configuration",
            ResourceType::Endpoint => "load assignment",
            ResourceType::Secret => "secret",
            ResourceType::Listener => "listener",
        };
        let expected = format!("a {what} under static_resources");
        *invalid(&format!("the {what} {:?}", key.name), "not in the file", expected)
    };
    pending.into_iter().map(missing).collect()
}

/// The errors of a part, as those of the whole.
pub(super) fn within(path: &str, errors: Vec<Invalid>) -> Vec<Invalid> {
    let whole = |mut error: Invalid| {
        error.field = match error.field.as_str() {
            "" => path.to_owned(),
            field => format!("{path}.{field}"),
        };
        error
    };
    errors.into_iter().map(whole).collect()
}

/// A socket's address: of this machine, over TCP.
fn socket_address(path: &str, address: Option<Address>) -> Result<SocketAddr, Vec<Invalid>> {
    let mut address = address.unwrap_or_default();
    let is_socket = |one: &mut address::Address| matches!(one, address::Address::SocketAddress(_));
    let Some(address::Address::SocketAddress(mut socket)) = address.address.take_if(is_socket) else {
        let mut wrong = within(path, convert::leftover(&address));
        if wrong.is_empty() {
            wrong.push(*invalid(path, "not there", "a socket_address over TCP"));
        }
        return Err(wrong);
    };
    let path = format!("{path}.socket_address");
    let ip = std::mem::take(&mut socket.address);
    let port = match socket.port_specifier.take_if(|one| matches!(one, PortSpecifier::PortValue(_))) {
        Some(PortSpecifier::PortValue(port)) => u16::try_from(port).ok(),
        Some(PortSpecifier::NamedPort(_)) | None => None,
    };
    let is_named = socket.port_specifier.is_some();
    let mut wrong = within(&path, convert::leftover(&socket));
    if port.is_none() && !is_named {
        wrong.push(*invalid(&format!("{path}.port_value"), "not there", "a port from 0 to 65535"));
    }
    let ip = ip.parse().map_err(|_| {
        wrong.push(*invalid(&format!("{path}.address"), format!("{ip:?}"), "an IP address"));
    });
    match (ip, port) {
        (Ok(ip), Some(port)) if wrong.is_empty() => Ok(SocketAddr::new(ip, port)),
        _ => Err(wrong),
    }
}
