//! Envoy itself says whether resources are well-formed: they are given to `envoy --mode validate` as a static
//! configuration. Needs the program, so it runs only when asked for:
//! with `envoy` in `PATH`: `cargo test -p leno-compiler -- --ignored`.

use std::process::Command;

use leno_compiler::{Client, Kind, Scope, names, resource};
use leno_model::{
    Protocol, Snapshot,
    mesh::{MtlsMode, OutboundPolicy},
    policy::authorization::Ports,
    route::{Backend, GrpcMatch, GrpcRule, Rules, Share, StreamRule, TlsRule, http::TextMatch},
    unit::Weight,
};
use leno_proto::{
    any::{pack, unpack},
    google::protobuf::BoolValue,
    v3::{
        bootstrap::{
            Bootstrap,
            bootstrap::{DynamicResources, StaticResources},
        },
        cluster::Cluster,
        core::{
            ApiConfigSource, ApiVersion, DataSource, GrpcService, Node, TransportSocket,
            api_config_source::ApiType,
            data_source,
            grpc_service::{EnvoyGrpc, TargetSpecifier},
            transport_socket::ConfigType,
        },
        http_connection_manager::{HttpConnectionManager, http_connection_manager::RouteSpecifier},
        listener::{self, Listener},
        route::RouteConfiguration,
        tls::{self, common_tls_context::ValidationContextType},
    },
};
use prost::Message as _;

use crate::{
    mesh::{add_policy, add_service, bookstore, configure, get, rule, scope, service_name, split},
    policy::{with_access, with_authorizers, with_egress},
    route::{everything, forward, route, to},
    traffic::{client_settings, ruled_store, server_settings},
};

/// The secrets that the socket asks for by name, taken from the bootstrap: Envoy crashes on static clusters that ask
/// an aggregated stream for theirs.
fn local_secrets(socket: &mut TransportSocket) {
    let Some(ConfigType::TypedConfig(any)) = &mut socket.config_type else {
        return;
    };
    let localize = |context: &mut Option<tls::CommonTlsContext>| {
        let context = context.as_mut().unwrap();
        context.tls_certificate_sds_secret_configs[0].sds_config = None;
        match context.validation_context_type.as_mut().unwrap() {
            ValidationContextType::CombinedValidationContext(combined) => {
                combined.validation_context_sds_secret_config.as_mut().unwrap().sds_config = None;
            }
            ValidationContextType::ValidationContextSdsSecretConfig(sds) => sds.sds_config = None,
            other => panic!("{other:?}"),
        }
    };
    if let Ok(mut context) = unpack::<tls::UpstreamTlsContext>(any) {
        localize(&mut context.common_tls_context);
        *any = pack(&context);
    } else if let Ok(mut context) = unpack::<tls::DownstreamTlsContext>(any) {
        localize(&mut context.common_tls_context);
        *any = pack(&context);
    }
}

