//! Clusters whose endpoints are known by name: `STRICT_DNS` and `LOGICAL_DNS` ([`envoy.config.cluster.v3.Cluster`]), and
//! the typed kind ([`envoy.extensions.clusters.dns.v3.DnsCluster`]).
//!
//! [`envoy.config.cluster.v3.Cluster`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto
//! [`envoy.extensions.clusters.dns.v3.DnsCluster`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/clusters/dns/v3/dns_cluster.proto

use std::{net::SocketAddr, time::Duration};

use leno_proto::{
    google::protobuf::Duration as ProtoDuration,
    v3::{
        cares::CaresDnsResolverConfig,
        cluster::{
            Cluster as Proto,
            cluster::{CustomClusterType, DnsLookupFamily, RefreshRate},
        },
        common_dns::DnsLookupFamily as TypedFamily,
        core::{DnsResolverOptions, TypedExtensionConfig},
        dns_cluster::DnsCluster,
    },
};

use super::{
    super::{
        ClusterKind, Slot,
        dns::{DnsEndpoints, DnsKind, Failure, Family, Resolver},
    },
    check::{Check, at, join},
    endpoint,
};

/// Envoy's default.
pub(super) const REFRESH: Duration = Duration::from_secs(5);

/// What Envoy refuses as too short.
const SHORTEST: Duration = Duration::from_millis(1);

/// When names are asked for, and whom.
struct Settings {
    kind: DnsKind,
    family: Family,
    resolver: Resolver,
    refresh: Duration,
    failure: Failure,
    respect_ttl: bool,
    shortest: Duration,
    jitter: Duration,
}

/// A cluster of type `STRICT_DNS` or `LOGICAL_DNS`.
#[expect(deprecated, reason = "Envoy prefers the typed kind, and most configurations have this one")]
pub(super) fn convert(check: &mut Check, proto: &mut Proto, kind: DnsKind) -> Option<ClusterKind> {
    let number = std::mem::take(&mut proto.dns_lookup_family);
    let family = match DnsLookupFamily::try_from(number) {
        Ok(DnsLookupFamily::Auto) => Family::Auto,
        Ok(DnsLookupFamily::V4Only) => Family::V4,
        Ok(DnsLookupFamily::V6Only) => Family::V6,
        Ok(DnsLookupFamily::V4Preferred) => Family::V4Preferred,
        Ok(DnsLookupFamily::All) => Family::All,
        Err(_) => {
            check.wrong("dns_lookup_family", number.to_string(), "one of its values");
            Family::Auto
        }
    };
    let refresh = interval(check, "dns_refresh_rate", proto.dns_refresh_rate.take(), REFRESH);
    let failure = proto.dns_failure_refresh_rate.take().map(|mut rate| {
        let parts = (rate.base_interval.take(), rate.max_interval.take());
        check.rest::<RefreshRate>("dns_failure_refresh_rate", &rate);
        parts
    });
    let failure = self::failure(check, "dns_failure_refresh_rate", failure, refresh);
    let resolver = proto.typed_dns_resolver_config.take();
    let settings = Settings {
        kind,
        family,
        resolver: self::resolver(check, "typed_dns_resolver_config", resolver),
        refresh,
        failure,
        respect_ttl: std::mem::take(&mut proto.respect_dns_ttl),
        shortest: Duration::ZERO,
        jitter: check.duration_or("dns_jitter", proto.dns_jitter.take(), Duration::ZERO),
    };
    finish(check, proto, settings)
}

/// A cluster of a type by its own message, of which this is the only one.
pub(super) fn typed(check: &mut Check, proto: &mut Proto, mut custom: CustomClusterType) -> Option<ClusterKind> {
    custom.name.clear();
    let config = custom.typed_config.take().unwrap_or_default();
    check.rest("cluster_type", &custom);
    let path = "cluster_type.typed_config";
    let mut dns = check.unpack::<DnsCluster>(path, &config)?;
    let path_of = |field: &str| join(path, field);
    let number = std::mem::take(&mut dns.dns_lookup_family);
    let family = match TypedFamily::try_from(number) {
        Ok(TypedFamily::Unspecified | TypedFamily::Auto) => Family::Auto,
        Ok(TypedFamily::V4Only) => Family::V4,
        Ok(TypedFamily::V6Only) => Family::V6,
        Ok(TypedFamily::V4Preferred) => Family::V4Preferred,
        Ok(TypedFamily::All) => Family::All,
        Err(_) => {
            check.wrong(&path_of("dns_lookup_family"), number.to_string(), "one of its values");
            Family::Auto
        }
    };
    let refresh = interval(check, &path_of("dns_refresh_rate"), dns.dns_refresh_rate.take(), REFRESH);
    let failure = dns.dns_failure_refresh_rate.take().map(|mut rate| {
        let parts = (rate.base_interval.take(), rate.max_interval.take());
        check.rest(&path_of("dns_failure_refresh_rate"), &rate);
        parts
    });
    let failure = self::failure(check, &path_of("dns_failure_refresh_rate"), failure, refresh);
    let one = std::mem::take(&mut dns.all_addresses_in_single_endpoint);
    let resolver = dns.typed_dns_resolver_config.take();
    let settings = Settings {
        // All addresses of a name in one endpoint is what a logical cluster has.
        kind: if one { DnsKind::Logical } else { DnsKind::Strict },
        family,
        resolver: self::resolver(check, &path_of("typed_dns_resolver_config"), resolver),
        refresh,
        failure,
        respect_ttl: std::mem::take(&mut dns.respect_dns_ttl),
        shortest: check.duration_or(&path_of("dns_min_refresh_rate"), dns.dns_min_refresh_rate.take(), Duration::ZERO),
        jitter: check.duration_or(&path_of("dns_jitter"), dns.dns_jitter.take(), Duration::ZERO),
    };
    check.rest(path, &dns);
    finish(check, proto, settings)
}

