//! Where resources come from ([`ConfigSource`]): the stream of all types, a stream of their own, or a file that is looked at
//! again and again.
//!
//! [`ConfigSource`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/config_source.proto#envoy-v3-api-msg-config-core-v3-configsource

use std::{path::PathBuf, time::Duration};

use leno_proto::v3::{
    bootstrap::bootstrap::DynamicResources,
    core::{
        ApiConfigSource, ApiVersion, ConfigSource, GrpcService, HeaderValue, PathConfigSource, RateLimitSettings,
        RetryPolicy, api_config_source::ApiType, config_source::ConfigSourceSpecifier, grpc_service::TargetSpecifier,
    },
};
use leno_xds::{
    ResourceType,
    client::{Backoff, Manner, Pace, Protocol, Service},
};
use prost::Message as _;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};

use super::{
    super::{
        Cluster, ClusterKind, HttpProtocol, Registry, Security, SlotState, Transport,
        source::{Dynamic, Fetch, Server, Source, SourceId, Upstream},
    },
    UNSUPPORTED,
    check::{Check, at, join},
};

/// How long a server may take to say again what it has said before.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a file is looked at when nothing else is said.
const LOOK: Duration = Duration::from_millis(250);
/// The longest time between two looks or attempts.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What clusters of control planes have to be.
const SERVERS: &str =
    "a cluster under static_resources with endpoints of its own that are reached over HTTP/2, in plaintext or by TLS";

/// What keeps a cluster from being asked for resources.
pub(crate) fn unfit(cluster: &Cluster) -> Option<&'static str> {
    let is_mesh = |transport: &Transport| matches!(transport.security, Security::MeshTls(_) | Security::Named(_));
    let mesh = cluster.transports.iter().any(|one| is_mesh(&one.transport));
    match &cluster.kind {
        ClusterKind::Eds(_) | ClusterKind::OriginalDst(_) => Some("whose endpoints come from elsewhere"),
        ClusterKind::Static(_) | ClusterKind::Dns(_) if mesh => {
            Some("which is reached by TLS between workloads: Leno does not support it here")
        }
        ClusterKind::Static(_) | ClusterKind::Dns(_) if cluster.protocol != HttpProtocol::Http2 => {
            Some("which does not speak HTTP/2")
        }
        ClusterKind::Static(_) | ClusterKind::Dns(_) => None,
    }
}

/// A cluster that cannot be asked, as the value of a field.
pub(crate) fn unfit_value(name: &str, lacks: &str) -> (String, &'static str) {
    (format!("{name:?}, {lacks}"), SERVERS)
}

/// Everything that is not in the file itself.
pub(super) fn dynamic(check: &mut Check, mut proto: DynamicResources, registry: &mut Registry) -> Dynamic {
    let aggregated = proto.ads_config.take();
    let aggregated = aggregated.and_then(|it| server(check, "ads_config", it, Service::Aggregated, registry));
    let mut of = |path: &str, proto: Option<ConfigSource>, of| {
        let (source, _) = source(check, path, proto?, of, registry)?;
        if matches!(source, Source::Aggregated) && aggregated.is_none() {
            check.wrong(&join(path, "ads"), "set", "dynamic_resources.ads_config too");
        }
        Some(source)
    };
    let listeners = of("lds_config", proto.lds_config.take(), ResourceType::Listener);
    let clusters = of("cds_config", proto.cds_config.take(), ResourceType::Cluster);
    check.rest("", &proto);
    Dynamic { aggregated, listeners, clusters }
}

/// Where something that is referred to comes from.
pub(super) fn fetch(
    check: &mut Check,
    path: &str,
    proto: Option<ConfigSource>,
    of: ResourceType,
    registry: &mut Registry,
) -> Fetch {
    let Some(mut proto) = proto else { return Fetch::default() };
    // The same server as that of what refers to it, and nothing said at all: in both cases the one stream.
    let is_common = |it: &mut ConfigSourceSpecifier| matches!(it, ConfigSourceSpecifier::Self_(_));
    if proto.config_source_specifier.take_if(is_common).is_some() || proto.config_source_specifier.is_none() {
        proto.config_source_specifier = Some(ConfigSourceSpecifier::Ads(Default::default()));
    }
    // Older messages do not say it.
    if proto.resource_api_version == ApiVersion::Auto as i32 {
        proto.resource_api_version = ApiVersion::V3 as i32;
    }
    let key = (of, proto.encode_to_vec());
    let Some((source, within)) = source(check, path, proto, of, registry) else { return Fetch::default() };
    let source = match source {
        Source::Aggregated => SourceId::COMMON,
        Source::Server(_) | Source::File(..) => registry.source(key, source),
    };
    Fetch { source, within }
}

