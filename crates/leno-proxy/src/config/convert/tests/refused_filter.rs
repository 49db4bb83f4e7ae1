//! Filters that are refused.

use leno_proto::v3::{
    core::{GrpcService, HttpUri, grpc_service, http_uri},
    ext_authz::{ExtAuthz, HttpService, ext_authz::Services},
    http_ratelimit::RateLimit,
    jwt_authn::{
        ExtractOnlyWithoutValidation, JwtAuthentication, JwtProvider, JwtRequirement, RemoteJwks, RequirementRule,
        jwt_provider::JwksSourceSpecifier, jwt_requirement::RequiresType, requirement_rule::RequirementType,
    },
    ratelimit_service::RateLimitServiceConfig,
};

use super::{super::super::Registry, refused, sample::*};

#[track_caller]
fn refused_filter<M: prost::Message + prost::Name>(message: &M, field: &str, value: &str) {
    let mut manager = manager();
    manager.http_filters.insert(0, http_filter(message));
    let taken = super::super::listener(&listener(vec![filter(&manager)]), &mut Registry::default());
    let field = if field.is_empty() { String::new() } else { format!(".{field}") };
    let path = format!("filter_chains[0].filters[0].typed_config.http_filters[0].typed_config{field}");
    refused(taken, &path, value);
}

fn timeless() -> HttpUri {
    let http_upstream_type = Some(http_uri::HttpUpstreamType::Cluster("c".into()));
    HttpUri { uri: "http://a/b".into(), http_upstream_type, timeout: None }
}

fn service() -> GrpcService {
    let envoy = grpc_service::EnvoyGrpc { cluster_name: "c".into(), ..Default::default() };
    let target_specifier = Some(grpc_service::TargetSpecifier::EnvoyGrpc(envoy));
    GrpcService { target_specifier, ..GrpcService::default() }
}

#[test]
fn questions_that_cannot_be_asked() {
    refused_filter(&ExtAuthz::default(), "", "no service");
    let with = |services| ExtAuthz { services: Some(services), ..ExtAuthz::default() };
    refused_filter(&with(Services::GrpcService(GrpcService::default())), "grpc_service", "no service of a cluster");
    refused_filter(&with(Services::HttpService(HttpService::default())), "http_service.server_uri", "missing");
    let http = HttpService { server_uri: Some(timeless()), ..HttpService::default() };
    refused_filter(&with(Services::HttpService(http)), "http_service.server_uri.timeout", "missing");
    let mut authz = with(Services::GrpcService(service()));
    authz.include_peer_certificate = true;
    refused_filter(&authz, "include_peer_certificate", "true");
}

#[test]
fn limits_that_nobody_keeps() {
    let service = RateLimitServiceConfig { grpc_service: Some(service()), ..RateLimitServiceConfig::default() };
    let nobody = RateLimit { rate_limit_service: Some(service), ..RateLimit::default() };
    refused_filter(&nobody, "domain", "empty");
    let limit = RateLimit { domain: "d".into(), ..RateLimit::default() };
    refused_filter(&limit, "rate_limit_service", "missing");
    let limit = RateLimit { domain: "d".into(), ..nobody };
    refused_filter(&RateLimit { stage: 11, ..limit.clone() }, "stage", "11");
    refused_filter(&RateLimit { request_type: "internal".into(), ..limit }, "request_type", "internal");
}

#[test]
fn tokens_that_cannot_be_verified() {
    let provider = |source| JwtAuthentication {
        providers: [("p".to_owned(), JwtProvider { jwks_source_specifier: source, ..JwtProvider::default() })].into(),
        ..JwtAuthentication::default()
    };
    refused_filter(&provider(None), r#"providers["p"]"#, "no keys");
    let nowhere = JwksSourceSpecifier::RemoteJwks(RemoteJwks { http_uri: Some(timeless()), ..RemoteJwks::default() });
    refused_filter(&provider(Some(nowhere)), r#"providers["p"].remote_jwks.http_uri.timeout"#, "missing");
    let requires = |requires| {
        let requirement_type = Some(RequirementType::Requires(JwtRequirement { requires_type: Some(requires) }));
        let r#match = Some(leno_proto::v3::route::RouteMatch {
            path_specifier: Some(leno_proto::v3::route::route_match::PathSpecifier::Prefix("/".into())),
            ..Default::default()
        });
        JwtAuthentication { rules: vec![RequirementRule { r#match, requirement_type }], ..Default::default() }
    };
    let unknown = requires(RequiresType::ProviderName("x".into()));
    refused_filter(&unknown, "rules[0].requires.provider_name", "x");
    let forged = RequiresType::ExtractOnlyWithoutValidation(ExtractOnlyWithoutValidation::default());
    refused_filter(&requires(forged), "rules[0].requires.extract_only_without_validation", "set");
}
