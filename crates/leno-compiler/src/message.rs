//! Small messages that many resources are made of.

use std::{net::SocketAddr, time::Duration};

use leno_model::resource_name;
use leno_proto::{
    any,
    google::protobuf::{self, Any, UInt32Value},
    v3::{
        accesslog, core,
        http_connection_manager::{HttpFilter, http_filter},
        listener::{self, filter},
        matcher, stream_access_log, tls,
    },
};

/// "Ask for it on this same stream."
pub(crate) fn ads() -> core::ConfigSource {
    core::ConfigSource {
        resource_api_version: core::ApiVersion::V3.into(),
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(core::AggregatedConfigSource {})),
        ..Default::default()
    }
}

pub(crate) fn duration(duration: Duration) -> protobuf::Duration {
    protobuf::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// A gRPC service behind a cluster.
pub(crate) fn grpc_service(cluster_name: String, authority: String, timeout: Duration) -> core::GrpcService {
    let target = core::grpc_service::EnvoyGrpc { cluster_name, authority, ..Default::default() };
    core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(target)),
        timeout: Some(duration(timeout)),
        ..Default::default()
    }
}

pub(crate) fn uint32(value: u32) -> UInt32Value {
    UInt32Value { value }
}

pub(crate) fn address(address: SocketAddr) -> core::Address {
    core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: address.ip().to_string(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(address.port().into())),
            ..Default::default()
        })),
    }
}

/// The objects that something was made of, as the sidecar tells people of them; `None`: there are none to tell.
pub(crate) fn origins(objects: impl IntoIterator<Item = String>) -> Option<core::Metadata> {
    let text = |object| protobuf::Value { kind: Some(protobuf::value::Kind::StringValue(object)) };
    let values: Vec<_> = objects.into_iter().map(text).collect();
    if values.is_empty() {
        return None;
    }
    let list = protobuf::value::Kind::ListValue(protobuf::ListValue { values });
    // One entry a map: their order cannot differ.
    let fields = [(resource_name::ORIGIN_OBJECTS.to_owned(), protobuf::Value { kind: Some(list) })].into();
    let said = [(resource_name::ORIGIN_METADATA.to_owned(), protobuf::Struct { fields })].into();
    Some(core::Metadata { filter_metadata: said, ..Default::default() })
}

/// A regular expression that the whole text must fit.
pub(crate) fn regex(regex: &str) -> matcher::RegexMatcher {
    matcher::RegexMatcher { regex: regex.to_owned(), ..Default::default() }
}

pub(crate) fn string_regex(text: &str) -> matcher::StringMatcher {
    matcher::StringMatcher {
        match_pattern: Some(matcher::string_matcher::MatchPattern::SafeRegex(regex(text))),
        ..Default::default()
    }
}

pub(crate) fn string_exact(text: &str) -> matcher::StringMatcher {
    matcher::StringMatcher {
        match_pattern: Some(matcher::string_matcher::MatchPattern::Exact(text.to_owned())),
        ..Default::default()
    }
}

pub(crate) fn network_filter(name: &str, config: Any) -> listener::Filter {
    listener::Filter { name: name.to_owned(), config_type: Some(filter::ConfigType::TypedConfig(config)) }
}

/// A filter of requests.
pub(crate) fn http_filter(name: &str, config: Any) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}

pub(crate) fn listener_filter(name: &str, config: Any) -> listener::ListenerFilter {
    listener::ListenerFilter {
        name: name.to_owned(),
        config_type: Some(listener::listener_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}

/// The access log of a listener or connection: to standard output, when the mesh wants one.
pub(crate) fn access_log(wanted: bool) -> Vec<accesslog::AccessLog> {
    if !wanted {
        return Vec::new();
    }
    let config = any::pack(&stream_access_log::StdoutAccessLog::default());
    vec![accesslog::AccessLog {
        name: "envoy.access_loggers.stdout".into(),
        config_type: Some(accesslog::access_log::ConfigType::TypedConfig(config)),
        ..Default::default()
    }]
}

pub(crate) fn transport_socket(name: &str, config: Any) -> core::TransportSocket {
    core::TransportSocket {
        name: name.to_owned(),
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(config)),
    }
}

/// The secret of this name, from the stream that brought the rest.
pub(crate) fn sds(name: &str) -> tls::SdsSecretConfig {
    tls::SdsSecretConfig { name: name.to_owned(), sds_config: Some(ads()) }
}

/// What both sides of mesh TLS have in common: TLS 1.3 alone, the workload's own certificate, the trust bundle, and,
/// on the dialling side, the identities that are accepted.
pub(crate) fn mesh_tls(identities: &[String]) -> tls::CommonTlsContext {
    let san = |identity: &String| tls::SubjectAltNameMatcher {
        san_type: tls::subject_alt_name_matcher::SanType::Uri.into(),
        matcher: Some(string_exact(identity)),
        ..Default::default()
    };
    let bundle = sds(resource_name::TRUST_BUNDLE);
    let validation = if identities.is_empty() {
        tls::common_tls_context::ValidationContextType::ValidationContextSdsSecretConfig(bundle)
    } else {
        let combined = tls::common_tls_context::CombinedCertificateValidationContext {
            default_validation_context: Some(tls::CertificateValidationContext {
                match_typed_subject_alt_names: identities.iter().map(san).collect(),
                ..Default::default()
            }),
            validation_context_sds_secret_config: Some(bundle),
            ..Default::default()
        };
        tls::common_tls_context::ValidationContextType::CombinedValidationContext(combined)
    };
    use resource_name::alpn;
    tls::CommonTlsContext {
        tls_params: Some(tls::TlsParameters {
            tls_minimum_protocol_version: tls::tls_parameters::TlsProtocol::TlSv13.into(),
            tls_maximum_protocol_version: tls::tls_parameters::TlsProtocol::TlSv13.into(),
            ..Default::default()
        }),
        tls_certificate_sds_secret_configs: vec![sds(resource_name::SVID)],
        alpn_protocols: [alpn::HTTP2, alpn::HTTP1, alpn::TCP].map(str::to_owned).to_vec(),
        validation_context_type: Some(validation),
        ..Default::default()
    }
}