/// Holds what can only come by the one stream to that.
pub(super) fn common(check: &mut Check, path: &str, proto: Option<ConfigSource>) {
    let Some(mut proto) = proto else { return };
    proto.resource_api_version = 0;
    // A sidecar waits for its own certificate and roots in any case.
    proto.initial_fetch_timeout = None;
    let is_common =
        |it: &mut ConfigSourceSpecifier| matches!(it, ConfigSourceSpecifier::Ads(_) | ConfigSourceSpecifier::Self_(_));
    drop(proto.config_source_specifier.take_if(is_common));
    check.rest(path, &proto);
}

/// A source, and how long what it brings is waited for.
fn source(
    check: &mut Check,
    path: &str,
    mut proto: ConfigSource,
    of: ResourceType,
    registry: &mut Registry,
) -> Option<(Source, Option<Duration>)> {
    let within = proto.initial_fetch_timeout.take();
    let within = check.duration_or(&join(path, "initial_fetch_timeout"), within, Fetch::WITHIN);
    proto.resource_api_version = version(check, path, "resource_api_version", proto.resource_api_version);
    let source = match proto.config_source_specifier.take() {
        Some(ConfigSourceSpecifier::Ads(_)) => Some(Source::Aggregated),
        Some(ConfigSourceSpecifier::ApiConfigSource(api)) => {
            server(check, &join(path, "api_config_source"), api, Service::Of(of), registry).map(Source::Server)
        }
        Some(ConfigSourceSpecifier::PathConfigSource(it)) => file(check, &join(path, "path_config_source"), it),
        #[expect(deprecated, reason = "older files have it")]
        Some(ConfigSourceSpecifier::Path(path)) => Some(Source::File(path.into(), LOOK)),
        // Refused below by its name, as all that is left.
        other => {
            if other.is_none() {
                check.wrong(&join(path, "ads"), "missing", "ads, api_config_source or path_config_source");
            }
            proto.config_source_specifier = other;
            None
        }
    };
    check.rest(path, &proto);
    Some((source?, (!within.is_zero()).then_some(within)))
}

fn file(check: &mut Check, path: &str, mut proto: PathConfigSource) -> Option<Source> {
    let name = check.name(&join(path, "path"), std::mem::take(&mut proto.path));
    let every = interval(check, &join(path, "poll_interval"), proto.poll_interval.take()).unwrap_or(LOOK);
    // The file itself is looked at, and with it the directory that a link leads to.
    proto.watched_directory = None;
    check.rest(path, &proto);
    Some(Source::File(PathBuf::from(name?), every))
}

/// A server that speaks gRPC.
fn server(
    check: &mut Check,
    path: &str,
    mut proto: ApiConfigSource,
    service: Service,
    registry: &mut Registry,
) -> Option<Server> {
    let protocol = match ApiType::try_from(std::mem::take(&mut proto.api_type)) {
        Ok(ApiType::Grpc) => Protocol::World,
        Ok(ApiType::DeltaGrpc) => Protocol::Delta,
        _ => {
            check.wrong(&join(path, "api_type"), "another", "GRPC or DELTA_GRPC");
            Protocol::default()
        }
    };
    proto.transport_api_version = version(check, path, "transport_api_version", proto.transport_api_version);
    let pace = proto.rate_limit_settings.take();
    let pace = pace.and_then(|it| self::pace(check, &join(path, "rate_limit_settings"), it));
    let node_always = !std::mem::take(&mut proto.set_node_on_first_message_only);
    let patience = Some(PATIENCE);
    let mut manner = Manner { protocol, service, node_always, pace, patience, ..Manner::default() };
    let mut backoff = Backoff::default();
    let services = std::mem::take(&mut proto.grpc_services);
    if services.is_empty() {
        check.wrong(&join(path, "grpc_services"), "empty", "at least one");
    }
    let mut upstreams = Vec::new();
    for (index, one) in services.into_iter().enumerate() {
        let path = at(path, "grpc_services", index);
        for (index, header) in one.initial_metadata.iter().enumerate() {
            metadata(check, &at(&path, "initial_metadata", index), header, &mut manner.metadata);
        }
        upstreams.extend(grpc(check, &path, one, &mut backoff, registry));
    }
    check.rest(path, &proto);
    Some(Server { manner, backoff, upstreams })
}

