//! Tokens that requests must have ([`envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`]).
//!
//! [`envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/jwt_authn/v3/config.proto

use leno_engine::{
    filter::{FilterConfig, Override},
    jwt::{Demand, JwtAuthn, JwtRule, Provider, Requirement},
};
use leno_proto::v3::jwt_authn::{
    JwtAuthentication, JwtRequirement, PerRouteConfig, RequirementRule, jwt_requirement::RequiresType,
    per_route_config::RequirementSpecifier, requirement_rule::RequirementType,
};

use super::{
    super::{
        check::{Check, at, join},
        route,
    },
    jwt_provider,
};

pub(super) fn convert(check: &mut Check, path: &str, mut proto: JwtAuthentication) -> FilterConfig {
    let mut named: Vec<_> = std::mem::take(&mut proto.providers).into_iter().collect();
    named.sort_by(|one, other| one.0.cmp(&other.0));
    let providers = named.into_iter().filter_map(|(name, proto)| {
        jwt_provider::convert(check, &format!("{}[{name:?}]", join(path, "providers")), name, proto)
    });
    let providers: Vec<_> = providers.collect();
    let mut requirements: Vec<_> = std::mem::take(&mut proto.requirement_map).into_iter().collect();
    requirements.sort_by(|one, other| one.0.cmp(&other.0));
    let named = requirements.into_iter().filter_map(|(name, proto)| {
        let path = format!("{}[{name:?}]", join(path, "requirement_map"));
        Some((Box::from(name), requirement(check, &path, proto, &providers)?))
    });
    let named: Vec<_> = named.collect();
    let rules = std::mem::take(&mut proto.rules).into_iter().enumerate();
    let rules = rules
        .filter_map(|(index, proto)| {
            let path = at(path, "rules", index);
            rule(check, &path, proto, &providers, &named)
        })
        .collect();
    let passes_preflight = std::mem::take(&mut proto.bypass_cors_preflight);
    let silent = std::mem::take(&mut proto.strip_failure_response);
    // There are no statistics under a prefix.
    proto.stat_prefix.clear();
    check.rest(path, &proto);
    FilterConfig::JwtAuthn(JwtAuthn { providers, rules, named, passes_preflight, silent }.into())
}

/// What a route says.
pub(super) fn of_route(check: &mut Check, path: &str, proto: PerRouteConfig) -> Option<Override> {
    match proto.requirement_specifier {
        Some(RequirementSpecifier::Disabled(true)) => Some(Override::Disabled),
        Some(RequirementSpecifier::RequirementName(name)) => {
            let name = check.name(&join(path, "requirement_name"), name)?;
            Some(Override::Config(FilterConfig::JwtRequirement(name.into())))
        }
        Some(RequirementSpecifier::Disabled(false)) | None => {
            check.wrong(path, "nothing", "disabled: true, or requirement_name");
            None
        }
    }
}

fn rule(
    check: &mut Check,
    path: &str,
    proto: RequirementRule,
    providers: &[Provider],
    named: &[(Box<str>, Requirement)],
) -> Option<JwtRule> {
    let matches = route::route_match(check, &join(path, "match"), proto.r#match.unwrap_or_default());
    let requires = match proto.requirement_type {
        None => None,
        // A message that says nothing demands nothing.
        Some(RequirementType::Requires(JwtRequirement { requires_type: None })) => None,
        Some(RequirementType::Requires(proto)) => Some(requirement(check, &join(path, "requires"), proto, providers)?),
        Some(RequirementType::RequirementName(name)) => {
            let found = named.iter().find(|(own, _)| **own == *name).map(|(_, found)| found.clone());
            if found.is_none() {
                check.wrong(&join(path, "requirement_name"), name, "a name in requirement_map");
            }
            Some(found?)
        }
    };
    Some(JwtRule { matches: matches?, requires })
}

fn requirement(check: &mut Check, path: &str, proto: JwtRequirement, providers: &[Provider]) -> Option<Requirement> {
    let place = |check: &mut Check, path: &str, name: &str| {
        let place = providers.iter().position(|provider| *provider.name == *name);
        if place.is_none() {
            check.wrong(path, name, "the name of a provider");
        }
        place
    };
    match proto.requires_type {
        Some(RequiresType::ProviderName(name)) => {
            Some(Requirement::Provider(place(check, &join(path, "provider_name"), &name)?, None))
        }
        Some(RequiresType::ProviderAndAudiences(proto)) => {
            let place = place(check, &join(path, "provider_and_audiences.provider_name"), &proto.provider_name)?;
            let audiences = proto.audiences.into_iter().map(Into::into).collect();
            Some(Requirement::Provider(place, Some(audiences)))
        }
        Some(RequiresType::RequiresAny(list)) => {
            let path = join(path, "requires_any");
            let mut demand = Demand::Present;
            let mut any = Vec::new();
            for (index, proto) in list.requirements.into_iter().enumerate() {
                match requirement(check, &at(&path, "requirements", index), proto, providers)? {
                    Requirement::Optional(other) => demand = demand.max(other),
                    other => any.push(other),
                }
            }
            Some(if any.is_empty() { Requirement::Optional(demand) } else { Requirement::Any(any, demand) })
        }
        Some(RequiresType::RequiresAll(list)) => {
            let path = join(path, "requires_all");
            let all = list.requirements.into_iter().enumerate();
            let all = all.map(|(index, proto)| requirement(check, &at(&path, "requirements", index), proto, providers));
            all.collect::<Option<_>>().map(Requirement::All)
        }
        Some(RequiresType::AllowMissing(_)) => Some(Requirement::Optional(Demand::Valid)),
        Some(RequiresType::AllowMissingOrFailed(_)) => Some(Requirement::Optional(Demand::Nothing)),
        Some(RequiresType::ExtractOnlyWithoutValidation(_)) => {
            let instead = "a requirement that verifies, as anybody can make tokens";
            check.unsupported(path, "extract_only_without_validation", instead)
        }
        None => {
            check.wrong(path, "empty", "a requirement");
            None
        }
    }
}
