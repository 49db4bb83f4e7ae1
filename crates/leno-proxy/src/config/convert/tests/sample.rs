//! Small legal messages, to be changed by tests.

use leno_proto::{
    any,
    google::protobuf::{BoolValue, Duration, UInt32Value, UInt64Value},
    v3::{
        cluster::{Cluster, cluster::*},
        core::{
            Address, ApiConfigSource, ApiVersion, GrpcService, SocketAddress, TransportSocket, address,
            api_config_source::ApiType,
            grpc_service::{EnvoyGrpc, TargetSpecifier},
            socket_address, transport_socket,
        },
        endpoint::{ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier},
        http_connection_manager::{
            HttpConnectionManager, HttpFilter, http_connection_manager::RouteSpecifier, http_filter,
        },
        listener::{Filter, FilterChain, Listener, filter},
        matcher::{StringMatcher, string_matcher::MatchPattern},
        rbac::{Permission, Policy, Principal, Rbac, permission::Rule, principal::Identifier},
        route::{
            Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route::Action,
            route_action::ClusterSpecifier, route_match::PathSpecifier,
        },
        router::Router,
        tcp_proxy::{TcpProxy, tcp_proxy},
        tls::{
            CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
            SubjectAltNameMatcher, UpstreamTlsContext,
            common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
            subject_alt_name_matcher::SanType,
        },
    },
};
use prost::{Message, Name};

pub(super) fn uint64(value: u64) -> Option<UInt64Value> {
    Some(UInt64Value { value })
}

pub(super) fn uint32(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

pub(super) fn bool(value: bool) -> Option<BoolValue> {
    Some(BoolValue { value })
}

pub(super) fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

pub(super) fn text(pattern: MatchPattern) -> StringMatcher {
    StringMatcher { match_pattern: Some(pattern), ignore_case: false }
}

pub(super) fn exact(exact: &str) -> StringMatcher {
    text(MatchPattern::Exact(exact.into()))
}

/// A network filter.
pub(super) fn filter<M: Message + Name>(config: &M) -> Filter {
    Filter { name: "f".into(), config_type: Some(filter::ConfigType::TypedConfig(any::pack(config))) }
}

/// An HTTP filter.
pub(super) fn http_filter<M: Message + Name>(config: &M) -> HttpFilter {
    let config_type = Some(http_filter::ConfigType::TypedConfig(any::pack(config)));
    HttpFilter { name: "f".into(), config_type, ..HttpFilter::default() }
}

/// A listener with one chain of these filters.
pub(super) fn listener(filters: Vec<Filter>) -> Listener {
    let chain = FilterChain { filters, ..FilterChain::default() };
    Listener { name: "l".into(), filter_chains: vec![chain], ..Listener::default() }
}

pub(super) fn tcp() -> TcpProxy {
    let cluster_specifier = Some(tcp_proxy::ClusterSpecifier::Cluster("c".into()));
    TcpProxy { stat_prefix: "t".into(), cluster_specifier, ..TcpProxy::default() }
}

pub(super) fn manager() -> HttpConnectionManager {
    HttpConnectionManager {
        stat_prefix: "h".into(),
        route_specifier: Some(RouteSpecifier::RouteConfig(routes(forward()))),
        http_filters: vec![http_filter(&Router::default())],
        ..HttpConnectionManager::default()
    }
}

pub(super) fn forward() -> RouteAction {
    RouteAction { cluster_specifier: Some(ClusterSpecifier::Cluster("c".into())), ..RouteAction::default() }
}

pub(super) fn routes(action: RouteAction) -> RouteConfiguration {
    routes_of(route(Action::Route(action)))
}

pub(super) fn route(action: Action) -> Route {
    let r#match = RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".into())), ..RouteMatch::default() };
    Route { r#match: Some(r#match), action: Some(action), ..Route::default() }
}

pub(super) fn routes_of(route: Route) -> RouteConfiguration {
    let host =
        VirtualHost { name: "v".into(), domains: vec!["*".into()], routes: vec![route], ..VirtualHost::default() };
    RouteConfiguration { name: "r".into(), virtual_hosts: vec![host], ..RouteConfiguration::default() }
}

pub(super) fn permission(rule: Rule) -> Permission {
    Permission { rule: Some(rule) }
}

pub(super) fn principal(identifier: Identifier) -> Principal {
    Principal { identifier: Some(identifier) }
}

/// Rules with one policy `p`.
pub(super) fn rbac(rule: Rule, identifier: Identifier) -> Rbac {
    let policy =
        Policy { permissions: vec![permission(rule)], principals: vec![principal(identifier)], ..Policy::default() };
    Rbac { policies: [("p".to_owned(), policy)].into(), ..Rbac::default() }
}

pub(super) fn socket<M: Message + Name>(config: &M) -> TransportSocket {
    TransportSocket {
        name: "s".into(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(any::pack(config))),
    }
}

fn secret(name: &str) -> SdsSecretConfig {
    SdsSecretConfig { name: name.into(), sds_config: None }
}

pub(super) fn common_tls() -> CommonTlsContext {
    CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![secret("svid")],
        alpn_protocols: ["leno-h2", "leno-http/1.1", "leno-tcp"].map(str::to_owned).to_vec(),
        validation_context_type: Some(ValidationContextType::ValidationContextSdsSecretConfig(secret("trust-bundle"))),
        ..CommonTlsContext::default()
    }
}

pub(super) fn downstream_tls(common: CommonTlsContext) -> DownstreamTlsContext {
    DownstreamTlsContext {
        common_tls_context: Some(common),
        require_client_certificate: bool(true),
        ..DownstreamTlsContext::default()
    }
}

pub(super) fn san(uri: &str) -> SubjectAltNameMatcher {
    SubjectAltNameMatcher { san_type: SanType::Uri.into(), matcher: Some(exact(uri)), oid: String::new() }
}

pub(super) fn upstream_tls(names: Vec<SubjectAltNameMatcher>) -> UpstreamTlsContext {
    let context = CertificateValidationContext {
        match_typed_subject_alt_names: names,
        ..CertificateValidationContext::default()
    };
    let combined = CombinedCertificateValidationContext {
        default_validation_context: Some(context),
        validation_context_sds_secret_config: Some(secret("trust-bundle")),
        ..CombinedCertificateValidationContext::default()
    };
    let validation_context_type = Some(ValidationContextType::CombinedValidationContext(combined));
    let common_tls_context = Some(CommonTlsContext { validation_context_type, ..common_tls() });
    UpstreamTlsContext { common_tls_context, ..UpstreamTlsContext::default() }
}

pub(super) fn cluster(kind: DiscoveryType) -> Cluster {
    Cluster {
        name: "outbound/shop/cart:80".into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(kind.into())),
        ..Cluster::default()
    }
}

