//! Where resources come from that the file does not have ([`dynamic_resources`]): one stream for all types (ADS), a stream
//! for listeners or for clusters alone, or files that are looked at again and again.
//!
//! [`dynamic_resources`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/bootstrap/v3/bootstrap.proto#envoy-v3-api-msg-config-bootstrap-v3-bootstrap-dynamicresources

use std::{path::PathBuf, sync::Arc, time::Duration};

use leno_model::Invalid;
use leno_proto::v3::{
    bootstrap::bootstrap::DynamicResources,
    core::{
        ApiConfigSource, ApiVersion, ConfigSource, GrpcService, HeaderValue, RateLimitSettings, RetryPolicy,
        api_config_source::ApiType, config_source::ConfigSourceSpecifier, grpc_service::TargetSpecifier,
    },
};
use leno_xds::{
    ResourceType,
    client::{Backoff, Manner, Pace, Protocol, Service},
};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};

use super::{Fixed, read::invalid};
use crate::config::{Cluster, ClusterKind, HttpProtocol, Security, Slot, SlotState, Transport, convert};

/// Where resources come from.
#[derive(Debug, Default)]
pub struct Dynamic {
    /// The server of all types (`ads_config`).
    pub aggregated: Option<Server>,
    /// That of listeners (`lds_config`); `None`: there are only those of the file.
    pub listeners: Option<Source>,
    /// That of clusters (`cds_config`); `None`: there are only those of the file.
    pub clusters: Option<Source>,
}

/// Where resources of one type come from.
#[derive(Debug)]
pub enum Source {
    /// The server of all types.
    Aggregated,
    /// One that is asked for this type alone.
    Server(Server),
    /// A file with a `DiscoveryResponse`, and how often it is looked at.
    File(PathBuf, Duration),
}

/// Servers that can answer, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Server {
    /// How they are spoken with.
    pub manner: Manner,
    /// The waits between attempts.
    pub backoff: Backoff,
    /// Where they are.
    pub upstreams: Vec<Upstream>,
}

/// Where a server is.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// A cluster of the file.
    pub cluster: Arc<Slot<Cluster>>,
    /// What it is called in requests.
    pub authority: Box<str>,
}

/// How long a server may take to say again what it has said before.
const PATIENCE: Duration = Duration::from_secs(2);

/// What clusters of control planes have to be.
const SERVERS: &str = "a cluster with endpoints of its own that are reached in plaintext, over HTTP/2";

/// What keeps a cluster from being asked for resources.
fn unfit(cluster: &Cluster) -> Option<&'static str> {
    let is_plain = |transport: &Transport| matches!(transport, Transport { header: None, security: Security::Plain });
    let plain = cluster.transports.iter().all(|one| is_plain(&one.transport));
    match &cluster.kind {
        ClusterKind::Eds(_) | ClusterKind::OriginalDst(_) => Some("whose endpoints come from elsewhere"),
        ClusterKind::Static(_) | ClusterKind::Dns(_) if !plain => {
            Some("which is reached over TLS or with a PROXY header: Leno does not support it here")
        }
        ClusterKind::Static(_) | ClusterKind::Dns(_) if cluster.protocol != HttpProtocol::Http2 => {
            Some("which does not speak HTTP/2")
        }
        ClusterKind::Static(_) | ClusterKind::Dns(_) => None,
    }
}

/// How often a file is looked at when nothing else is said.
const LOOK: Duration = Duration::from_millis(250);

/// Reads one part, noting all that is wrong.
pub(super) struct Reader<'a> {
    pub(super) fixed: &'a mut Fixed,
    pub(super) wrong: &'a mut Vec<Invalid>,
}

