//! Tokens (JWT): a filter that finds out whether they are good ([`jwt_authn`]), and rules of access on what they say.
//!
//! A token that is good is left for the access rules in the filter's metadata, under the name of its issuer in its policy
//! ([`provider`]). One that is not is answered with 401; a request without any goes on. Where only policies that refuse
//! nothing (tried out, or auditing) know tokens, one that is not good goes on as none.
//!
//! [`jwt_authn`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/jwt_authn/v3/config.proto

use std::{collections::BTreeMap, time::Duration};

use leno_model::{
    ObjectRef,
    policy::{
        AccessPolicy,
        access::{AccessAction, ClaimMatch, TokenIssuer, TokenKeys, TokenMatch, TokenPlace},
    },
    resource_name,
};
use leno_proto::{
    google::protobuf,
    v3::{
        core::{DataSource, HttpUri, data_source, http_uri::HttpUpstreamType},
        http_connection_manager::HttpFilter,
        jwt_authn::{
            JwksAsyncFetch, JwtAuthentication, JwtHeader, JwtProvider, JwtRequirement, JwtRequirementOrList,
            RemoteJwks, RequirementRule,
            jwt_provider::{JwksSourceSpecifier, NormalizePayload},
            jwt_requirement::RequiresType,
            requirement_rule::RequirementType,
        },
        matcher::{
            ListMatcher, MetadataMatcher, OrMatcher, ValueMatcher, list_matcher,
            metadata_matcher::{PathSegment, path_segment::Segment},
            value_matcher::MatchPattern,
        },
        rbac::{
            MetadataSource, Principal, SourcedMetadata,
            principal::{Identifier, Set},
        },
        route::{RouteMatch, route_match::PathSpecifier},
    },
};

use crate::{
    message::{duration, http_filter, string_exact},
    stable,
};

/// The filter, whose name is that of its metadata, too.
const FILTER: &str = "envoy.filters.http.jwt_authn";
/// How long fetching keys may take.
const FETCH: Duration = Duration::from_secs(5);
/// Claims that are lists with blanks between (RFC 8693, and what some issuers write).
const LISTS: [&str; 2] = ["scope", "permission"];

/// The filter for these policies; `None` where none of them knows tokens.
pub(crate) fn filter<'a>(policies: impl Iterator<Item = &'a AccessPolicy>) -> Option<HttpFilter> {
    let mut refuses = false;
    let issuers = policies.filter(|policy| !policy.tokens.is_empty()).flat_map(|policy| {
        refuses |= !policy.dry_run && policy.action != AccessAction::Audit;
        policy.tokens.iter().map(|issuer| (&policy.origin, issuer))
    });
    // In the order of their names, so that the same policies make the same text.
    let providers: BTreeMap<_, _> =
        issuers.map(|(origin, issuer)| (provider(origin, &issuer.issuer), made(origin, issuer))).collect();
    if providers.is_empty() {
        return None;
    }
    let of_provider = |name: &String| RequiresType::ProviderName(name.clone());
    let otherwise = if refuses {
        RequiresType::AllowMissing(protobuf::Empty::default())
    } else {
        RequiresType::AllowMissingOrFailed(protobuf::Empty::default())
    };
    let any = providers.keys().map(of_provider).chain([otherwise]);
    let any = any.map(|it| JwtRequirement { requires_type: Some(it) }).collect();
    let requires = RequiresType::RequiresAny(JwtRequirementOrList { requirements: any });
    let rule = RequirementRule {
        r#match: Some(RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".into())), ..Default::default() }),
        requirement_type: Some(RequirementType::Requires(JwtRequirement { requires_type: Some(requires) })),
    };
    let config = JwtAuthentication {
        providers: providers.into_iter().collect(),
        rules: vec![rule],
        bypass_cors_preflight: true,
        ..Default::default()
    };
    Some(http_filter(FILTER, stable::pack(&config, stable::TOKENS)))
}