fn secrets() -> Vec<tls::Secret> {
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
    let inline = |text: String| {
        let specifier = Some(data_source::Specifier::InlineString(text));
        Some(DataSource { specifier, ..Default::default() })
    };
    let certificate = tls::TlsCertificate {
        certificate_chain: inline(pem.clone()),
        private_key: inline(key.serialize_pem()),
        ..Default::default()
    };
    let svid = tls::Secret { name: "svid".into(), r#type: Some(tls::secret::Type::TlsCertificate(certificate)) };
    vec![svid, unpack(&leno_compiler::trust_bundle(&pem)).unwrap()]
}

/// A bootstrap with these resources.
fn bootstrap(snapshot: &Snapshot, scope: &Scope, wanted: &[(Kind, String)]) -> Bootstrap {
    let mut resources = StaticResources { secrets: secrets(), ..Default::default() };
    for (kind, name) in wanted {
        let any = resource(snapshot, scope, *kind, name).unwrap();
        match kind {
            Kind::Listener => {
                let mut listener: Listener = unpack(&any).unwrap();
                let sockets = listener.filter_chains.iter_mut().filter_map(|chain| chain.transport_socket.as_mut());
                sockets.for_each(local_secrets);
                resources.listeners.push(listener);
            }
            Kind::Cluster => {
                let mut cluster: Cluster = unpack(&any).unwrap();
                let sockets = cluster.transport_socket_matches.iter_mut();
                sockets.filter_map(|each| each.transport_socket.as_mut()).for_each(local_secrets);
                resources.clusters.push(cluster);
            }
            other => panic!("{other:?} cannot be static"),
        }
    }
    let ads = ApiConfigSource {
        api_type: ApiType::DeltaGrpc.into(),
        transport_api_version: ApiVersion::V3.into(),
        grpc_services: vec![GrpcService {
            target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
                cluster_name: "passthrough".into(),
                ..Default::default()
            })),
            ..Default::default()
        }],
        ..Default::default()
    };
    Bootstrap {
        node: Some(Node { id: "shop/buyer-1".into(), cluster: "buyer".into(), ..Default::default() }),
        static_resources: Some(resources),
        dynamic_resources: Some(DynamicResources { ads_config: Some(ads), ..Default::default() }),
        ..Default::default()
    }
}

