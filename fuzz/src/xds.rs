//! Resources, as a control plane sends them.

use std::{
    fmt::Debug,
    hint::black_box,
    net::{IpAddr, SocketAddr},
    sync::{Arc, LazyLock},
    time::Duration,
};

use leno_engine::{
    authorization::{Rbac, Subject},
    filter::{FilterConfig, LocalRateLimit, Overrides, rate_limit::RateLimitFacts},
    jwt::KeySet,
    metadata::Metadata,
    request::SimpleRequest,
    route::Action,
};
use leno_model::{Invalid, TrustDomain};
use leno_proto::{
    any,
    json::{self, Descriptions},
    v3::{
        cluster,
        core::data_source::Specifier,
        endpoint, listener, route,
        tls::{self, secret::Type},
    },
};
use leno_proxy::{
    config::{
        Balancers, ClusterKind, EndpointSet, Guard, HttpConnectionManager, Listener, Met, Registry, RouteSource,
        Routes, Terminal, TransportProtocol, Wanted, convert,
    },
    discovery::trust,
    identity::Credentials,
};
use leno_tls::TrustBundle;
use prost::{Message, Name};
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::Value;

/// The first byte of what goes over the wire: which type the rest is of.
const LISTENER: u8 = 0;
const ROUTE: u8 = 1;
const CLUSTER: u8 = 2;
const ENDPOINT: u8 = 3;
const SECRET: u8 = 4;

/// A resource is taken or refused, the same each time, and the decisions of one that is taken end nothing.
pub fn xds_resources(bytes: &[u8]) {
    let wire = xds_wire(bytes);
    let Some((kind, message)) = wire.as_deref().unwrap_or(bytes).split_first() else { return };
    match *kind {
        LISTENER => twice(message, |it: &listener::Listener| {
            let made = convert::listener(it, &mut Registry::default())?;
            decide_listener(&made);
            Ok(made.filter_chains.len())
        }),
        ROUTE => twice(message, |it: &route::RouteConfiguration| {
            let made = convert::routes(it, &mut Registry::default())?;
            decide_routes(&made);
            Ok((made.name, made.table))
        }),
        CLUSTER => twice(message, |it: &cluster::Cluster| {
            let made = convert::cluster(it, &mut Registry::default())?;
            if let ClusterKind::Static(set) = &made.kind {
                black_box(Balancers::default().choose(&made, Arc::clone(set), &Wanted::default()));
            }
            Ok((made.name, made.transports.len()))
        }),
        ENDPOINT => twice(message, |it: &endpoint::ClusterLoadAssignment| {
            let made = convert::endpoints(it, None)?;
            let again = convert::endpoints(it, Some(&made))?;
            assert_eq!(weights(&made), weights(&again));
            Ok(weights(&made))
        }),
        SECRET => twice(message, |it: &tls::Secret| {
            roots(it);
            Ok(trust::install(&Credentials::default(), it))
        }),
        _ => {}
    }
}

/// What a seed in JSON is on the wire; `None` when it is none.
#[must_use]
pub fn xds_wire(bytes: &[u8]) -> Option<Vec<u8>> {
    let Value::Object(mut fields) = serde_json::from_slice(bytes).ok()? else { return None };
    let Value::String(url) = fields.remove("@type")? else { return None };
    let resource = Value::Object(fields);
    encoded::<listener::Listener>(LISTENER, &url, &resource)
        .or_else(|| encoded::<route::RouteConfiguration>(ROUTE, &url, &resource))
        .or_else(|| encoded::<cluster::Cluster>(CLUSTER, &url, &resource))
        .or_else(|| encoded::<endpoint::ClusterLoadAssignment>(ENDPOINT, &url, &resource))
        .or_else(|| encoded::<tls::Secret>(SECRET, &url, &resource))
}

fn encoded<M: Message + Name + Default>(kind: u8, url: &str, resource: &Value) -> Option<Vec<u8>> {
    let message = (url == M::type_url()).then(|| json::read::<M>(resource).ok())??;
    Some([vec![kind], message.encode_to_vec()].concat())
}

/// Converts a message twice.
fn twice<M, T>(message: &[u8], convert: impl Fn(&M) -> Result<T, Vec<Invalid>>)
where
    M: Message + Name + Default + PartialEq,
    T: PartialEq + Debug,
{
    let Ok(message) = M::decode(message) else { return };
    let first = convert(&message);
    assert_eq!(first, convert(&message));
    match first {
        Ok(_) => {}
        Err(errors) => {
            assert!(!errors.is_empty(), "refused for no reason");
            assert!(errors.iter().all(|error| !error.to_string().is_empty()));
        }
    }
    static KNOWN: LazyLock<Descriptions> = LazyLock::new(Descriptions::hold);
    LazyLock::force(&KNOWN);
    // As it is shown by the admin interface.
    let _shown = json::of_any(&any::pack(&message));
}

/// The roots of a secret, which are read once there is a certificate.
fn roots(secret: &tls::Secret) {
    let Some(Type::ValidationContext(context)) = &secret.r#type else { return };
    let source = context.trusted_ca.as_ref().and_then(|source| source.specifier.as_ref());
    let Some(Specifier::InlineBytes(pem)) = source else { return };
    let Ok(domain) = TrustDomain::new("cluster.local") else { return };
    if let Ok(bundle) = TrustBundle::from_pem(domain, &String::from_utf8_lossy(pem)) {
        assert!(!bundle.roots().is_empty());
    }
}