pub(super) fn socket_address(ip: &str, port: u32) -> SocketAddress {
    SocketAddress {
        address: ip.into(),
        port_specifier: Some(socket_address::PortSpecifier::PortValue(port)),
        ..SocketAddress::default()
    }
}

pub(super) fn endpoint(address: SocketAddress) -> LbEndpoint {
    let address = Some(Address { address: Some(address::Address::SocketAddress(address)) });
    let host = Endpoint { address, ..Endpoint::default() };
    LbEndpoint { host_identifier: Some(HostIdentifier::Endpoint(host)), ..LbEndpoint::default() }
}

pub(super) fn assignment(lb_endpoints: Vec<LbEndpoint>) -> ClusterLoadAssignment {
    let locality = LocalityLbEndpoints { lb_endpoints, ..LocalityLbEndpoints::default() };
    ClusterLoadAssignment { cluster_name: "e".into(), endpoints: vec![locality], ..ClusterLoadAssignment::default() }
}

/// The access rules of a chain that has no other guard.
pub(super) fn access(chain: &super::super::super::FilterChain) -> &leno_engine::authorization::Rbac {
    match chain.guards.as_slice() {
        [super::super::super::Guard::Access(control)] => control.rules.as_ref().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A source whose server is no cluster of the file.
pub(super) fn of_nobody() -> ApiConfigSource {
    let target = EnvoyGrpc { cluster_name: "nobody".into(), ..EnvoyGrpc::default() };
    let target_specifier = Some(TargetSpecifier::EnvoyGrpc(target));
    ApiConfigSource {
        api_type: ApiType::Grpc as i32,
        transport_api_version: ApiVersion::V3 as i32,
        grpc_services: vec![GrpcService { target_specifier, ..GrpcService::default() }],
        ..ApiConfigSource::default()
    }
}