impl Reader<'_> {
    /// Everything.
    pub(super) fn dynamic(&mut self, proto: Option<DynamicResources>) -> Dynamic {
        let Some(mut proto) = proto else { return Dynamic::default() };
        let path = "dynamic_resources";
        let aggregated = proto.ads_config.take();
        let aggregated = aggregated.and_then(|it| self.server(&format!("{path}.ads_config"), it, Service::Aggregated));
        let listeners = proto.lds_config.take();
        let listeners = listeners.and_then(|it| {
            self.source(&format!("{path}.lds_config"), it, ResourceType::Listener, aggregated.is_some())
        });
        let clusters = proto.cds_config.take();
        let clusters = clusters
            .and_then(|it| self.source(&format!("{path}.cds_config"), it, ResourceType::Cluster, aggregated.is_some()));
        self.rest(path, convert::leftover(&proto));
        Dynamic { aggregated, listeners, clusters }
    }

    fn source(&mut self, path: &str, mut proto: ConfigSource, of: ResourceType, has_ads: bool) -> Option<Source> {
        // Nothing waits for the first answer: what the file has serves at once.
        proto.initial_fetch_timeout = None;
        proto.resource_api_version = self.version(path, "resource_api_version", proto.resource_api_version);
        let source = match proto.config_source_specifier.take() {
            Some(ConfigSourceSpecifier::Ads(_)) => {
                if !has_ads {
                    self.wrong(path, "ads", "set", "dynamic_resources.ads_config too");
                }
                Some(Source::Aggregated)
            }
            Some(ConfigSourceSpecifier::ApiConfigSource(api)) => {
                self.server(&format!("{path}.api_config_source"), api, Service::Of(of)).map(Source::Server)
            }
            Some(ConfigSourceSpecifier::PathConfigSource(mut file)) => {
                let path = format!("{path}.path_config_source");
                let name = std::mem::take(&mut file.path);
                let every = self.interval(&path, file.poll_interval.take()).unwrap_or(LOOK);
                if name.is_empty() {
                    self.wrong(&path, "path", "empty", "a file");
                }
                // The file itself is looked at, and with it the directory that a link leads to.
                file.watched_directory = None;
                self.rest(&path, convert::leftover(&file));
                Some(Source::File(name.into(), every))
            }
            #[expect(deprecated, reason = "older files have it")]
            Some(ConfigSourceSpecifier::Path(name)) => Some(Source::File(name.into(), LOOK)),
            // Refused below by its name, as all that is left.
            other => {
                if other.is_none() {
                    self.wrong(path, "ads", "missing", "ads, api_config_source or path_config_source");
                }
                proto.config_source_specifier = other;
                None
            }
        };
        self.rest(path, convert::leftover(&proto));
        source
    }

    /// A server that speaks gRPC.
    fn server(&mut self, path: &str, mut proto: ApiConfigSource, service: Service) -> Option<Server> {
        let protocol = match ApiType::try_from(std::mem::take(&mut proto.api_type)) {
            Ok(ApiType::Grpc) => Protocol::World,
            Ok(ApiType::DeltaGrpc) => Protocol::Delta,
            _ => {
                self.wrong(path, "api_type", "another", "GRPC or DELTA_GRPC");
                Protocol::default()
            }
        };
        proto.transport_api_version = self.version(path, "transport_api_version", proto.transport_api_version);
        let pace = proto.rate_limit_settings.take();
        let pace = pace.and_then(|it| self.pace(&format!("{path}.rate_limit_settings"), it));
        let node_always = !std::mem::take(&mut proto.set_node_on_first_message_only);
        let patience = Some(PATIENCE);
        let mut manner = Manner { protocol, service, node_always, pace, patience, ..Manner::default() };
        let mut backoff = Backoff::default();
        let services = std::mem::take(&mut proto.grpc_services);
        if services.is_empty() {
            self.wrong(path, "grpc_services", "empty", "at least one");
        }
        let mut upstreams = Vec::new();
        for (index, one) in services.into_iter().enumerate() {
            let path = format!("{path}.grpc_services[{index}]");
            upstreams.extend(self.grpc(&path, one, &mut manner.metadata, &mut backoff));
        }
        self.rest(path, convert::leftover(&proto));
        Some(Server { manner, backoff, upstreams })
    }

    fn grpc(
        &mut self,
        path: &str,
        mut proto: GrpcService,
        metadata: &mut MetadataMap,
        backoff: &mut Backoff,
    ) -> Option<Upstream> {
        // It bounds single calls; a stream has no end.
        proto.timeout = None;
        for (index, one) in std::mem::take(&mut proto.initial_metadata).into_iter().enumerate() {
            self.metadata(&format!("{path}.initial_metadata[{index}]"), &one, metadata);
        }
        let Some(TargetSpecifier::EnvoyGrpc(mut target)) =
            proto.target_specifier.take_if(|it| matches!(it, TargetSpecifier::EnvoyGrpc(_)))
        else {
            if proto.target_specifier.is_none() {
                self.wrong(path, "envoy_grpc", "missing", "a cluster of the file");
            }
            self.rest(path, convert::leftover(&proto));
            return None;
        };
        self.rest(path, convert::leftover(&proto));
        let path = format!("{path}.envoy_grpc");
        let cluster_name = std::mem::take(&mut target.cluster_name);
        let authority = std::mem::take(&mut target.authority);
        if let Some(policy) = target.retry_policy.take() {
            self.retries(&format!("{path}.retry_policy"), policy, backoff);
        }
        // Leno adds no headers of Envoy's.
        target.skip_envoy_headers = false;
        self.rest(&path, convert::leftover(&target));
        let cluster = self.fixed.registry.find_cluster(&cluster_name);
        let Some(cluster) = cluster.filter(|slot| slot.state() == SlotState::Ready) else {
            self.wrong(&path, "cluster_name", &format!("{cluster_name:?}"), "a cluster under static_resources");
            return None;
        };
        if let Some(lacks) = cluster.get().and_then(|cluster| unfit(&cluster)) {
            self.wrong(&path, "cluster_name", &format!("{cluster_name:?}, {lacks}"), SERVERS);
            return None;
        }
        let authority = if authority.is_empty() { cluster_name } else { authority };
        if authority.parse::<http::uri::Authority>().is_err() {
            self.wrong(&path, "authority", &format!("{authority:?}"), "a host, since the cluster's name is none");
            return None;
        }
        Some(Upstream { cluster, authority: authority.into() })
    }

    fn retries(&mut self, path: &str, mut proto: RetryPolicy, backoff: &mut Backoff) {
        if let Some(mut times) = proto.retry_back_off.take() {
            let path = format!("{path}.retry_back_off");
            let first = self.interval(&path, times.base_interval.take()).unwrap_or(Duration::from_millis(500));
            let longest = self.interval(&path, times.max_interval.take()).unwrap_or(first.saturating_mul(10));
            if longest < first || first.is_zero() {
                self.wrong(&path, "max_interval", &format!("{longest:?}"), "not less than base_interval, both above 0");
            }
            *backoff = Backoff::new(first, longest);
            self.rest(&path, convert::leftover(&times));
        }
        self.rest(path, convert::leftover(&proto));
    }

    fn metadata(&mut self, path: &str, header: &HeaderValue, into: &mut MetadataMap) {
        let key = AsciiMetadataKey::from_bytes(header.key.to_ascii_lowercase().as_bytes());
        let value = AsciiMetadataValue::try_from(header.value.as_str());
        match (key, value) {
            _ if !header.raw_value.is_empty() => {
                let expected = format!("a text in value: {}", convert::UNSUPPORTED);
                self.wrong(path, "raw_value", "set", &expected);
            }
            (Ok(key), Ok(value)) => drop(into.append(key, value)),
            (Ok(_), Err(_)) => self.wrong(path, "value", &format!("{:?}", header.value), "a text"),
            (Err(_), _) => self.wrong(path, "key", &format!("{:?}", header.key), "a header's name, without -bin"),
        }
    }

    fn pace(&mut self, path: &str, mut proto: RateLimitSettings) -> Option<Pace> {
        let most = proto.max_tokens.take().map_or(100, |it| it.value);
        let rate = proto.fill_rate.take().map_or(10.0, |it| it.value);
        if most == 0 || rate <= 0.0 || !rate.is_finite() {
            self.wrong(path, "fill_rate", &format!("{rate}, max_tokens {most}"), "both above 0");
            return None;
        }
        self.rest(path, convert::leftover(&proto));
        Some(Pace::new(most, rate))
    }

    /// Only V3 is spoken; 0 is left of what is right.
    fn version(&mut self, path: &str, field: &str, version: i32) -> i32 {
        if version != ApiVersion::V3 as i32 {
            self.wrong(path, field, &version.to_string(), "V3");
        }
        0
    }

    fn interval(&mut self, path: &str, time: Option<leno_proto::google::protobuf::Duration>) -> Option<Duration> {
        let time = time?;
        let made = u64::try_from(time.seconds).ok().zip(u32::try_from(time.nanos).ok());
        let made = made.map(|(seconds, nanos)| Duration::new(seconds.min(86_400), nanos.min(999_999_999)));
        if made.is_none_or(|it| it.is_zero()) {
            self.wrong(path, "", &format!("{time:?}"), "a time above 0");
            return None;
        }
        made
    }

    fn wrong(&mut self, path: &str, field: &str, value: &str, expected: &str) {
        let path = if field.is_empty() { path.to_owned() } else { format!("{path}.{field}") };
        self.wrong.push(*invalid(&path, value, expected));
    }

    fn rest(&mut self, path: &str, errors: Vec<Invalid>) {
        self.wrong.extend(super::resource::within(path, errors));
    }
}
