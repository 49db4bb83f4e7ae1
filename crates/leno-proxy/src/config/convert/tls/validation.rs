//! Rules whom to believe ([`CertificateValidationContext`]).
//!
//! [`CertificateValidationContext`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto#extensions-transport-sockets-tls-v3-certificatevalidationcontext

use std::path::PathBuf;

use leno_engine::matcher::{StringMatch, StringMatcher};
use leno_proto::v3::tls::{
    CertificateValidationContext as Proto, SubjectAltNameMatcher,
    certificate_validation_context::TrustChainVerification, subject_alt_name_matcher::SanType,
};
use leno_tls::context::{Fingerprint, NameKind, NameMatcher, Trust, names_host};

use super::{
    super::{
        check::{Check, at, join},
        matcher,
    },
    secret::describe,
    source::{self, Source},
};

/// Where Linux distributions keep the roots that the system trusts, as Envoy looks for them.
const SYSTEM: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Rules, and where their roots and lists are.
#[derive(Clone)]
pub(in super::super) struct Rules {
    roots: Option<Source>,
    revoked: Option<Source>,
    /// All but these two.
    trust: Trust,
    pub(super) watched: Option<PathBuf>,
}

impl Rules {
    pub(super) fn of(check: &mut Check, path: &str, mut proto: Proto) -> Option<Self> {
        let mut roots = Source::of(check, &join(path, "trusted_ca"), proto.trusted_ca.take());
        if let Some(system) = proto.system_root_certs.take() {
            check.rest(&join(path, "system_root_certs"), &system);
            let found = SYSTEM.into_iter().map(PathBuf::from).find(|file| file.exists()).map(Source::File);
            match (&roots, found) {
                (None, Some(found)) => roots = Some(found),
                (None, None) => check.wrong(&join(path, "system_root_certs"), "none", "a system with roots"),
                // Envoy prefers what is written.
                (Some(_), _) => {}
            }
        }
        let revoked = Source::of(check, &join(path, "crl"), proto.crl.take());
        let watched = source::watched(check, &join(path, "watched_directory"), proto.watched_directory.take());
        let names = std::mem::take(&mut proto.match_typed_subject_alt_names).into_iter().enumerate();
        let names = names
            .filter_map(|(index, one)| name(check, &at(path, "match_typed_subject_alt_names", index), one))
            .collect();
        let certificates = std::mem::take(&mut proto.verify_certificate_hash);
        let certificates = sums(check, &join(path, "verify_certificate_hash"), &certificates, of_hex);
        let keys = std::mem::take(&mut proto.verify_certificate_spki);
        let keys = sums(check, &join(path, "verify_certificate_spki"), &keys, of_base64);
        let accept = std::mem::take(&mut proto.trust_chain_verification);
        let accept_untrusted = match TrustChainVerification::try_from(accept) {
            Ok(TrustChainVerification::VerifyTrustChain) => None,
            Ok(TrustChainVerification::AcceptUntrusted) => Some(true),
            Err(_) => {
                check.wrong(&join(path, "trust_chain_verification"), accept.to_string(), "one of its values");
                None
            }
        };
        let leaf_only = std::mem::take(&mut proto.only_verify_leaf_cert_crl).then_some(true);
        let max_depth = proto.max_verify_depth.take().map(|depth| depth.value);
        // Callers are not told which roots are believed, ever.
        proto.suppress_client_ca_list = false;
        check.rest(path, &proto);
        let rules = leno_tls::context::Rules { leaf_only, max_depth, names, certificates, keys, accept_untrusted };
        Some(Self { roots, revoked, trust: Trust::new(rules), watched })
    }

    /// The rules as their files are now.
    pub(super) fn make(&self) -> Result<Trust, String> {
        let mut trust = self.trust.clone();
        if let Some(roots) = &self.roots {
            trust.set_roots(&roots.read()?).map_err(|error| format!("trusted_ca: {}", describe(&error)))?;
        }
        if let Some(revoked) = &self.revoked {
            trust.set_revoked(&revoked.read()?).map_err(|error| format!("crl: {}", describe(&error)))?;
        }
        Ok(trust)
    }

