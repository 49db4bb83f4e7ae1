//! Issuers of tokens ([`JwtProvider`]).
//!
//! [`JwtProvider`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/jwt_authn/v3/config.proto#extensions-filters-http-jwt-authn-v3-jwtprovider

use std::{sync::Arc, time::Duration};

use leno_engine::{
    jwt::{ClaimToHeader, Jwks, Keys, Location, Provider, RemoteKeys},
    resilience::Backoff,
};
use leno_proto::v3::{
    core::{DataSource, RetryPolicy, data_source::Specifier},
    jwt_authn::{JwtClaimToHeader, JwtProvider as Proto, RemoteJwks, jwt_provider::JwksSourceSpecifier},
};

use super::super::{
    check::{Check, at, join},
    header, matcher, service,
};

/// How far clocks may differ where nothing is said: Envoy's.
const SKEW: u64 = 60;
/// How long fetched keys are used where nothing is said: Envoy's.
const LIFETIME: Duration = Duration::from_secs(600);
/// How soon keys are fetched again after a failure where nothing is said: Envoy's.
const REFETCH: Duration = Duration::from_secs(1);

pub(super) fn convert(check: &mut Check, path: &str, name: String, mut proto: Proto) -> Option<Provider> {
    let keys = keys(check, path, proto.jwks_source_specifier.take());
    let subjects = proto.subjects.take().and_then(|one| matcher::string(check, &join(path, "subjects"), one));
    let max_lifetime = proto.max_lifetime.take().and_then(|time| check.duration(&join(path, "max_lifetime"), &time));
    let skew = match std::mem::take(&mut proto.clock_skew_seconds) {
        0 => SKEW,
        seconds => seconds.into(),
    };
    let locations = locations(check, path, &mut proto);
    let payload = std::mem::take(&mut proto.forward_payload_header).to_ascii_lowercase();
    let padded = std::mem::take(&mut proto.pad_forward_payload_header);
    if !payload.is_empty() {
        header::name(check, &join(path, "forward_payload_header"), &payload);
    }
    let claims = std::mem::take(&mut proto.claim_to_headers).into_iter().enumerate();
    let claims = claims.filter_map(|(index, one)| claim(check, &at(path, "claim_to_headers", index), one)).collect();
    let mut word_lists = Vec::new();
    if let Some(mut normalize) = proto.normalize_payload_in_metadata.take() {
        word_lists.extend(std::mem::take(&mut normalize.space_delimited_claims).into_iter().map(Into::into));
        check.rest(&join(path, "normalize_payload_in_metadata"), &normalize);
    }
    let key = |text: &mut String| Some(std::mem::take(text)).filter(|text| !text.is_empty()).map(Into::into);
    let provider = Provider {
        name: name.into(),
        issuer: std::mem::take(&mut proto.issuer).into(),
        audiences: std::mem::take(&mut proto.audiences).into_iter().map(Into::into).collect(),
        subjects,
        must_expire: std::mem::take(&mut proto.require_expiration),
        max_lifetime,
        skew: Duration::from_secs(skew),
        keys: keys?,
        locations,
        forwards: std::mem::take(&mut proto.forward),
        payload_header: (!payload.is_empty()).then(|| (payload.into(), padded)),
        claims,
        payload_metadata: key(&mut proto.payload_in_metadata),
        header_metadata: key(&mut proto.header_in_metadata),
        failure_metadata: key(&mut proto.failed_status_in_metadata),
        word_lists,
        reroutes: std::mem::take(&mut proto.clear_route_cache),
    };
    check.rest(path, &proto);
    Some(provider)
}

fn locations(check: &mut Check, path: &str, proto: &mut Proto) -> Vec<Location> {
    let headers = std::mem::take(&mut proto.from_headers).into_iter().enumerate();
    let headers = headers.map(|(index, one)| {
        header::name(check, &join(&at(path, "from_headers", index), "name"), &one.name);
        Location::Header(one.name.to_ascii_lowercase().into(), one.value_prefix.into())
    });
    let mut locations: Vec<_> = headers.collect();
    let parameters = std::mem::take(&mut proto.from_params).into_iter();
    locations.extend(parameters.map(|name| Location::Parameter(name.into())));
    let cookies = std::mem::take(&mut proto.from_cookies).into_iter();
    locations.extend(cookies.map(|name| Location::Cookie(name.into())));
    if locations.is_empty() {
        // Where tokens usually stand.
        locations.push(Location::Header("authorization".into(), "Bearer ".into()));
        locations.push(Location::Parameter("access_token".into()));
    }
    locations
}

