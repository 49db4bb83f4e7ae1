//! Services that filters ask ([`envoy.config.core.v3.GrpcService`], [`envoy.config.core.v3.HttpUri`]).
//!
//! [`envoy.config.core.v3.GrpcService`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/grpc_service.proto
//! [`envoy.config.core.v3.HttpUri`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/http_uri.proto

use std::time::Duration;

use leno_engine::{
    filter::{GrpcService, HttpService},
    route::{HeaderAppend, HeaderWrite},
};
use leno_proto::v3::core::{
    ApiVersion, GrpcService as GrpcProto, HeaderValue, HttpUri, grpc_service::TargetSpecifier,
    http_uri::HttpUpstreamType,
};

use super::{
    check::{Check, at, join},
    header::{self, Known},
};

/// A service that speaks gRPC. `time`: how long an answer may take where nothing is said.
pub(super) fn grpc(check: &mut Check, path: &str, mut proto: GrpcProto, time: Duration) -> Option<GrpcService> {
    let timeout = check.duration_or(&join(path, "timeout"), proto.timeout.take(), time);
    let metadata = std::mem::take(&mut proto.initial_metadata).into_iter().enumerate();
    let metadata =
        metadata.filter_map(|(index, one)| write(check, &at(path, "initial_metadata", index), &one)).collect();
    if proto.target_specifier.is_none() {
        check.wrong(path, "no service of a cluster", "envoy_grpc");
    }
    let target = proto.target_specifier.take_if(|it| matches!(it, TargetSpecifier::EnvoyGrpc(_)));
    check.rest(path, &proto);
    let Some(TargetSpecifier::EnvoyGrpc(mut envoy)) = target else { return None };
    let path = join(path, "envoy_grpc");
    let cluster = std::mem::take(&mut envoy.cluster_name);
    let cluster = check.name(&join(&path, "cluster_name"), cluster)?;
    let authority = std::mem::take(&mut envoy.authority);
    let authority = if authority.is_empty() { cluster.clone() } else { authority };
    if authority.parse::<http::uri::Authority>().is_err() {
        check.wrong(&join(&path, "authority"), authority.clone(), "a host (else the cluster's name must be one)");
    }
    // Leno sends none of Envoy's own headers.
    envoy.skip_envoy_headers = false;
    check.rest(&path, &envoy);
    let timeout = (!timeout.is_zero()).then_some(timeout);
    Some(GrpcService { cluster: cluster.into(), authority: authority.into(), timeout, metadata })
}

/// Only the third version of services is spoken.
pub(super) fn version(check: &mut Check, path: &str, version: &mut i32) {
    match ApiVersion::try_from(std::mem::take(version)) {
        Ok(ApiVersion::Auto | ApiVersion::V3) => {}
        #[expect(deprecated, reason = "it is refused")]
        Ok(ApiVersion::V2) | Err(_) => check.wrong(&join(path, "transport_api_version"), "another", "V3"),
    }
}

/// A header of each question.
pub(super) fn write(check: &mut Check, path: &str, header: &HeaderValue) -> Option<HeaderWrite> {
    let (name, value) = header::pair(check, path, header, Known::Request)?;
    Some(HeaderWrite { name, value, append: HeaderAppend::Overwrite })
}

/// A service that speaks HTTP.
pub(super) fn http(check: &mut Check, path: &str, mut proto: HttpUri) -> Option<HttpService> {
    let uri = std::mem::take(&mut proto.uri);
    let timeout = proto.timeout.take();
    if timeout.is_none() {
        check.wrong(&join(path, "timeout"), "missing", "a time");
    }
    let timeout = check.duration(&join(path, "timeout"), &timeout.unwrap_or_default())?;
    let cluster = match proto.http_upstream_type.take() {
        Some(HttpUpstreamType::Cluster(name)) => check.name(&join(path, "cluster"), name)?,
        None => {
            check.wrong(&join(path, "cluster"), "missing", "a cluster");
            return None;
        }
    };
    check.rest(path, &proto);
    let (host, target) = split(&uri);
    if host.parse::<http::uri::Authority>().is_err() || target.parse::<http::uri::PathAndQuery>().is_err() {
        check.wrong(&join(path, "uri"), uri.clone(), "a URI such as https://host/path");
        return None;
    }
    let timeout = (!timeout.is_zero()).then_some(timeout);
    Some(HttpService { cluster: cluster.into(), host: host.into(), path: target.into(), timeout })
}

/// Host and path of a URI, with or without a scheme.
fn split(uri: &str) -> (&str, &str) {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_a_host_and_a_path() {
        for (uri, expected) in [
            ("https://a.example/keys?x", ("a.example", "/keys?x")),
            ("http://a:80", ("a:80", "/")),
            ("a/b", ("a", "/b")),
            ("a", ("a", "/")),
        ] {
            assert_eq!(split(uri), expected, "{uri}");
        }
    }
}