/// What an issuer of a policy is called in the filter.
fn provider(origin: &ObjectRef, issuer: &str) -> String {
    format!("{}/{}/{issuer}", origin.namespace, origin.name)
}

fn made(origin: &ObjectRef, issuer: &TokenIssuer) -> JwtProvider {
    let mut made = JwtProvider {
        issuer: issuer.issuer.clone(),
        audiences: issuer.audiences.clone(),
        forward: issuer.forward,
        payload_in_metadata: provider(origin, &issuer.issuer),
        normalize_payload_in_metadata: Some(NormalizePayload {
            space_delimited_claims: LISTS.map(str::to_owned).into(),
        }),
        jwks_source_specifier: Some(keys(&issuer.keys)),
        ..Default::default()
    };
    for place in &issuer.places {
        match place {
            TokenPlace::Header(name) => {
                made.from_headers.push(JwtHeader { name: name.clone(), ..Default::default() });
            }
            TokenPlace::QueryParameter(name) => made.from_params.push(name.clone()),
            TokenPlace::Cookie(name) => made.from_cookies.push(name.clone()),
        }
    }
    made
}

fn keys(keys: &TokenKeys) -> JwksSourceSpecifier {
    match keys {
        TokenKeys::Inline(text) => JwksSourceSpecifier::LocalJwks(DataSource {
            specifier: Some(data_source::Specifier::InlineString(text.clone())),
            ..Default::default()
        }),
        TokenKeys::Service(service, port, path) => JwksSourceSpecifier::RemoteJwks(RemoteJwks {
            http_uri: Some(HttpUri {
                uri: format!("http://{}.{}{path}", service.name, service.namespace),
                timeout: Some(duration(FETCH)),
                http_upstream_type: Some(HttpUpstreamType::Cluster(resource_name::service_port(service, *port))),
            }),
            // Before the first request asks for them.
            async_fetch: Some(JwksAsyncFetch { fast_listener: true, ..Default::default() }),
            ..Default::default()
        }),
    }
}

/// Whoever has this token, of a policy's issuer.
pub(crate) fn principal(origin: &ObjectRef, token: &TokenMatch) -> Principal {
    let name = provider(origin, &token.issuer);
    let mut ids = vec![says(&name, &["iss".to_owned()], vec![text(&token.issuer)])];
    ids.extend(token.claims.iter().map(|claim| of_claim(&name, claim)));
    Principal { identifier: Some(Identifier::AndIds(Set { ids })) }
}

fn of_claim(provider: &str, claim: &ClaimMatch) -> Principal {
    let listed = |value: &String| {
        let one_of = list_matcher::MatchPattern::OneOf(Box::new(text(value)));
        ValueMatcher {
            match_pattern: Some(MatchPattern::ListMatch(Box::new(ListMatcher { match_pattern: Some(one_of) }))),
        }
    };
    let values = claim.values.iter().flat_map(|value| [text(value), listed(value)]);
    says(provider, &claim.path, values.collect())
}

fn text(value: &str) -> ValueMatcher {
    ValueMatcher { match_pattern: Some(MatchPattern::StringMatch(string_exact(value))) }
}

/// A token whose claim is one of these values.
fn says(provider: &str, path: &[String], mut values: Vec<ValueMatcher>) -> Principal {
    let keys = [provider].into_iter().chain(path.iter().map(String::as_str));
    let value = match values.len() {
        0 | 1 => values.pop(),
        _ => Some(ValueMatcher { match_pattern: Some(MatchPattern::OrMatch(OrMatcher { value_matchers: values })) }),
    };
    Principal {
        identifier: Some(Identifier::SourcedMetadata(SourcedMetadata {
            metadata_matcher: Some(MetadataMatcher {
                filter: FILTER.into(),
                path: keys.map(|key| PathSegment { segment: Some(Segment::Key(key.to_owned())) }).collect(),
                value,
                ..Default::default()
            }),
            metadata_source: MetadataSource::Dynamic.into(),
        })),
    }
}