fn claim(check: &mut Check, path: &str, proto: JwtClaimToHeader) -> Option<ClaimToHeader> {
    header::name(check, &join(path, "header_name"), &proto.header_name);
    let path_of: Vec<Box<str>> = match (proto.claim_name.is_empty(), proto.claim_path.is_empty()) {
        (false, true) => proto.claim_name.split('.').map(Into::into).collect(),
        (true, false) => proto.claim_path.into_iter().map(|segment| segment.key.into()).collect(),
        (true, true) | (false, false) => {
            check.wrong(path, "none or both", "either claim_name or claim_path");
            return None;
        }
    };
    Some(ClaimToHeader { header: proto.header_name.to_ascii_lowercase().into(), path: path_of })
}

fn keys(check: &mut Check, path: &str, source: Option<JwksSourceSpecifier>) -> Option<Keys> {
    match source {
        Some(JwksSourceSpecifier::LocalJwks(source)) => local(check, &join(path, "local_jwks"), source),
        Some(JwksSourceSpecifier::RemoteJwks(remote)) => self::remote(check, &join(path, "remote_jwks"), remote),
        None => {
            check.wrong(path, "no keys", "remote_jwks or local_jwks");
            None
        }
    }
}

/// Where keys may stand.
const KEYS: &str = "inline_string, inline_bytes or filename";

fn local(check: &mut Check, path: &str, mut source: DataSource) -> Option<Keys> {
    let text = match source.specifier.take() {
        Some(Specifier::InlineString(text)) => text.into_bytes(),
        Some(Specifier::InlineBytes(bytes)) => bytes,
        Some(Specifier::Filename(file)) => match std::fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) => {
                check.wrong(&join(path, "filename"), file, format!("a file that can be read: {error}"));
                return None;
            }
        },
        Some(Specifier::EnvironmentVariable(_)) => return check.unsupported(path, "environment_variable", KEYS),
        None => {
            check.wrong(path, "no keys", KEYS);
            return None;
        }
    };
    check.rest(path, &source);
    match Jwks::read(&text) {
        Ok(keys) => Some(Keys::Local(Arc::new(keys))),
        Err(error) => {
            // The keys may be secrets: they are not told.
            check.wrong(path, error.to_string(), "a set of keys (RFC 7517)");
            None
        }
    }
}

fn remote(check: &mut Check, path: &str, mut proto: RemoteJwks) -> Option<Keys> {
    let service = service::http(check, &join(path, "http_uri"), proto.http_uri.take().unwrap_or_default());
    let lifetime = check.duration_or(&join(path, "cache_duration"), proto.cache_duration.take(), LIFETIME);
    let ahead = proto.async_fetch.take().map(|mut ahead| {
        let path = join(path, "async_fetch");
        // Listeners do not wait for keys: the requests that need them do.
        ahead.fast_listener = false;
        let refetch = ahead.failed_refetch_duration.take();
        let refetch = check.duration_or(&join(&path, "failed_refetch_duration"), refetch, REFETCH);
        check.rest(&path, &ahead);
        refetch
    });
    let (retries, backoff) = retry(check, &join(path, "retry_policy"), proto.retry_policy.take());
    check.rest(path, &proto);
    Some(Keys::Remote(Arc::new(RemoteKeys { service: service?, lifetime, ahead, retries, backoff })))
}

/// How often fetching is tried again; not without a policy.
fn retry(check: &mut Check, path: &str, proto: Option<RetryPolicy>) -> (u32, Backoff) {
    let second = Duration::from_secs(1);
    let mut backoff = Backoff { base: second, max: second * 10 };
    let Some(mut proto) = proto else { return (0, backoff) };
    let retries = proto.num_retries.take().map_or(1, |retries| retries.value);
    if let Some(mut strategy) = proto.retry_back_off.take() {
        let path = join(path, "retry_back_off");
        backoff.base = check.duration_or(&join(&path, "base_interval"), strategy.base_interval.take(), second);
        let max = backoff.base.saturating_mul(10);
        backoff.max = check.duration_or(&join(&path, "max_interval"), strategy.max_interval.take(), max);
        check.rest(&path, &strategy);
    }
    check.rest(path, &proto);
    (retries, backoff)
}
