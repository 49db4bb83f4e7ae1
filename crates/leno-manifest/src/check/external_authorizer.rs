//! Services that AccessPolicies ask.

use super::value::{header_name, number, positive_time, service};
use crate::{
    leno::external_authorizer::{ExternalAuthorizer, Protocol},
    problem::Problems,
};

/// The most that a service is told of a body: it is held back until the service has decided.
const MAX_BODY: u32 = 1 << 20;

pub(super) fn check(external: &ExternalAuthorizer, problems: &mut Problems<'_>) {
    let at = "spec.external";
    service(&external.service, &format!("{at}.service"), problems);
    if external.protocol.unwrap_or_default() == Protocol::Grpc {
        let of_http = [
            (external.path.is_some(), "path"),
            (!external.allowed_response_headers.is_empty(), "allowedResponseHeaders"),
        ];
        for (_, field) in of_http.into_iter().filter(|(given, _)| *given) {
            let fix = "over gRPC the service says it itself";
            problems.add_value(&format!("{at}.{field}"), "given", "nothing where the protocol is GRPC", fix);
        }
    }
    if let Some(path) = &external.path {
        let visible = path.bytes().all(|byte| byte.is_ascii_graphic());
        if !path.starts_with('/') || !visible || path.contains(['?', '#']) {
            problems.add(&format!("{at}.path"), "a path from / on, without blanks, ? or #", "");
        }
    }
    for (names, field) in
        [(&external.allowed_headers, "allowedHeaders"), (&external.allowed_response_headers, "allowedResponseHeaders")]
    {
        for (index, name) in names.iter().enumerate() {
            header_name(name, &format!("{at}.{field}[{index}]"), problems);
        }
    }
    let body = external.forward_body.as_ref().map(|body| body.max_size);
    number(body, 1..=MAX_BODY, &format!("{at}.forwardBody.maxSize"), problems);
    positive_time(external.timeout.as_ref(), &format!("{at}.timeout"), problems);
}
