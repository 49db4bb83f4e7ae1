//! The message's resources, by the converters of xDS.

use std::{net::SocketAddr, sync::Arc};

use leno_model::Invalid;
use leno_proto::{
    any,
    v3::{
        bootstrap::{Admin, Bootstrap as Proto, ClusterManager, bootstrap::StaticResources},
        cluster,
        core::{Address, SocketAddress, address, socket_address::PortSpecifier},
        listener,
        original_dst::OriginalDst,
    },
};

use super::{Bootstrap, Fixed, read::invalid, secret};
use crate::{
    config::{Slot, SlotState, convert, registry},
    settings::Bound,
};

/// What the message asks for, or everything that is wrong with it.
pub(super) fn convert(mut proto: Proto) -> Result<Bootstrap, Vec<Invalid>> {
    let mut wrong = Vec::new();
    let node = proto.node.take().unwrap_or_default();
    let admin = proto.admin.take().and_then(|admin| admin_address(admin, &mut wrong));
    let StaticResources { listeners, clusters, secrets } = proto.static_resources.take().unwrap_or_default();
    let local = proto.cluster_manager.take().map(|manager| local_cluster(manager, &mut wrong)).unwrap_or_default();
    wrong.extend(convert::leftover(&proto));
    let credentials = secret::convert(secrets).unwrap_or_else(|errors| {
        wrong.extend(errors);
        Default::default()
    });
    let mut fixed = Fixed::default();
    fixed.registry.node = registry::Node {
        here: node.locality.clone().map(convert::locality).unwrap_or_default(),
        cluster: (!local.is_empty()).then(|| local.as_str().into()),
    };
    for (index, proto) in clusters.into_iter().enumerate() {
        wrong.extend(take_cluster(index, &proto, &mut fixed));
    }
    let mut bound = Vec::new();
    for (index, proto) in listeners.into_iter().enumerate() {
        match take_listener(index, proto, &mut fixed) {
            Ok(listener) => bound.push(listener),
            Err(errors) => wrong.extend(errors),
        }
    }
    wrong.extend(unknown(&mut fixed));
    if !local.is_empty() && fixed.registry.find_cluster(&local).is_none() {
        let expected = "a cluster under static_resources";
        wrong.push(*invalid("cluster_manager.local_cluster_name", format!("{local:?}"), expected));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Bootstrap { node, admin, listeners: bound, fixed, credentials })
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
        Err(error) => {
            wrong.push(*error);
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

fn take_listener(index: usize, mut proto: listener::Listener, fixed: &mut Fixed) -> Result<Arc<Bound>, Vec<Invalid>> {
    let path = format!("static_resources.listeners[{index}]");
    let address = socket_address(&format!("{path}.address"), proto.address.take()).map_err(|error| vec![*error])?;
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
    let listener = convert::listener(&proto, &mut fixed.registry).map_err(|errors| within(&path, errors))?;
    let slot = Slot::pending(proto.name);
    let listener = Arc::new(listener);
    slot.set(Arc::clone(&listener));
    fixed.listeners.push(slot);
    Ok(Arc::new(Bound { address, original_destination, listener }))
}

/// What is referred to and is not there.
fn unknown(fixed: &mut Fixed) -> Vec<Invalid> {
    let missing = |what: &str, name: &str| {
        *invalid(&format!("the {what} {name:?}"), "not in the file", format!("a {what} under static_resources"))
    };
    let pending = |state| state == SlotState::Pending;
    let clusters = fixed.registry.clusters().filter(|slot| pending(slot.state()));
    let clusters = clusters.map(|slot| missing("cluster", slot.name()));
    let routes = fixed.registry.all_routes().filter(|slot| pending(slot.state()));
    let routes = routes.map(|slot| missing("route configuration", slot.name()));
    let endpoints = fixed.registry.all_endpoints().filter(|slot| pending(slot.state()));
    clusters.chain(routes).chain(endpoints.map(|slot| missing("load assignment", slot.name()))).collect()
}

/// The errors of a part, as those of the whole.
fn within(path: &str, errors: Vec<Invalid>) -> Vec<Invalid> {
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
fn socket_address(path: &str, address: Option<Address>) -> Result<SocketAddr, Box<Invalid>> {
    let Some(address::Address::SocketAddress(SocketAddress { address, port_specifier, protocol: 0, .. })) =
        address.and_then(|address| address.address)
    else {
        return Err(invalid(path, "not there, or of another kind", "a socket_address over TCP"));
    };
    let path = format!("{path}.socket_address");
    let ip = address.parse();
    let ip = ip.map_err(|_| invalid(&format!("{path}.address"), format!("{address:?}"), "an IP address"))?;
    let port = match port_specifier {
        Some(PortSpecifier::PortValue(port)) => u16::try_from(port).ok(),
        Some(PortSpecifier::NamedPort(_)) | None => None,
    };
    let port = port.ok_or_else(|| invalid(&format!("{path}.port_value"), "not there", "a port from 0 to 65535"))?;
    Ok(SocketAddr::new(ip, port))
}
