//! What Kubernetes and the mesh ask of an object beyond its shape.

mod access;
mod access_policy;
mod config;
mod egress_policy;
mod endpoint_slice;
mod environment;
mod external_authorizer;
mod gateway;
mod mesh_config;
mod metadata;
mod pod;
mod probe;
mod route;
mod service;
mod split;
mod target;
mod traffic_policy;
mod value;
mod workload;

use leno_model::Invalid;

use crate::{Object, base64, object::Kind, problem::Problems, read::DEFAULT_NAMESPACE};

/// An object that was checked, with what the API server would fill in.
pub(crate) struct Checked(Object);

impl Checked {
    /// Checks an object, and fills in what the API server would.
    pub(crate) fn new(mut object: Object, problems: &mut Problems<'_>) -> Self {
        let of_shape: Vec<Invalid> = std::mem::take(&mut problems.invalid);
        check(&object, problems);
        // What was left out because of its shape is told already: it is not missing as well.
        let told = |field: &str| of_shape.iter().any(|it| within(field, &it.field) || within(&it.field, field));
        let of_meaning: Vec<Invalid> = std::mem::take(&mut problems.invalid);
        problems.invalid = of_meaning.into_iter().filter(|it| !told(&it.field)).collect();
        problems.invalid.splice(0..0, of_shape);
        fill_in(&mut object);
        Self(object)
    }

    pub(crate) fn into_object(self) -> Object {
        self.0
    }
}

/// Whether a field is another one or inside it.
fn within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

fn check(object: &Object, problems: &mut Problems<'_>) {
    metadata::check(object.kind(), object.metadata(), problems);
    match object {
        Object::Namespace(_) | Object::ServiceAccount(_) => {}
        Object::Service(service) => service::check(service, problems),
        Object::EndpointSlice(slice) => endpoint_slice::check(slice, problems),
        Object::Pod(pod) => {
            pod::check(&pod.spec, "spec", problems);
            pod::check_addresses(pod, problems);
            if pod.spec.node_name.is_none() && pod.status.is_none() {
                pod::check_written(&pod.spec, "spec", problems);
            }
        }
        Object::ConfigMap(map) => config::check_map(map, problems),
        Object::Secret(secret) => config::check_secret(secret, problems),
        Object::Deployment(deployment) => workload::check_deployment(deployment, problems),
        Object::StatefulSet(set) => workload::check_stateful_set(set, problems),
        Object::TrafficTarget(target) => access::check(target, problems),
        Object::HttpRouteGroup(group) => route::check_http(group, problems),
        Object::TcpRoute(route) => route::check_ports(&route.spec, problems),
        Object::UdpRoute(route) => route::check_ports(&route.spec, problems),
        Object::TrafficSplit(split) => split::check(split, problems),
        Object::HttpRoute(route) => gateway::check_http(&route.spec, problems),
        Object::GrpcRoute(route) => gateway::check_grpc(&route.spec, problems),
        Object::TlsRoute(route) => gateway::check_tls(&route.spec, problems),
        Object::GatewayTcpRoute(route) => gateway::check_tcp(&route.spec, problems),
        Object::ReferenceGrant(grant) => gateway::check_grant(&grant.spec, problems),
        Object::BackendTlsPolicy(policy) => gateway::check_tls_policy(&policy.spec, problems),
        Object::MeshConfig(config) => mesh_config::check(config, problems),
        Object::AccessPolicy(policy) => access_policy::check(policy, problems),
        Object::EgressPolicy(policy) => egress_policy::check(policy, problems),
        Object::TrafficPolicy(policy) => traffic_policy::check(policy, problems),
    }
}

