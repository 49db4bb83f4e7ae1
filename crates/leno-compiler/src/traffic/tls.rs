//! How connections to endpoints are protected: by mesh TLS, by TLS of their own, or not at all.
//!
//! | `tls` | endpoints with a sidecar | the others |
//! |---|---|---|
//! | – | mesh TLS | plaintext |
//! | `Disable` | plaintext | plaintext |
//! | `Mutual` | mesh TLS | none: no certificate of theirs is believed |
//! | `Simple` | mesh TLS | TLS of their own |

use leno_model::{
    ServiceAccountName, Snapshot, SpiffeId,
    policy::traffic::{AltName, ClientCertificate, Roots, TlsOrigination, TlsVersion, UpstreamTls},
    resource_name,
};
use leno_proto::{
    any,
    v3::{
        cluster::cluster::TransportSocketMatch,
        core::{DataSource, TransportSocket, data_source::Specifier},
        raw_buffer::RawBuffer,
        tls::{
            CertificateValidationContext, CommonTlsContext, SdsSecretConfig, SubjectAltNameMatcher, TlsParameters,
            UpstreamTlsContext, certificate_validation_context::SystemRootCerts,
            common_tls_context::ValidationContextType, subject_alt_name_matcher::SanType, tls_parameters::TlsProtocol,
        },
    },
};

use crate::{
    Client,
    endpoint::strings,
    message::{mesh_tls, sds, string_exact, transport_socket},
};

/// The transports of a cluster behind which are these accounts.
pub(crate) fn transports(
    snapshot: &Snapshot,
    accounts: &[&ServiceAccountName],
    tls: Option<&UpstreamTls>,
) -> Vec<TransportSocketMatch> {
    let rest = match tls {
        None => one("plaintext", &[], plaintext()),
        Some(UpstreamTls::Disable) => return vec![one("plaintext", &[], plaintext())],
        Some(UpstreamTls::Mutual) => one("none", &[], socket(&context(None, nobody()))),
        Some(UpstreamTls::Simple(tls)) => one("tls", &[], origination(tls)),
    };
    mesh(snapshot, accounts).into_iter().chain([rest]).collect()
}

/// The transport of all that a cluster outside of the mesh is, where it is not plaintext.
pub(crate) fn outside(client: Client, tls: Option<&UpstreamTls>) -> Option<TransportSocket> {
    match (client, tls) {
        (Client::Leno, Some(UpstreamTls::Simple(tls))) => Some(origination(tls)),
        _ => alone(tls),
    }
}

/// The transport of a client that speaks no mesh TLS, where it is not plaintext.
pub(crate) fn alone(tls: Option<&UpstreamTls>) -> Option<TransportSocket> {
    match tls {
        // Who has no identity of the mesh has none to show.
        Some(UpstreamTls::Simple(TlsOrigination { client_certificate: Some(ClientCertificate::Identity), .. })) => {
            Some(socket(&context(None, nobody())))
        }
        Some(UpstreamTls::Simple(tls)) => Some(origination(tls)),
        Some(UpstreamTls::Mutual) => Some(socket(&context(None, nobody()))),
        Some(UpstreamTls::Disable) | None => None,
    }
}

/// Mesh TLS for the endpoints that have a sidecar, where there are any.
fn mesh(snapshot: &Snapshot, accounts: &[&ServiceAccountName]) -> Option<TransportSocketMatch> {
    let identity = |account: &&ServiceAccountName| {
        SpiffeId::new(snapshot.mesh.trust_domain.clone(), (*account).clone()).to_string()
    };
    let identities: Vec<_> = accounts.iter().map(identity).collect();
    let context = UpstreamTlsContext { common_tls_context: Some(mesh_tls(&identities)), ..Default::default() };
    (!identities.is_empty()).then(|| one("mesh", &[(resource_name::MESH_TLS_KEY, "true")], socket(&context)))
}

fn one(name: &str, labels: &[(&str, &str)], transport_socket: TransportSocket) -> TransportSocketMatch {
    TransportSocketMatch { name: name.into(), r#match: Some(strings(labels)), transport_socket: Some(transport_socket) }
}

fn plaintext() -> TransportSocket {
    transport_socket("envoy.transport_sockets.raw_buffer", any::pack(&RawBuffer::default()))
}

fn socket(context: &UpstreamTlsContext) -> TransportSocket {
    transport_socket("envoy.transport_sockets.tls", any::pack(context))
}

fn origination(tls: &TlsOrigination) -> TransportSocket {
    let own = |roots| CertificateValidationContext {
        match_typed_subject_alt_names: tls.names.iter().map(san).collect(),
        ..roots
    };
    let validation = match &tls.roots {
        Roots::System => own(CertificateValidationContext {
            system_root_certs: Some(SystemRootCerts::default()),
            ..Default::default()
        }),
        Roots::Pem(pem) => own(CertificateValidationContext {
            trusted_ca: Some(DataSource {
                specifier: Some(Specifier::InlineString(pem.clone())),
                ..Default::default()
            }),
            ..Default::default()
        }),
        Roots::Nobody => nobody(),
    };
    let version = |version: TlsVersion| match version {
        TlsVersion::V1_2 => TlsProtocol::TlSv12,
        TlsVersion::V1_3 => TlsProtocol::TlSv13,
    };
    let mut made = context(tls.server_name.as_deref(), validation);
    if let Some(common) = &mut made.common_tls_context {
        common.tls_params = Some(TlsParameters {
            // Written in any case: what is not said is TLS 1.2 at most on the side of clients.
            tls_minimum_protocol_version: version(tls.versions.lowest).into(),
            tls_maximum_protocol_version: version(tls.versions.highest).into(),
            ..Default::default()
        });
        common.tls_certificate_sds_secret_configs = tls.client_certificate.iter().map(shown).collect();
    }
    socket(&made)
}

/// The secret that has what callers show.
fn shown(certificate: &ClientCertificate) -> SdsSecretConfig {
    match certificate {
        ClientCertificate::Identity => sds(resource_name::SVID),
        ClientCertificate::Secret(secret) => sds(&resource_name::client_certificate(secret)),
    }
}

fn context(server_name: Option<&str>, validation: CertificateValidationContext) -> UpstreamTlsContext {
    UpstreamTlsContext {
        sni: server_name.unwrap_or_default().to_owned(),
        common_tls_context: Some(CommonTlsContext {
            validation_context_type: Some(ValidationContextType::ValidationContext(validation)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Believes no certificate: none has this sum.
fn nobody() -> CertificateValidationContext {
    CertificateValidationContext { verify_certificate_hash: vec!["00".repeat(32)], ..Default::default() }
}

fn san(name: &AltName) -> SubjectAltNameMatcher {
    let (kind, text) = match name {
        AltName::Dns(name) => (SanType::Dns, name),
        AltName::Uri(uri) => (SanType::Uri, uri),
    };
    SubjectAltNameMatcher { san_type: kind.into(), matcher: Some(string_exact(text)), ..Default::default() }
}
