//! TLS of a configuration's own ([`DownstreamTlsContext`], [`UpstreamTlsContext`]).
//!
//! [`DownstreamTlsContext`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/tls.proto#extensions-transport-sockets-tls-v3-downstreamtlscontext
//! [`UpstreamTlsContext`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/tls.proto#extensions-transport-sockets-tls-v3-upstreamtlscontext

use leno_proto::v3::tls::{DownstreamTlsContext, UpstreamTlsContext, downstream_tls_context::SessionTicketKeysType};
use leno_tls::context::{Accepting, Dialling, Sessions, Side};

use super::{
    super::{
        super::{
            Registry,
            tls::{ClientContext, ServerContext},
        },
        check::{Check, join},
    },
    common,
};

pub(super) fn downstream(
    check: &mut Check,
    path: &str,
    mut proto: DownstreamTlsContext,
    registry: &mut Registry,
) -> Option<ServerContext> {
    let path_common = join(path, "common_tls_context");
    let common = proto.common_tls_context.take().unwrap_or_default();
    let believes = common.validation_context_type.is_some();
    let common = common::convert(check, &path_common, Side::Server, common, registry);
    if common.certificates.is_empty() {
        check.wrong(&path_common, "no certificate", "tls_certificates or tls_certificate_sds_secret_configs");
    }
    let require_certificate = proto.require_client_certificate.take().is_some_and(|it| it.value);
    if require_certificate && !believes {
        let expected = "a validation context as well: nothing says whom to believe";
        check.wrong(&join(path, "require_client_certificate"), "true", expected);
    }
    let require_name = proto.require_sni.take().is_some_and(|it| it.value);
    let full_scan = proto.full_scan_certs_on_sni_mismatch.take().is_some_and(|it| it.value);
    if require_name && full_scan {
        check.wrong(&join(path, "full_scan_certs_on_sni_mismatch"), "true", "false where require_sni is true");
    }
    let sessions = sessions(check, path, &mut proto);
    check.rest(path, &proto);
    let common::Common { certificates, trust, alpn, parameters } = common;
    let settings = Accepting {
        certificates: Vec::new(),
        trust: None,
        require_certificate,
        require_name,
        full_scan,
        alpn,
        parameters,
        sessions,
    };
    Some(ServerContext::new(settings, certificates, trust))
}

fn sessions(check: &mut Check, path: &str, proto: &mut DownstreamTlsContext) -> Sessions {
    let no_tickets = match proto.session_ticket_keys_type.take() {
        Some(SessionTicketKeysType::DisableStatelessSessionResumption(disabled)) => disabled,
        None => false,
        other => {
            // Keys are not shown.
            let field = match other {
                Some(SessionTicketKeysType::SessionTicketKeys(_)) => "session_ticket_keys",
                _ => "session_ticket_keys_sds_secret_config",
            };
            let instead = "none, as keys of tickets are made here and never shared";
            check.unsupported(path, field, instead).unwrap_or_default()
        }
    };
    let timeout = proto.session_timeout.take();
    let timeout = timeout.and_then(|time| check.duration(&join(path, "session_timeout"), &time));
    let no_memory = std::mem::take(&mut proto.disable_stateful_session_resumption);
    Sessions { no_tickets, no_memory, timeout }
}

pub(super) fn upstream(
    check: &mut Check,
    path: &str,
    mut proto: UpstreamTlsContext,
    registry: &mut Registry,
) -> Option<ClientContext> {
    let path_common = join(path, "common_tls_context");
    let common = proto.common_tls_context.take().unwrap_or_default();
    let believes = common.validation_context_type.is_some();
    let common = common::convert(check, &path_common, Side::Client, common, registry);
    if common.certificates.len() > 1 {
        check.wrong(&path_common, format!("{} certificates", common.certificates.len()), "at most one");
    }
    let name = std::mem::take(&mut proto.sni);
    if !name.is_empty() && rustls::pki_types::DnsName::try_from(name.as_str()).is_err() {
        check.wrong(&join(path, "sni"), name.clone(), "the name of a host");
    }
    let by_endpoint = std::mem::take(&mut proto.auto_host_sni);
    let verifies_host = std::mem::take(&mut proto.auto_sni_san_validation);
    if verifies_host && !believes {
        let expected = "trusted_ca as well: anybody can write a name";
        check.wrong(&join(path, "auto_sni_san_validation"), "true", expected);
    }
    let sessions = proto.max_session_keys.take().map_or(1, |keys| keys.value);
    check.rest(path, &proto);
    let common::Common { certificates, trust, alpn, parameters } = common;
    let settings = Dialling { certificate: None, trust: None, verifies_host, alpn, parameters, sessions };
    let name = (!name.is_empty()).then(|| name.into());
    Some(ClientContext::new(settings, certificates.into_iter().next(), trust, name, by_endpoint))
}
