//! Short names for the packages of Envoy's v3 API that Leno speaks.

pub use crate::envoy::{
    config::{
        accesslog::v3 as accesslog, bootstrap::v3 as bootstrap, cluster::v3 as cluster,
        common::mutation_rules::v3 as mutation_rules, core::v3 as core, endpoint::v3 as endpoint,
        listener::v3 as listener, ratelimit::v3 as ratelimit_service, rbac::v3 as rbac, route::v3 as route,
    },
    extensions::{
        access_loggers::{file::v3 as file_access_log, stream::v3 as stream_access_log},
        clusters::{common::dns::v3 as common_dns, dns::v3 as dns_cluster},
        common::ratelimit::v3 as common_ratelimit,
        filters::{
            common::fault::v3 as common_fault,
            http::{
                buffer::v3 as buffer, cors::v3 as cors, ext_authz::v3 as ext_authz, fault::v3 as fault,
                header_mutation::v3 as header_mutation, jwt_authn::v3 as jwt_authn,
                local_ratelimit::v3 as local_ratelimit, ratelimit::v3 as http_ratelimit, rbac::v3 as http_rbac,
                router::v3 as router, stateful_session::v3 as stateful_session,
            },
            listener::{
                http_inspector::v3 as http_inspector, original_dst::v3 as original_dst,
                proxy_protocol::v3 as proxy_protocol, tls_inspector::v3 as tls_inspector,
            },
            network::{
                connection_limit::v3 as connection_limit, http_connection_manager::v3 as http_connection_manager,
                local_ratelimit::v3 as network_local_ratelimit, ratelimit::v3 as network_ratelimit,
                rbac::v3 as network_rbac, tcp_proxy::v3 as tcp_proxy,
            },
        },
        http::{
            original_ip_detection::xff::v3 as xff,
            stateful_session::{cookie::v3 as cookie_session, header::v3 as header_session},
        },
        load_balancing_policies::{
            cluster_provided::v3 as lb_cluster_provided, common::v3 as lb_common,
            least_request::v3 as lb_least_request, maglev::v3 as lb_maglev, random::v3 as lb_random,
            ring_hash::v3 as lb_ring_hash, round_robin::v3 as lb_round_robin, subset::v3 as lb_subset,
            wrr_locality::v3 as lb_wrr_locality,
        },
        network::dns_resolver::cares::v3 as cares,
        retry::{
            host::{
                omit_canary_hosts::v3 as omit_canary_hosts, omit_host_metadata::v3 as omit_host_metadata,
                previous_hosts::v3 as previous_hosts,
            },
            priority::previous_priorities::v3 as previous_priorities,
        },
        transport_sockets::{
            proxy_protocol::v3 as upstream_proxy_protocol, raw_buffer::v3 as raw_buffer, tls::v3 as tls,
        },
        upstreams::http::v3 as upstream_http,
    },
    service::{auth::v3 as authorization, discovery::v3 as discovery, ratelimit::v3 as ratelimit},
    r#type::{http::v3 as http_type, matcher::v3 as matcher, v3 as r#type},
};
