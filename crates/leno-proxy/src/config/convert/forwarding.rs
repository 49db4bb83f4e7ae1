//! What a connection manager says of who called.

use leno_proto::v3::{
    core::TypedExtensionConfig,
    http_connection_manager::{
        HttpConnectionManager as Proto,
        http_connection_manager::{ForwardClientCertDetails, ServerHeaderTransformation, SetCurrentClientCertDetails},
    },
    xff::XffConfig,
};

use super::{
    super::{CertificateHeader, Forwarding, ServerHeader, ToldCertificate},
    check::{Check, at, join},
};

pub(super) fn convert(check: &mut Check, path: &str, proto: &mut Proto) -> Forwarding {
    let is_edge = proto.use_remote_address.take().is_some_and(|it| it.value);
    let mut trusted_hops = std::mem::take(&mut proto.xff_num_trusted_hops);
    let append = !std::mem::take(&mut proto.skip_xff_append);
    for (index, one) in std::mem::take(&mut proto.original_ip_detection_extensions).into_iter().enumerate() {
        let path = at(path, "original_ip_detection_extensions", index);
        if is_edge || trusted_hops > 0 || index > 0 {
            let expected = "neither use_remote_address nor xff_num_trusted_hops beside it, and one alone";
            check.wrong(&path, one.name.clone(), expected);
        }
        trusted_hops = detection(check, &path, one).unwrap_or(trusted_hops);
    }
    let via = std::mem::take(&mut proto.via);
    let via = (!via.is_empty()).then(|| via.into());
    let (certificate, told) = certificate(check, path, proto);
    // Without it there is no identifier to follow a request by.
    if proto.generate_request_id.take().is_some_and(|it| !it.value) {
        check.wrong(&join(path, "generate_request_id"), "false", "true: every request has an identifier");
    }
    Forwarding {
        is_edge,
        trusted_hops,
        append,
        via,
        server: server(check, path, proto),
        certificate,
        told,
        keep_request_id: std::mem::take(&mut proto.preserve_external_request_id),
        answers_request_id: std::mem::take(&mut proto.always_set_request_id_in_response),
        scheme: None,
    }
}

/// How many hops are trusted by the one way to find out who called.
fn detection(check: &mut Check, path: &str, mut proto: TypedExtensionConfig) -> Option<u32> {
    proto.name.clear();
    let config = proto.typed_config.take().unwrap_or_default();
    check.rest(path, &proto);
    let path = join(path, "typed_config");
    let mut config = check.unpack::<XffConfig>(&path, &config)?;
    let hops = std::mem::take(&mut config.xff_num_trusted_hops);
    // Nothing is added where the connection's address is not the caller's.
    if config.skip_xff_append.take().is_some_and(|it| !it.value) {
        check.wrong(&join(&path, "skip_xff_append"), "false", "true");
    }
    check.rest(&path, &config);
    Some(hops)
}

/// Our name in answers. Without one of its own a sidecar says none: the endpoint's is what callers are to see.
fn server(check: &mut Check, path: &str, proto: &mut Proto) -> ServerHeader {
    let name = std::mem::take(&mut proto.server_name);
    let number = std::mem::take(&mut proto.server_header_transformation);
    match (ServerHeaderTransformation::try_from(number), name.as_str()) {
        (Ok(ServerHeaderTransformation::PassThrough), _) | (Ok(ServerHeaderTransformation::Overwrite), "") => {
            ServerHeader::Keep
        }
        (Ok(ServerHeaderTransformation::Overwrite), name) => ServerHeader::Set(name.into()),
        (Ok(ServerHeaderTransformation::AppendIfAbsent), "") => ServerHeader::SetIfAbsent("envoy".into()),
        (Ok(ServerHeaderTransformation::AppendIfAbsent), name) => ServerHeader::SetIfAbsent(name.into()),
        (Err(_), _) => {
            check.wrong(&join(path, "server_header_transformation"), number.to_string(), "one of its values");
            ServerHeader::Keep
        }
    }
}

fn certificate(check: &mut Check, path: &str, proto: &mut Proto) -> (CertificateHeader, ToldCertificate) {
    let number = std::mem::take(&mut proto.forward_client_cert_details);
    let header = match ForwardClientCertDetails::try_from(number) {
        Ok(ForwardClientCertDetails::Sanitize) => CertificateHeader::Remove,
        Ok(ForwardClientCertDetails::ForwardOnly) => CertificateHeader::Pass,
        Ok(ForwardClientCertDetails::AppendForward) => CertificateHeader::Append,
        Ok(ForwardClientCertDetails::SanitizeSet) => CertificateHeader::Set,
        Ok(ForwardClientCertDetails::AlwaysForwardOnly) => CertificateHeader::AlwaysPass,
        Err(_) => {
            check.wrong(&join(path, "forward_client_cert_details"), number.to_string(), "one of its values");
            CertificateHeader::Remove
        }
    };
    let Some(mut details) = proto.set_current_client_cert_details.take() else {
        return (header, ToldCertificate::default());
    };
    let told = ToldCertificate {
        certificate: std::mem::take(&mut details.cert),
        chain: std::mem::take(&mut details.chain),
        subject: details.subject.take().is_some_and(|it| it.value),
        uri: std::mem::take(&mut details.uri),
        hosts: std::mem::take(&mut details.dns),
    };
    check.rest::<SetCurrentClientCertDetails>(&join(path, "set_current_client_cert_details"), &details);
    (header, told)
}