fn decide_listener(listener: &Listener) {
    for protocols in [&[][..], &["leno-h2"], &["http/1.1"]] {
        for transport in [TransportProtocol::Raw, TransportProtocol::Tls] {
            let (destination, source) = (SocketAddr::from(([10, 0, 0, 1], 80)), SocketAddr::from(([10, 0, 0, 2], 1)));
            let (direct_source, server_name) = (source, "shop.example");
            black_box(listener.choose(&Met { destination, source, direct_source, transport, server_name, protocols }));
        }
    }
    for chain in listener.filter_chains.iter().chain(&listener.default_filter_chain) {
        for guard in &chain.guards {
            match guard {
                Guard::Access(control) => control.rules.iter().chain(&control.shadow).for_each(allow),
                Guard::Rate { bucket, .. } => {
                    black_box(bucket.take(Duration::from_secs(1)));
                }
                Guard::Connections { limit, .. } => drop(black_box(limit.admit())),
                Guard::Service(_) => {}
            }
        }
        match &chain.terminal {
            Terminal::Http(manager) => decide_http(manager),
            Terminal::Tcp(_) => {}
        }
    }
}

fn decide_http(manager: &HttpConnectionManager) {
    for filter in &manager.filters {
        black_box(filter.config(&[Overrides::NONE; 4]));
        match &filter.config {
            FilterConfig::AccessControl(control) => control.rules.iter().chain(&control.shadow).for_each(allow),
            FilterConfig::Fault(fault) => {
                let random = &mut random();
                for request in &requests() {
                    black_box((fault.fits(request, None), fault.delay(request, random), fault.abort(request, random)));
                }
            }
            FilterConfig::LocalRateLimit(limit) => decide_limit(limit),
            FilterConfig::JwtAuthn(authn) => {
                for request in &requests() {
                    if let Some(requirement) = authn.requirement(request, 1) {
                        black_box(authn.check(requirement, request, |_| KeySet::Failed, 0));
                    }
                }
            }
            FilterConfig::StatefulSession(Some(session)) => {
                for request in &requests() {
                    black_box(session.of(request, 0));
                }
            }
            FilterConfig::Buffer(_)
            | FilterConfig::StatefulSession(None)
            | FilterConfig::Cors(_)
            | FilterConfig::ExtAuthz(_)
            | FilterConfig::ExtAuthzRoute(_)
            | FilterConfig::HeaderMutation(_)
            | FilterConfig::JwtRequirement(_)
            | FilterConfig::RateLimit(_)
            | FilterConfig::RateLimitRoute(_) => {}
        }
    }
    match &manager.routes {
        RouteSource::Inline(routes) => decide_routes(routes),
        RouteSource::Named(_) => {}
    }
}

fn decide_limit(limit: &LocalRateLimit) {
    let (source, metadata) = (IpAddr::from([10, 0, 0, 2]), Metadata::default());
    for request in &requests() {
        let facts = RateLimitFacts { request, source, own_cluster: "", cluster: "shop", metadata: &metadata };
        let descriptors: Vec<_> = limit.rules.iter().filter_map(|rule| rule.descriptor(&facts)).collect();
        black_box(limit.check(&limit.limiter, &descriptors, Duration::from_secs(1), &mut random()));
    }
}

/// Requests that a rule may be about.
fn requests() -> [SimpleRequest; 3] {
    [
        SimpleRequest::new("GET", "/a/b?x=1#y", "shop.example:80").with("x", "1").with("cookie", ""),
        SimpleRequest::new("POST", "/é%2f..", "").with("content-type", "application/grpc"),
        SimpleRequest::new("CONNECT", "", "[::1]:443"),
    ]
}

fn allow(rbac: &Rbac) {
    for address in ["10.0.0.1:80", "[fd00::1]:443"] {
        let Ok(address) = address.parse() else { continue };
        let subject = Subject {
            secure: true,
            names: &["spiffe://cluster.local/ns/shop/sa/buyer".into()],
            direct: address,
            source: address,
            remote: address,
            destination: address,
            server_name: "",
            metadata: None,
        };
        for request in requests() {
            black_box(rbac.check(&subject, &request));
        }
        black_box(rbac.check_connection(&subject));
    }
}

fn decide_routes(routes: &Routes) {
    for request in requests() {
        let Some((_, route)) = routes.table.select(&request, 1) else { continue };
        match &route.action {
            Action::Forward(forward) => {
                black_box(forward.clusters.choose(1));
                if let Some(rewrite) = &forward.path_rewrite {
                    black_box(rewrite.apply(&route.matches.path, &request.target));
                }
            }
            Action::Redirect(redirect) => {
                black_box(redirect.location(&route.matches.path, "http", &request.authority, &request.target));
            }
            Action::DirectResponse(_) => {}
        }
    }
}

fn weights(set: &EndpointSet) -> Vec<(SocketAddr, u32)> {
    set.endpoints.iter().map(|endpoint| (endpoint.address, endpoint.weight)).collect()
}

fn random() -> StdRng {
    StdRng::seed_from_u64(1)
}