    pub(super) fn folders(&self) -> Vec<PathBuf> {
        self.roots.iter().chain(&self.revoked).filter_map(Source::folder).collect()
    }
}

/// What Envoy refuses of rules that are complete.
pub(super) fn complete(check: &mut Check, path: &str, trust: &Trust) {
    if !trust.has_roots() {
        for (field, set) in
            [("match_typed_subject_alt_names", !trust.rules.names.is_empty()), ("crl", trust.has_revoked())]
        {
            if set {
                check.wrong(&join(path, field), "without roots", "trusted_ca as well: anybody can write a name");
            }
        }
    }
}

fn name(check: &mut Check, path: &str, mut proto: SubjectAltNameMatcher) -> Option<NameMatcher> {
    let number = std::mem::take(&mut proto.san_type);
    let kind = match SanType::try_from(number) {
        Ok(SanType::Dns) => Some(NameKind::Dns),
        Ok(SanType::Uri) => Some(NameKind::Uri),
        Ok(SanType::IpAddress) => Some(NameKind::Ip),
        Ok(SanType::Email) => Some(NameKind::Email),
        Ok(SanType::OtherName | SanType::Unspecified) | Err(_) => {
            check.wrong(&join(path, "san_type"), number.to_string(), "DNS, URI, IP_ADDRESS or EMAIL");
            None
        }
    };
    // Envoy ignores it for these kinds.
    proto.oid.clear();
    let matcher = proto.matcher.take().unwrap_or_default();
    check.rest(path, &proto);
    let matcher = matcher::string(check, &join(path, "matcher"), matcher)?;
    Some(match (kind?, matcher) {
        (NameKind::Dns, StringMatcher { fits: StringMatch::Exact(host), .. }) => {
            NameMatcher::new(NameKind::Dns, move |name| names_host(name, &host))
        }
        (kind, matcher) => NameMatcher::new(kind, move |name| matcher.matches(name.as_bytes())),
    })
}

fn sums(check: &mut Check, path: &str, texts: &[String], read: fn(&str) -> Option<Fingerprint>) -> Vec<Fingerprint> {
    let one = |(index, text): (usize, &String)| {
        let sum = read(text);
        if sum.is_none() {
            check.wrong(&format!("{path}[{index}]"), text.clone(), "a SHA-256 sum");
        }
        sum
    };
    texts.iter().enumerate().filter_map(one).collect()
}

/// Thirty-two pairs of hexadecimal digits, with colons between them or not.
fn of_hex(text: &str) -> Option<Fingerprint> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut sum = Fingerprint::default();
    if digits.len() != 2 * sum.len() {
        return None;
    }
    for (pair, byte) in digits.chunks_exact(2).zip(&mut sum) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(sum)
}

/// Forty-four characters of base64.
fn of_base64(text: &str) -> Option<Fingerprint> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.strip_suffix('=').filter(|digits| digits.len() == 43)?;
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::with_capacity(33));
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|known| *known == digit)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Fingerprint::try_from(bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_as_envoy_writes_them() {
        let hex = "DF:6F:F7:2F:E9:11:65:21:26:8F:6F:2D:D4:96:6F:51:DF:47:98:83:FE:70:37:B3:9F:75:91:6A:C3:04:9D:1A";
        assert_eq!(of_hex(hex).map(|sum| (sum[0], sum[31])), Some((0xdf, 0x1a)));
        assert_eq!(of_hex(&hex.replace(':', "").to_lowercase()), of_hex(hex));
        assert_eq!(of_hex("df:6f"), None);
        let sum = of_base64("NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=").unwrap();
        assert_eq!((sum[0], sum[1], sum[31]), (0x36, 0xfa, 0xd0));
        assert_eq!(of_base64("NvqY"), None);
    }
}