fn finish(check: &mut Check, proto: &mut Proto, settings: Settings) -> Option<ClusterKind> {
    let assignment = proto.load_assignment.take().unwrap_or_default();
    let (names, rules) = endpoint::named(check, "load_assignment", assignment);
    if settings.kind == DnsKind::Logical && names.len() != 1 {
        check.wrong("load_assignment", format!("{} endpoints", names.len()), "one endpoint: a logical cluster has one");
    }
    let Settings { kind, family, resolver, refresh, failure, respect_ttl, shortest, jitter } = settings;
    Some(ClusterKind::Dns(Box::new(DnsEndpoints {
        kind,
        names,
        rules,
        family,
        resolver,
        refresh,
        failure,
        respect_ttl,
        shortest,
        jitter,
        slot: Slot::pending("dns"),
        started: false.into(),
    })))
}

/// A time between two questions.
fn interval(check: &mut Check, path: &str, proto: Option<ProtoDuration>, default: Duration) -> Duration {
    let time = check.duration_or(path, proto, default);
    if time <= SHORTEST {
        check.wrong(path, format!("{time:?}"), format!("more than {SHORTEST:?}"));
    }
    time
}

/// Two durations that a message may have.
type Interval = (Option<ProtoDuration>, Option<ProtoDuration>);

/// How often is asked after a failure; as often as otherwise, where nothing is said.
fn failure(check: &mut Check, path: &str, interval: Option<Interval>, refresh: Duration) -> Failure {
    let Some((base, max)) = interval else { return Failure { base: refresh, max: refresh } };
    let base = self::interval(check, &join(path, "base_interval"), base, refresh);
    let max = self::interval(check, &join(path, "max_interval"), max, base.saturating_mul(10));
    if max < base {
        check.wrong(&join(path, "max_interval"), format!("{max:?}"), "at least base_interval");
    }
    Failure { base, max }
}

fn resolver(check: &mut Check, path: &str, proto: Option<TypedExtensionConfig>) -> Resolver {
    let mut resolver = Resolver::default();
    let Some(mut proto) = proto else { return resolver };
    proto.name.clear();
    let config = proto.typed_config.take().unwrap_or_default();
    check.rest(path, &proto);
    let path = join(path, "typed_config");
    let Some(mut proto) = check.unpack::<CaresDnsResolverConfig>(&path, &config) else { return resolver };
    let servers = std::mem::take(&mut proto.resolvers).into_iter().enumerate();
    let server = |(index, address)| endpoint::socket(check, &at(&path, "resolvers", index), address);
    resolver.servers = servers.filter_map(server).map(with_port).collect();
    if let Some(mut options) = proto.dns_resolver_options.take() {
        resolver.tcp = std::mem::take(&mut options.use_tcp_for_dns_lookups);
        resolver.search = !std::mem::take(&mut options.no_default_search_domain);
        check.rest::<DnsResolverOptions>(&join(&path, "dns_resolver_options"), &options);
    }
    if let Some(seconds) = proto.query_timeout_seconds.take() {
        resolver.timeout = Duration::from_secs(seconds.value.max(1));
    }
    if let Some(tries) = proto.query_tries.take() {
        resolver.tries = tries.value.max(1);
    }
    resolver.rotate = std::mem::take(&mut proto.rotate_nameservers);
    check.rest(&path, &proto);
    resolver
}

/// Servers without a port have the usual one.
fn with_port(mut server: SocketAddr) -> SocketAddr {
    if server.port() == 0 {
        server.set_port(53);
    }
    server
}
