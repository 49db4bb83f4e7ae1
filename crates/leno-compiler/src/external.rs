//! Services that are asked whether requests may go on ([`ext_authz`]).
//!
//! Which requests an AccessPolicy is about a filter of rules before it finds out: shadow rules, which refuse and tell nothing
//! (LOG) and leave the rule that fits in the request's metadata, where the filter that asks finds it.
//!
//! [`ext_authz`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto

use std::collections::HashMap;

use leno_model::{
    policy::{AccessPolicy, Authorizer, AuthorizerProtocol, access::AccessPolicyRule},
    resource_name,
};
use leno_proto::{
    any,
    v3::{
        core::{ApiVersion, HttpUri, http_uri::HttpUpstreamType},
        ext_authz::{AuthorizationResponse, BufferSettings, ExtAuthz, HttpService, ext_authz::Services},
        http_connection_manager::HttpFilter,
        http_rbac,
        matcher::{
            ListStringMatcher, MetadataMatcher, StringMatcher, ValueMatcher,
            metadata_matcher::{PathSegment, path_segment::Segment},
            string_matcher::MatchPattern,
            value_matcher,
        },
        rbac::{self, rbac::Action},
    },
};

use crate::{
    message::{duration, grpc_service, http_filter},
    stable,
};

/// The filter in whose metadata rules leave what fits.
const RULES: &str = "envoy.filters.http.rbac";

/// The filters of a policy with these rules, as RBAC has them: none where nothing can fit.
pub(crate) fn of_policy(
    policy: &AccessPolicy,
    authorizer: &Authorizer,
    rules: HashMap<String, rbac::Policy>,
) -> Vec<HttpFilter> {
    if rules.is_empty() {
        return Vec::new();
    }
    let name = policy.origin.to_string();
    let asking = ExtAuthz { shadow_mode: policy.dry_run, ..filter(authorizer) };
    if policy.rules.iter().any(AccessPolicyRule::fits_everything) {
        return vec![http_filter(&name, any::pack(&asking))];
    }
    let prefix = format!("{}/{}.", policy.origin.namespace, policy.origin.name);
    let fits = http_rbac::Rbac {
        shadow_rules: Some(rbac::Rbac { action: Action::Log.into(), policies: rules, ..Default::default() }),
        shadow_rules_stat_prefix: prefix.clone(),
        ..Default::default()
    };
    let key = Segment::Key(format!("{prefix}shadow_effective_policy_id"));
    let enabled = MetadataMatcher {
        filter: RULES.to_owned(),
        path: vec![PathSegment { segment: Some(key) }],
        value: Some(ValueMatcher { match_pattern: Some(value_matcher::MatchPattern::PresentMatch(true)) }),
        ..Default::default()
    };
    let asking = ExtAuthz { filter_enabled_metadata: Some(enabled), ..asking };
    vec![
        http_filter(&format!("{name} rules"), stable::pack(&fits, stable::RBAC)),
        http_filter(&name, any::pack(&asking)),
    ]
}

/// The filter that asks. Of larger bodies the service is told the beginning.
pub(crate) fn filter(authorizer: &Authorizer) -> ExtAuthz {
    let (services, headers) = match &authorizer.protocol {
        AuthorizerProtocol::Grpc { headers } => {
            (Services::GrpcService(grpc_service(cluster(authorizer), host(authorizer), authorizer.timeout)), headers)
        }
        AuthorizerProtocol::Http { path, headers, response_headers } => {
            (Services::HttpService(http(authorizer, path, response_headers)), headers)
        }
    };
    ExtAuthz {
        services: Some(services),
        transport_api_version: ApiVersion::V3.into(),
        failure_mode_allow: authorizer.open_on_error,
        allowed_headers: (!headers.is_empty()).then(|| names(headers)),
        with_request_body: authorizer.body.map(|bytes| BufferSettings {
            max_request_bytes: bytes.get(),
            allow_partial_message: true,
            // Of a text that is no UTF-8 the service would get something else.
            pack_as_bytes: matches!(authorizer.protocol, AuthorizerProtocol::Grpc { .. }),
        }),
        ..Default::default()
    }
}

fn http(authorizer: &Authorizer, path: &str, response_headers: &[String]) -> HttpService {
    let upstream = (!response_headers.is_empty()).then(|| names(response_headers));
    HttpService {
        server_uri: Some(HttpUri {
            uri: format!("http://{}:{}", host(authorizer), authorizer.port),
            timeout: Some(duration(authorizer.timeout)),
            http_upstream_type: Some(HttpUpstreamType::Cluster(cluster(authorizer))),
        }),
        path_prefix: path.to_owned(),
        authorization_response: upstream
            .map(|upstream| AuthorizationResponse { allowed_upstream_headers: Some(upstream), ..Default::default() }),
        ..Default::default()
    }
}

fn cluster(authorizer: &Authorizer) -> String {
    resource_name::service_port(&authorizer.service, authorizer.port)
}

fn host(authorizer: &Authorizer) -> String {
    format!("{}.{}", authorizer.service.name, authorizer.service.namespace)
}

/// Headers of these names.
fn names(names: &[String]) -> ListStringMatcher {
    let name =
        |name: &String| StringMatcher { match_pattern: Some(MatchPattern::Exact(name.clone())), ignore_case: true };
    ListStringMatcher { patterns: names.iter().map(name).collect() }
}