/// What keeps the local runner from running an object that is sound on Kubernetes.
pub(crate) fn local(object: &Object, problems: &mut Problems<'_>) {
    match object {
        Object::Pod(pod) => pod::check_local(&pod.spec, "spec", problems),
        Object::Deployment(it) => pod::check_local(&it.spec.template.spec, "spec.template.spec", problems),
        Object::StatefulSet(it) => pod::check_local(&it.spec.template.spec, "spec.template.spec", problems),
        Object::Namespace(_)
        | Object::ServiceAccount(_)
        | Object::Service(_)
        | Object::EndpointSlice(_)
        | Object::ConfigMap(_)
        | Object::Secret(_)
        | Object::TrafficTarget(_)
        | Object::HttpRouteGroup(_)
        | Object::TcpRoute(_)
        | Object::UdpRoute(_)
        | Object::TrafficSplit(_)
        | Object::HttpRoute(_)
        | Object::GrpcRoute(_)
        | Object::TlsRoute(_)
        | Object::GatewayTcpRoute(_)
        | Object::ReferenceGrant(_)
        | Object::BackendTlsPolicy(_)
        | Object::MeshConfig(_)
        | Object::AccessPolicy(_)
        | Object::EgressPolicy(_)
        | Object::TrafficPolicy(_) => {}
    }
}

fn fill_in(object: &mut Object) {
    let namespaced = object.kind().is_namespaced();
    let metadata = object.metadata_mut();
    if !namespaced {
        metadata.namespace.clear();
    } else if metadata.namespace.is_empty() {
        metadata.namespace = DEFAULT_NAMESPACE.into();
    }
    let namespace = metadata.namespace.clone();
    match object {
        Object::Secret(secret) => {
            let texts = std::mem::take(&mut secret.string_data);
            secret.data.extend(texts.into_iter().map(|(key, text)| (key, base64::encode(text.as_bytes()))));
        }
        Object::TrafficTarget(target) => {
            let subjects = std::iter::once(&mut target.spec.destination).chain(&mut target.spec.sources);
            subjects.filter(|it| it.namespace.is_empty()).for_each(|it| it.namespace.clone_from(&namespace));
        }
        Object::AccessPolicy(policy) => {
            let sources = policy.spec.rules.iter_mut().flat_map(|rule| &mut rule.from);
            let callers = sources.flat_map(|source| &mut source.service_accounts);
            callers.filter(|it| it.namespace.is_empty()).for_each(|it| it.namespace.clone_from(&namespace));
        }
        Object::TrafficPolicy(policy) => {
            let callers = policy.spec.from.iter_mut().filter(|it| it.namespace.is_empty());
            callers.for_each(|it| it.namespace.clone_from(&namespace));
        }
        Object::Namespace(_)
        | Object::ServiceAccount(_)
        | Object::Service(_)
        | Object::EndpointSlice(_)
        | Object::Pod(_)
        | Object::ConfigMap(_)
        | Object::Deployment(_)
        | Object::StatefulSet(_)
        | Object::HttpRouteGroup(_)
        | Object::TcpRoute(_)
        | Object::UdpRoute(_)
        | Object::TrafficSplit(_)
        | Object::HttpRoute(_)
        | Object::GrpcRoute(_)
        | Object::TlsRoute(_)
        | Object::GatewayTcpRoute(_)
        | Object::ReferenceGrant(_)
        | Object::BackendTlsPolicy(_)
        | Object::EgressPolicy(_)
        | Object::MeshConfig(_) => {}
    }
}

/// What Kubernetes asks of the name of an object.
fn name_rule(kind: Kind, name: &str) -> Result<(), crate::syntax::name::Rule> {
    use crate::syntax::name;
    match kind {
        Kind::Namespace => name::dns_label(name),
        Kind::Service => name::service(name),
        Kind::ServiceAccount
        | Kind::EndpointSlice
        | Kind::Pod
        | Kind::ConfigMap
        | Kind::Secret
        | Kind::Deployment
        | Kind::StatefulSet
        | Kind::TrafficTarget
        | Kind::HttpRouteGroup
        | Kind::TcpRoute
        | Kind::UdpRoute
        | Kind::TrafficSplit
        | Kind::HttpRoute
        | Kind::GrpcRoute
        | Kind::TlsRoute
        | Kind::GatewayTcpRoute
        | Kind::ReferenceGrant
        | Kind::BackendTlsPolicy
        | Kind::MeshConfig
        | Kind::AccessPolicy
        | Kind::EgressPolicy
        | Kind::TrafficPolicy => name::dns_subdomain(name),
    }
}
