//! Fields that are taken and make no difference, each with the reason. The reference of Envoy's fields holds this list
//! against the converters.

/// A field that makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The full name of its message.
    pub message: &'static str,
    /// Its name.
    pub field: &'static str,
    /// Why it may be ignored.
    pub why: &'static str,
}

const fn ignored(message: &'static str, field: &'static str, why: &'static str) -> Ignored {
    Ignored { message, field, why }
}

/// All of them.
pub const IGNORED: &[Ignored] = &[
    ignored("envoy.config.accesslog.v3.AccessLog", "name", "the type decides which log it is"),
    ignored("envoy.config.cluster.v3.Cluster.CustomClusterType", "name", "the type decides which kind it is"),
    ignored(
        "envoy.config.cluster.v3.Cluster",
        "cleanup_interval",
        "endpoints live as long as something goes to them: there is nothing to clean up",
    ),
    ignored(
        "envoy.config.cluster.v3.Cluster.CommonLbConfig",
        "update_merge_window",
        "when changes of endpoints are merged is no matter of which are chosen",
    ),
    ignored(
        "envoy.config.core.v3.ConfigSource",
        "initial_fetch_timeout",
        "of `lds_config` and `cds_config`: what the file has serves at once",
    ),
    ignored(
        "envoy.config.core.v3.SelfConfigSource",
        "transport_api_version",
        "what refers to the source came by the same stream, which speaks V3",
    ),
    ignored("envoy.config.core.v3.GrpcService", "timeout", "a stream has no end"),
    ignored("envoy.config.core.v3.GrpcService.EnvoyGrpc", "skip_envoy_headers", "Leno adds no headers of Envoy's"),
    ignored(
        "envoy.config.core.v3.HeaderValueOption",
        "append",
        "in health checks: headers of the configuration take the place of Leno's own",
    ),
    ignored(
        "envoy.config.core.v3.HeaderValueOption",
        "append_action",
        "in health checks: headers of the configuration take the place of Leno's own",
    ),
    ignored("envoy.config.core.v3.Metadata", "typed_filter_metadata", "metadata of others concerns others"),
    ignored(
        "envoy.config.core.v3.PathConfigSource",
        "watched_directory",
        "the file itself is looked at, wherever a link leads",
    ),
    ignored(
        "envoy.config.core.v3.RuntimeFractionalPercent",
        "runtime_key",
        "there are no layers that would change the default (`layered_runtime` is refused)",
    ),
    ignored(
        "envoy.config.core.v3.RuntimeDouble",
        "runtime_key",
        "there are no layers that would change the default (`layered_runtime` is refused)",
    ),
    ignored(
        "envoy.config.core.v3.RuntimeFeatureFlag",
        "runtime_key",
        "there are no layers that would change the default (`layered_runtime` is refused)",
    ),
    ignored(
        "envoy.config.core.v3.RuntimeUInt32",
        "runtime_key",
        "there are no layers that would change the default (`layered_runtime` is refused)",
    ),
    ignored("envoy.config.core.v3.JsonFormatOptions", "sort_properties", "fields of JSON always come in their order"),
    ignored("envoy.config.core.v3.TransportSocket", "name", "the type decides which socket it is"),
    ignored("envoy.config.core.v3.TypedExtensionConfig", "name", "the type decides which extension it is"),
    ignored("envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name", "the resource is asked for by name"),
    ignored(
        "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload",
        "category",
        "drops are counted by cluster",
    ),
    ignored("envoy.config.listener.v3.Filter", "name", "the type decides which filter it is"),
    ignored(
        "envoy.config.listener.v3.Listener",
        "bind_to_port",
        "a listener of a file always binds, one of a sidecar never",
    ),
    ignored("envoy.config.listener.v3.Listener", "stat_prefix", "statistics are labelled by what is called"),
    ignored("envoy.config.listener.v3.Listener", "traffic_direction", "where connections come in decides"),
    ignored("envoy.config.listener.v3.ListenerFilter", "name", "the type decides which filter it is"),
    ignored(
        "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
        "stat_prefix",
        "refused connections are counted by the reason",
    ),
    ignored(
        "envoy.config.route.v3.RateLimit",
        "disable_key",
        "there are no layers that would set it (`layered_runtime` is refused)",
    ),
    ignored("envoy.config.route.v3.RateLimit.Action.GenericKey", "default_value", "the value is never empty"),
    ignored("envoy.config.route.v3.RateLimit.Action.HeaderValueMatch", "default_value", "the value is never empty"),
    ignored(
        "envoy.config.route.v3.RateLimit.Action.QueryParameterValueMatch",
        "default_value",
        "the value is never empty",
    ),
    ignored("envoy.config.route.v3.RateLimit.Action.RemoteAddressMatch", "default_value", "the value is never empty"),
    ignored("envoy.config.route.v3.RetryPolicy.RetryPriority", "name", "the type decides which it is"),
    ignored("envoy.config.route.v3.RouteAction.RequestMirrorPolicy", "trace_sampled", "no spans are exported"),
    ignored(
        "envoy.config.route.v3.RouteConfiguration",
        "validate_clusters",
        "clusters are asked for as they are named",
    ),
    ignored("envoy.extensions.filters.http.ext_authz.v3.CheckSettings", "emit_client_span", "no spans are exported"),
    ignored(
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "charge_cluster_response_stats",
        "there are no such statistics",
    ),
    ignored("envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", "emit_client_span", "no spans are exported"),
    ignored(
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "stat_prefix",
        "there are no statistics under a prefix",
    ),
    ignored(
        "envoy.extensions.filters.http.fault.v3.HTTPFault",
        "disable_downstream_cluster_stats",
        "there are no such statistics",
    ),
    ignored(
        "envoy.extensions.filters.http.jwt_authn.v3.JwksAsyncFetch",
        "fast_listener",
        "no listener waits for keys: the requests that need them do",
    ),
    ignored(
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "stat_prefix",
        "there are no statistics under a prefix",
    ),
    ignored(
        "envoy.extensions.filters.http.ratelimit.v3.RateLimit",
        "stat_prefix",
        "there are no statistics under a prefix",
    ),
    ignored(
        "envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules_stat_prefix",
        "denials are counted by who called whom",
    ),
    ignored(
        "envoy.extensions.filters.http.stateful_session.v3.StatefulSession",
        "stat_prefix",
        "there are no statistics under a prefix",
    ),
    ignored(
        "envoy.extensions.filters.network.rbac.v3.RBAC",
        "shadow_rules_stat_prefix",
        "denials are counted by who called whom",
    ),
    ignored("envoy.extensions.filters.network.rbac.v3.RBAC", "stat_prefix", "denials are counted by who called whom"),
];
