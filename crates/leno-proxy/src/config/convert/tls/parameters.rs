//! What may be negotiated ([`TlsParameters`]).
//!
//! [`TlsParameters`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto#extensions-transport-sockets-tls-v3-tlsparameters

use leno_proto::v3::tls::{TlsParameters as Proto, tls_parameters::TlsProtocol};
use leno_tls::context::{Parameters, Side, Version};

use super::super::check::{Check, at, join};

pub(super) fn convert(check: &mut Check, path: &str, side: Side, proto: Option<Proto>) -> Parameters {
    let Some(mut proto) = proto else { return Parameters::default_of(side) };
    let (min, max) = (proto.tls_minimum_protocol_version, proto.tls_maximum_protocol_version);
    (proto.tls_minimum_protocol_version, proto.tls_maximum_protocol_version) = (0, 0);
    let min = version(check, &join(path, "tls_minimum_protocol_version"), min).unwrap_or(Version::Tls12);
    let max = version(check, &join(path, "tls_maximum_protocol_version"), max).unwrap_or(side.newest());
    if min > max {
        check.wrong(&join(path, "tls_minimum_protocol_version"), format!("{min:?}"), format!("at most {max:?}"));
    }
    // BoringSSL lets some be equal: `[A|B]`. Which of them is taken is the server's matter here.
    let separators = ['[', ']', '|', ':', ','];
    let (known_suites, known_groups) = Parameters::known();
    let mut suites = Vec::new();
    for (index, text) in std::mem::take(&mut proto.cipher_suites).iter().enumerate() {
        for name in text.split(separators).filter(|name| !name.is_empty()) {
            if !Parameters::knows_suite(name) {
                check.wrong(&at(path, "cipher_suites", index), name, format!("one of {known_suites}"));
            }
            suites.push(name.to_owned());
        }
    }
    let groups: Vec<String> = std::mem::take(&mut proto.ecdh_curves);
    for (index, name) in groups.iter().enumerate() {
        if !Parameters::knows_group(name) {
            check.wrong(&at(path, "ecdh_curves", index), name, format!("one of {known_groups}"));
        }
    }
    check.rest(path, &proto);
    Parameters::new(min, max, &suites, &groups)
}

/// A version; `None`: whatever is usual.
fn version(check: &mut Check, path: &str, number: i32) -> Option<Version> {
    match TlsProtocol::try_from(number) {
        Ok(TlsProtocol::TlsAuto) => None,
        Ok(TlsProtocol::TlSv12) => Some(Version::Tls12),
        Ok(TlsProtocol::TlSv13) => Some(Version::Tls13),
        Ok(TlsProtocol::TlSv10 | TlsProtocol::TlSv11) | Err(_) => {
            check.wrong(path, number.to_string(), "TLSv1_2 or TLSv1_3");
            None
        }
    }
}
