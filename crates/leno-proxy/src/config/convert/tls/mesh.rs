//! TLS of the mesh: the workload's own certificate and roots (secrets `svid` and `trust-bundle`), mutual, TLS 1.3 alone.

use leno_model::{SpiffeId, resource_name};
use leno_proto::v3::{
    matcher::string_matcher::MatchPattern,
    tls::{
        CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, SubjectAltNameMatcher,
        TlsParameters, UpstreamTlsContext,
        common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
        subject_alt_name_matcher::SanType,
        tls_parameters::TlsProtocol,
    },
};

use super::super::{
    super::{MeshTls, UpstreamTls},
    check::{Check, at, join},
    source,
};

/// Whether a context shows the workload's own certificate.
pub(super) fn is(common: &CommonTlsContext) -> bool {
    common.tls_certificate_sds_secret_configs.iter().any(|secret| secret.name == resource_name::SVID)
}

/// Whether a context shows it to endpoints that are believed by rules of its own: there it is a certificate like others.
pub(super) fn is_shown_to_others(common: &CommonTlsContext) -> bool {
    is(common) && matches!(common.validation_context_type, Some(ValidationContextType::ValidationContext(_)))
}

pub(super) fn downstream(check: &mut Check, path: &str, mut context: DownstreamTlsContext) -> MeshTls {
    if context.require_client_certificate.take().is_none_or(|required| !required.value) {
        check.wrong(&join(path, "require_client_certificate"), "false", "true: mesh TLS is mutual");
    }
    let common = context.common_tls_context.take().unwrap_or_default();
    check.rest(path, &context);
    let common = convert(check, &join(path, "common_tls_context"), common);
    if !common.identities.is_empty() {
        check.wrong(path, "names of callers", "none: access rules say who may call");
    }
    MeshTls::new(common.alpn)
}

pub(super) fn upstream(check: &mut Check, path: &str, mut context: UpstreamTlsContext) -> Option<UpstreamTls> {
    let common = context.common_tls_context.take().unwrap_or_default();
    check.rest(path, &context);
    let common = convert(check, &join(path, "common_tls_context"), common);
    for payload in [resource_name::alpn::HTTP1, resource_name::alpn::HTTP2, resource_name::alpn::TCP] {
        if !common.alpn.iter().any(|protocol| **protocol == *payload) {
            let field = join(path, "common_tls_context.alpn_protocols");
            check.wrong(&field, "incomplete", format!("{payload} among them"));
        }
    }
    if common.identities.is_empty() {
        check.wrong(path, "no identity", "match_typed_subject_alt_names with at least one SPIFFE id");
        return None;
    }
    Some(UpstreamTls::new(common.identities))
}

/// What both sides have in common.
struct Common {
    alpn: Vec<Box<str>>,
    identities: Vec<SpiffeId>,
}

fn convert(check: &mut Check, path: &str, mut proto: CommonTlsContext) -> Common {
    if let Some(params) = proto.tls_params.take() {
        versions(check, &join(path, "tls_params"), params);
    }
    let mut certificates = std::mem::take(&mut proto.tls_certificate_sds_secret_configs);
    for (index, certificate) in certificates.iter_mut().enumerate() {
        let path = at(path, "tls_certificate_sds_secret_configs", index);
        source::common(check, &join(&path, "sds_config"), certificate.sds_config.take());
    }
    let own = matches!(certificates.as_slice(), [SdsSecretConfig { name, .. }] if name == resource_name::SVID);
    if !own {
        let names: Vec<_> = certificates.iter().map(|secret| secret.name.as_str()).collect();
        check.wrong(&join(path, "tls_certificate_sds_secret_configs"), format!("{names:?}"), "the secret svid");
    }
    let identities = match proto.validation_context_type.take() {
        Some(ValidationContextType::CombinedValidationContext(combined)) => {
            combined_validation(check, &join(path, "combined_validation_context"), combined)
        }
        Some(ValidationContextType::ValidationContextSdsSecretConfig(secret)) => {
            bundle(check, &join(path, "validation_context_sds_secret_config"), Some(secret));
            Vec::new()
        }
        None => {
            check.wrong(&join(path, "validation_context_type"), "missing", "the secret trust-bundle");
            Vec::new()
        }
        // Refused below by its name, as all that is left.
        other => {
            proto.validation_context_type = other;
            Vec::new()
        }
    };
    let alpn = std::mem::take(&mut proto.alpn_protocols).into_iter().map(Into::into).collect();
    check.rest(path, &proto);
    Common { alpn, identities }
}

/// Only TLS 1.3 is spoken; what names another version asks for what it does not get.
fn versions(check: &mut Check, path: &str, mut params: TlsParameters) {
    for (field, version) in [
        ("tls_minimum_protocol_version", &mut params.tls_minimum_protocol_version),
        ("tls_maximum_protocol_version", &mut params.tls_maximum_protocol_version),
    ] {
        let legal = *version == TlsProtocol::TlSv13 as i32 || *version == TlsProtocol::TlsAuto as i32;
        if !legal {
            check.wrong(&join(path, field), version.to_string(), "TLSv1_3");
        }
        *version = 0;
    }
    check.rest(path, &params);
}

fn combined_validation(
    check: &mut Check,
    path: &str,
    mut combined: CombinedCertificateValidationContext,
) -> Vec<SpiffeId> {
    bundle(
        check,
        &join(path, "validation_context_sds_secret_config"),
        combined.validation_context_sds_secret_config.take(),
    );
    let mut context: CertificateValidationContext = combined.default_validation_context.take().unwrap_or_default();
    let names = std::mem::take(&mut context.match_typed_subject_alt_names);
    let path_names = join(path, "default_validation_context");
    check.rest(&path_names, &context);
    check.rest(path, &combined);
    let names = names.into_iter().enumerate();
    names
        .filter_map(|(index, name)| identity(check, &at(&path_names, "match_typed_subject_alt_names", index), name))
        .collect()
}

/// The roots are the workload's own trust bundle.
fn bundle(check: &mut Check, path: &str, secret: Option<SdsSecretConfig>) {
    let SdsSecretConfig { name, sds_config } = secret.unwrap_or_default();
    source::common(check, &join(path, "sds_config"), sds_config);
    if name != resource_name::TRUST_BUNDLE {
        check.wrong(path, name, resource_name::TRUST_BUNDLE);
    }
}

fn identity(check: &mut Check, path: &str, name: SubjectAltNameMatcher) -> Option<SpiffeId> {
    let SubjectAltNameMatcher { san_type, matcher, oid } = name;
    let matcher = matcher.unwrap_or_default();
    let exact = match matcher.match_pattern {
        Some(MatchPattern::Exact(exact))
            if san_type == SanType::Uri as i32 && !matcher.ignore_case && oid.is_empty() =>
        {
            exact
        }
        other => {
            check.wrong(path, format!("{other:?} of type {san_type}"), "an exact URI");
            return None;
        }
    };
    match exact.parse() {
        Ok(id) => Some(id),
        Err(error) => {
            check.wrong(path, exact, format!("a SPIFFE id: {error}"));
            None
        }
    }
}