fn validate(bootstrap: &Bootstrap) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bootstrap.pb");
    std::fs::write(&path, bootstrap.encode_to_vec()).unwrap();
    let output = Command::new("envoy").args(["--mode", "validate", "-c"]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// All that a sidecar could ask for in this mesh.
fn everything_static(snapshot: &Snapshot) -> Vec<(Kind, String)> {
    let envoy = Scope { client: Client::Envoy, ..scope("warehouse-1") };
    let mut wanted: Vec<_> = [Kind::Cluster, Kind::Listener]
        .into_iter()
        .flat_map(|kind| names(snapshot, &envoy, kind).into_iter().map(move |name| (kind, name)))
        .collect();
    wanted.push((Kind::Cluster, "inbound".into()));
    wanted.push((Kind::Cluster, "direct/10.244.0.5:8080".into()));
    wanted.push((Kind::Listener, "outbound/10.244.0.5:8080".into()));
    wanted.push((Kind::Listener, "inbound".into()));
    wanted
}

#[test]
#[ignore = "needs Envoy"]
fn envoy_takes_every_resource() {
    let mut snapshot = bookstore();
    let both = Some(Ports::Only(vec![8080, 9090]));
    snapshot.access_rules.push(rule("both", "warehouse", &["buyer"], Some(vec![get("/stock"), get("/x")]), both));
    snapshot.access_rules.push(rule("bytes", "warehouse", &["ledger"], None, Some(Ports::All)));
    let shares = [("ledger", 1), ("other", 2)];
    snapshot.traffic_splits.push(split("ledgers", "ledger", &shares, vec![]));
    for service in ["store", "warehouse", "ledger"] {
        add_policy(&mut snapshot, service, None, &[], client_settings());
        add_policy(&mut snapshot, service, None, &[], server_settings());
    }
    snapshot.access_policies = with_access().access_policies;
    snapshot.access_policies.extend(with_authorizers().access_policies);
    snapshot.egress_policies = with_egress().egress_policies;
    let mut all = everything_static(&snapshot);
    all.push((Kind::Listener, "outbound".into()));
    for policy in &snapshot.egress_policies {
        all.push((Kind::Cluster, leno_model::resource_name::egress(&policy.origin)));
    }
    all.sort();
    all.dedup();
    for pod in ["warehouse-1", "buyer-1", "ledger-1"] {
        validate(&bootstrap(&snapshot, &scope(pod), &all));
    }
    validate(&bootstrap(&snapshot, &scope("warehouse-1"), &everything_static(&snapshot)));
    configure(&mut snapshot, |mesh| mesh.mtls = MtlsMode::Permissive);
    validate(&bootstrap(&snapshot, &scope("warehouse-1"), &everything_static(&snapshot)));
}

/// The listener with its routes written into it: they cannot be asked for in a static configuration.
fn with_routes(snapshot: &Snapshot, scope: &Scope, mut listener: Listener) -> Listener {
    for chain in &mut listener.filter_chains {
        let filter = chain.filters.last_mut().unwrap();
        let Some(listener::filter::ConfigType::TypedConfig(any)) = &mut filter.config_type else { continue };
        let Ok(mut manager) = unpack::<HttpConnectionManager>(any) else { continue };
        if let Some(RouteSpecifier::Rds(rds)) = &manager.route_specifier {
            let routes = resource(snapshot, scope, Kind::Route, &rds.route_config_name).unwrap();
            let mut routes: RouteConfiguration = unpack(&routes).unwrap();
            // Over xDS a cluster need not be there.
            routes.validate_clusters = Some(BoolValue { value: false });
            manager.route_specifier = Some(RouteSpecifier::RouteConfig(routes));
            *any = pack(&manager);
        }
    }
    listener
}

/// All of this, with the routes where they would be fetched.
fn validate_with_routes(snapshot: &Snapshot, scope: &Scope, wanted: &[(Kind, String)]) {
    let mut whole = bootstrap(snapshot, scope, wanted);
    let resources = whole.static_resources.as_mut().unwrap();
    resources.listeners =
        resources.listeners.drain(..).map(|listener| with_routes(snapshot, scope, listener)).collect();
    validate(&whole);
}

#[test]
#[ignore = "needs Envoy"]
fn envoy_takes_routes() {
    let mut snapshot = bookstore();
    let share = |name: &str| Share { backend: Backend::Service(service_name(name), 80), weight: Weight(1) };
    let streams = |name: &str| StreamRule { name: "0".into(), shares: vec![share(name), share("store-v1")] };
    let tls = TlsRule { hostnames: vec!["a.example".into(), "*.b.example".into()], rule: streams("store-v2") };
    let call = GrpcMatch { service: Some(TextMatch::Regex("shop[.].*".into())), ..GrpcMatch::default() };
    let handling = forward(to(&[("store-v1", 1)]));
    let grpc = Rules::Grpc(vec![GrpcRule { name: "0".into(), matches: vec![call], handling }]);
    let detect = [(80, 8080, Protocol::Detect)];
    add_service(&mut snapshot, "bytes", "10.96.0.70", &detect, &["store-v1"]);
    snapshot.routes = vec![
        everything(),
        route("shop", "grpc", "store-v1", grpc),
        route("shop", "tls", "warehouse", Rules::Tls(tls)),
        route("shop", "tcp", "bytes", Rules::Tcp(vec![streams("store-v2")])),
    ];
    validate_with_routes(&snapshot, &scope("buyer-1"), &everything_static(&snapshot));
}

#[test]
#[ignore = "needs Envoy"]
fn envoy_takes_what_policies_say_of_routes() {
    let snapshot = ruled_store();
    let mut wanted = everything_static(&snapshot);
    validate_with_routes(&snapshot, &scope("buyer-1"), &wanted);
    // One whom the mesh does not know is counted, too; it has nothing that others call.
    wanted.retain(|(_, name)| name != "inbound");
    validate_with_routes(&snapshot, &scope("gone-1"), &wanted);
}

#[test]
#[ignore = "needs Envoy"]
fn envoy_takes_what_it_asks_for_itself() {
    let mut snapshot = bookstore();
    let scope = Scope { client: Client::Envoy, ..scope("warehouse-1") };
    let wanted = |snapshot: &Snapshot| -> Vec<_> {
        [Kind::Cluster, Kind::Listener]
            .into_iter()
            .flat_map(|kind| names(snapshot, &scope, kind).into_iter().map(move |name| (kind, name)))
            .collect()
    };
    validate(&bootstrap(&snapshot, &scope, &wanted(&snapshot)));
    configure(&mut snapshot, |mesh| mesh.outbound_policy = OutboundPolicy::RegistryOnly);
    validate(&bootstrap(&snapshot, &scope, &wanted(&snapshot)));
}
