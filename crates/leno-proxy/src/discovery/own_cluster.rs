//! The cluster `control-plane`: the control plane as a service that filters ask. Nobody sends it; it is made of what the
//! sidecar was told at its start, so that it is reached and verified as discovery reaches it.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use leno_model::{Invalid, resource_name};
use leno_proto::{
    any,
    google::protobuf::UInt32Value,
    v3::{
        cluster::{
            CircuitBreakers, Cluster as Proto,
            circuit_breakers::Thresholds,
            cluster::{ClusterDiscoveryType, DiscoveryType},
        },
        core::{Address, Http2ProtocolOptions, SocketAddress, address, socket_address::PortSpecifier},
        endpoint::{ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier},
        upstream_http::{
            HttpProtocolOptions,
            http_protocol_options::{
                ExplicitHttpConfig, UpstreamProtocolOptions, explicit_http_config::ProtocolConfig,
            },
        },
    },
};

use super::control_plane::ControlPlane;
use crate::config::{Cluster, NamedServer, Registry, Security, Transport, TransportMatch, convert};

/// How many questions may be under way: no limit that a healthy control plane meets.
const QUESTIONS: u32 = 65_536;

/// The cluster.
///
/// # Errors
/// When the control plane's address is none.
pub(super) fn make(control: &ControlPlane, registry: &mut Registry) -> Result<Cluster, Vec<Invalid>> {
    let mut cluster = convert::cluster(&message(&control.address), registry)?;
    let server = NamedServer::new(control.name.clone(), control.ca_file.clone());
    cluster.transports = vec![TransportMatch {
        name: resource_name::CONTROL_PLANE.into(),
        labels: Vec::new(),
        transport: Transport { header: None, security: Security::Named(Arc::new(server)) },
    }];
    Ok(cluster)
}

/// Where it is, and that HTTP/2 is spoken there.
fn message(address: &str) -> Proto {
    // What is no port is refused as 0.
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let kind = if host.parse::<IpAddr>().is_ok() { DiscoveryType::Static } else { DiscoveryType::StrictDns };
    let socket = SocketAddress {
        address: host.to_owned(),
        port_specifier: Some(PortSpecifier::PortValue(port.parse().unwrap_or_default())),
        ..Default::default()
    };
    let address = Address { address: Some(address::Address::SocketAddress(socket)) };
    let endpoint = Endpoint { address: Some(address), ..Default::default() };
    let endpoint = LbEndpoint { host_identifier: Some(HostIdentifier::Endpoint(endpoint)), ..Default::default() };
    let place = LocalityLbEndpoints { lb_endpoints: vec![endpoint], ..Default::default() };
    let name = resource_name::CONTROL_PLANE.to_owned();
    let http2 = ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default());
    let http = HttpProtocolOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
            protocol_config: Some(http2),
        })),
        ..Default::default()
    };
    let most = Some(UInt32Value { value: QUESTIONS });
    let thresholds =
        Thresholds { max_connections: most, max_pending_requests: most, max_requests: most, ..Default::default() };
    Proto {
        name: name.clone(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(kind.into())),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: name,
            endpoints: vec![place],
            ..Default::default()
        }),
        circuit_breakers: Some(CircuitBreakers { thresholds: vec![thresholds], ..Default::default() }),
        typed_extension_protocol_options: HashMap::from([(
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions".to_owned(),
            any::pack(&http),
        )]),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ClusterKind, HttpProtocol};

    fn of(address: &str) -> Result<Cluster, Vec<Invalid>> {
        let control = ControlPlane {
            address: address.to_owned(),
            name: "leno-control".to_owned(),
            ca_file: "ca.pem".into(),
            mark: None,
        };
        make(&control, &mut Registry::default())
    }

    #[test]
    fn it_is_where_discovery_is_by_address_or_name() {
        for (address, endpoint) in [("10.0.0.1:15012", "10.0.0.1:15012"), ("[fd00::1]:15012", "[fd00::1]:15012")] {
            let cluster = of(address).unwrap();
            let ClusterKind::Static(set) = &cluster.kind else { panic!("{:?}", cluster.kind) };
            assert_eq!(set.endpoints[0].address.to_string(), endpoint);
            assert!(matches!(cluster.transport(&set.endpoints[0]).security, Security::Named(_)));
            assert_eq!(cluster.protocol, HttpProtocol::Http2);
        }
        assert!(matches!(of("leno-control.leno-system:15012").unwrap().kind, ClusterKind::Dns(_)));
    }
}