fn grpc(
    check: &mut Check,
    path: &str,
    mut proto: GrpcService,
    backoff: &mut Backoff,
    registry: &mut Registry,
) -> Option<Upstream> {
    // It bounds single calls; a stream has no end.
    proto.timeout = None;
    proto.initial_metadata.clear();
    let Some(TargetSpecifier::EnvoyGrpc(mut target)) =
        proto.target_specifier.take_if(|it| matches!(it, TargetSpecifier::EnvoyGrpc(_)))
    else {
        if proto.target_specifier.is_none() {
            check.wrong(&join(path, "envoy_grpc"), "missing", "a cluster of the file");
        }
        check.rest(path, &proto);
        return None;
    };
    check.rest(path, &proto);
    let path = join(path, "envoy_grpc");
    let name = std::mem::take(&mut target.cluster_name);
    let authority = std::mem::take(&mut target.authority);
    if let Some(policy) = target.retry_policy.take() {
        retries(check, &join(&path, "retry_policy"), policy, backoff);
    }
    // Leno adds no headers of Envoy's.
    target.skip_envoy_headers = false;
    check.rest(&path, &target);
    let path_name = join(&path, "cluster_name");
    if !registry.is_primary(&name) {
        check.wrong(&path_name, format!("{name:?}"), SERVERS);
        return None;
    }
    let cluster = registry.cluster(&name);
    // While the file is read it may come later: then all are looked at once they are there.
    if let Some(lacks) = cluster.get().filter(|_| cluster.state() == SlotState::Ready).and_then(|it| unfit(&it)) {
        let (value, expected) = unfit_value(&name, lacks);
        check.wrong(&path_name, value, expected);
        return None;
    }
    let authority = if authority.is_empty() { name } else { authority };
    if authority.parse::<http::uri::Authority>().is_err() {
        let expected = "a host, since the cluster's name is none";
        check.wrong(&join(&path, "authority"), format!("{authority:?}"), expected);
        return None;
    }
    Some(Upstream { cluster, authority: authority.into() })
}

fn retries(check: &mut Check, path: &str, mut proto: RetryPolicy, backoff: &mut Backoff) {
    if let Some(mut times) = proto.retry_back_off.take() {
        let path = join(path, "retry_back_off");
        let first = interval(check, &join(&path, "base_interval"), times.base_interval.take());
        let first = first.unwrap_or(Duration::from_millis(500));
        let longest = interval(check, &join(&path, "max_interval"), times.max_interval.take());
        let longest = longest.unwrap_or(first.saturating_mul(10));
        if longest < first {
            check.wrong(&join(&path, "max_interval"), format!("{longest:?}"), "not less than base_interval");
        }
        *backoff = Backoff::new(first, longest);
        check.rest(&path, &times);
    }
    check.rest(path, &proto);
}

fn metadata(check: &mut Check, path: &str, header: &HeaderValue, into: &mut MetadataMap) {
    let key = AsciiMetadataKey::from_bytes(header.key.to_ascii_lowercase().as_bytes());
    let value = AsciiMetadataValue::try_from(header.value.as_str());
    match (key, value) {
        _ if !header.raw_value.is_empty() => {
            check.wrong(&join(path, "raw_value"), "set", format!("a text in value: {UNSUPPORTED}"));
        }
        (Ok(key), Ok(value)) => drop(into.append(key, value)),
        // The value may be a password, so it is not repeated.
        (Ok(_), Err(_)) => check.wrong(&join(path, "value"), "a text with a control character", "a text without one"),
        (Err(_), _) => check.wrong(&join(path, "key"), format!("{:?}", header.key), "a header's name, without -bin"),
    }
}

fn pace(check: &mut Check, path: &str, mut proto: RateLimitSettings) -> Option<Pace> {
    let most = proto.max_tokens.take().map_or(100, |it| it.value);
    let rate = proto.fill_rate.take().map_or(10.0, |it| it.value);
    if most == 0 || rate <= 0.0 || !rate.is_finite() {
        check.wrong(&join(path, "fill_rate"), format!("{rate}, max_tokens {most}"), "both above 0");
        return None;
    }
    check.rest(path, &proto);
    Some(Pace::new(most, rate))
}

/// Only V3 is spoken; 0 is left of what is right.
fn version(check: &mut Check, path: &str, field: &str, version: i32) -> i32 {
    if version != ApiVersion::V3 as i32 {
        check.wrong(&join(path, field), version.to_string(), "V3");
    }
    0
}

/// A time above 0, up to a day.
fn interval(check: &mut Check, path: &str, time: Option<leno_proto::google::protobuf::Duration>) -> Option<Duration> {
    let time = check.duration(path, &time?)?;
    if time.is_zero() {
        check.wrong(path, "0s", "a time above 0");
        return None;
    }
    Some(time.min(LONGEST))
}
