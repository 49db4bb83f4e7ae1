//! TLS of a configuration's own: what is refused, and secrets that change.

use std::{fs, path::Path, sync::Arc, time::Duration};

use leno_proto::v3::{
    core::{DataSource, WatchedDirectory, data_source::Specifier},
    tls::{
        CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret as Proto,
        TlsCertificate, TlsParameters, UpstreamTlsContext, common_tls_context::ValidationContextType, secret::Type,
    },
};

use leno_tls::context::Certificate;
use leno_xds::ResourceType;

use super::{
    super::{
        super::{
            DownstreamTls, Key, Registry, Secret, Security,
            source::{Fetch, SourceId},
        },
        Watch, secret,
    },
    sample::{bool, cluster, filter, listener, san, socket, tcp},
};

/// A certificate and its key in PEM.
fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.serial_number = Some(rcgen::SerialNumber::from(rand::random::<u64>()));
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn file(path: &Path) -> Option<DataSource> {
    let specifier = Some(Specifier::Filename(path.display().to_string()));
    Some(DataSource { specifier, ..DataSource::default() })
}

fn text(text: &str) -> Option<DataSource> {
    Some(DataSource { specifier: Some(Specifier::InlineString(text.into())), ..DataSource::default() })
}

fn inline() -> TlsCertificate {
    let (chain, key) = pair();
    TlsCertificate { certificate_chain: text(&chain), private_key: text(&key), ..TlsCertificate::default() }
}

fn context(common: CommonTlsContext) -> DownstreamTlsContext {
    DownstreamTlsContext { common_tls_context: Some(common), ..DownstreamTlsContext::default() }
}

fn own() -> CommonTlsContext {
    CommonTlsContext { tls_certificates: vec![inline()], ..CommonTlsContext::default() }
}

#[track_caller]
fn refused(change: impl FnOnce(&mut DownstreamTlsContext), field: &str) {
    let mut made = context(own());
    change(&mut made);
    let mut message = listener(vec![filter(&tcp())]);
    message.filter_chains[0].transport_socket = Some(socket(&made));
    let wrong = super::super::listener(&message, &mut Registry::default()).unwrap_err();
    let field = format!("filter_chains[0].transport_socket.typed_config.{field}");
    assert!(wrong.iter().any(|one| one.field == field), "{field} is not in {wrong:?}");
}

#[track_caller]
fn refused_rules(change: impl FnOnce(&mut CertificateValidationContext), field: &str) {
    let mut rules = CertificateValidationContext { trusted_ca: text(&pair().0), ..Default::default() };
    change(&mut rules);
    let field = format!("common_tls_context.validation_context{field}");
    let kind = ValidationContextType::ValidationContext(rules);
    refused(|c| c.common_tls_context.as_mut().unwrap().validation_context_type = Some(kind), &field);
}

#[test]
fn what_has_no_meaning_is_refused_by_name() {
    let common = |change: fn(&mut CommonTlsContext)| {
        move |context: &mut DownstreamTlsContext| change(context.common_tls_context.as_mut().unwrap())
    };
    refused(common(|c| c.tls_certificates.clear()), "common_tls_context");
    let field = "common_tls_context.tls_certificates[0]";
    refused(common(|c| c.tls_certificates[0].private_key = text("no key")), field);
    refused(common(|c| c.tls_certificates[0].private_key = text(&pair().1)), field);
    refused(common(|c| c.tls_certificates[0].password = text("p")), &format!("{field}.password"));
    refused(common(|c| c.tls_certificates[0].ocsp_staple = text("p")), &format!("{field}.ocsp_staple"));
    refused(common(|c| c.tls_certificates[0].certificate_chain = None), &format!("{field}.certificate_chain"));
    let suites = |c: &mut CommonTlsContext| {
        c.tls_params = Some(TlsParameters { cipher_suites: vec!["AES128-SHA".into()], ..Default::default() });
    };
    refused(common(suites), "common_tls_context.tls_params.cipher_suites[0]");
    let groups = |c: &mut CommonTlsContext| {
        c.tls_params = Some(TlsParameters { ecdh_curves: vec!["P-521".into()], ..Default::default() });
    };
    refused(common(groups), "common_tls_context.tls_params.ecdh_curves[0]");
    let old = |c: &mut CommonTlsContext| {
        c.tls_params = Some(TlsParameters { tls_minimum_protocol_version: 1, ..Default::default() });
    };
    refused(common(old), "common_tls_context.tls_params.tls_minimum_protocol_version");
    refused(|c| c.require_client_certificate = bool(true), "require_client_certificate");
    refused(|c| c.ocsp_staple_policy = 1, "ocsp_staple_policy");
}

#[test]
fn rules_that_mean_nothing_are_refused_by_name() {
    refused_rules(|c| c.allow_expired_certificate = true, ".allow_expired_certificate");
    refused_rules(|c| c.verify_certificate_hash = vec!["00".into()], ".verify_certificate_hash[0]");
    refused_rules(|c| c.verify_certificate_spki = vec!["00".into()], ".verify_certificate_spki[0]");
    refused_rules(|c| c.crl = text("no list"), "");
    refused_rules(|c| c.trusted_ca = text("no root"), "");
    let named = |c: &mut CertificateValidationContext| {
        (c.trusted_ca, c.match_typed_subject_alt_names) = (None, vec![san("spiffe://a/ns/b/sa/c")]);
    };
    refused_rules(named, ".match_typed_subject_alt_names");
    refused_rules(
        |c| c.match_typed_subject_alt_names = vec![Default::default()],
        ".match_typed_subject_alt_names[0].san_type",
    );
}

#[test]
fn names_of_servers_are_hosts() {
    let mut message = cluster(leno_proto::v3::cluster::cluster::DiscoveryType::Static);
    let context = UpstreamTlsContext { sni: "not a host".into(), auto_sni_san_validation: true, ..Default::default() };
    message.transport_socket = Some(socket(&context));
    let wrong = super::super::cluster(&message, &mut Registry::default()).unwrap_err();
    let fields: Vec<_> = wrong.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(fields, ["transport_socket.typed_config.sni", "transport_socket.typed_config.auto_sni_san_validation"]);
}

#[test]
fn the_own_certificate_is_shown_to_servers_that_are_believed_by_other_rules() {
    let mut registry = Registry::default();
    let rules = CertificateValidationContext { trusted_ca: text(&pair().0), ..Default::default() };
    let secret = |name: &str| SdsSecretConfig { name: name.into(), sds_config: None };
    let common = CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![secret("svid")],
        validation_context_type: Some(ValidationContextType::ValidationContext(rules)),
        ..CommonTlsContext::default()
    };
    let mut message = cluster(leno_proto::v3::cluster::cluster::DiscoveryType::Static);
    let context = UpstreamTlsContext { common_tls_context: Some(common.clone()), ..Default::default() };
    message.transport_socket = Some(socket(&context));
    let made = super::super::cluster(&message, &mut registry).unwrap();
    let Security::Tls(context) = &made.transports[0].transport.security else { panic!("{made:?}") };
    assert!(context.ready().is_err(), "it has none yet");
    let slot = registry.find_secret(SourceId::COMMON, "svid").unwrap();
    let (chain, key) = pair();
    slot.set(Arc::new(Secret::Certificate(Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap())));
    assert!(context.ready().unwrap().dialling.certificate.is_some());
    // On the other side it belongs to mesh TLS alone.
    let rules = self::context(common);
    let mut message = listener(vec![filter(&tcp())]);
    message.filter_chains[0].transport_socket = Some(socket(&rules));
    assert!(super::super::listener(&message, &mut Registry::default()).is_err());
}

/// Waits for something that a thread of its own does.
fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// Puts a pair into a folder as Kubernetes does: a link to a folder is replaced.
fn put(folder: &Path, version: &str, (chain, key): &(String, String)) {
    let data = folder.join(version);
    fs::create_dir(&data).unwrap();
    fs::write(data.join("tls.crt"), chain).unwrap();
    fs::write(data.join("tls.key"), key).unwrap();
    std::os::unix::fs::symlink(&data, folder.join("..new")).unwrap();
    fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
}

#[test]
fn a_certificate_is_read_again_when_its_folder_changes() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "1", &pair());
    let data = folder.path().join("..data");
    let certificate = TlsCertificate {
        certificate_chain: file(&data.join("tls.crt")),
        private_key: file(&data.join("tls.key")),
        watched_directory: Some(WatchedDirectory {
            path: folder.path().display().to_string(),
            ..WatchedDirectory::default()
        }),
        ..TlsCertificate::default()
    };
    let proto = Proto { name: "front".into(), r#type: Some(Type::TlsCertificate(certificate)) };
    let mut registry = Registry::default();
    let slot = registry.secret("front", Fetch::default());
    secret(&proto, &slot, &mut registry, Watch::WhenAsked).unwrap();
    let context = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![SdsSecretConfig { name: "front".into(), sds_config: None }],
            ..CommonTlsContext::default()
        }),
        ..DownstreamTlsContext::default()
    };
    let mut message = listener(vec![filter(&tcp())]);
    message.filter_chains[0].transport_socket = Some(socket(&context));
    let made = super::super::listener(&message, &mut registry).unwrap();
    let Some(DownstreamTls::Own(context)) = made.filter_chains[0].tls.as_deref() else { panic!("TLS of its own") };
    let first = context.ready().unwrap();
    assert!(Arc::ptr_eq(&first, &context.ready().unwrap()), "nothing has changed");
    put(folder.path(), "2", &pair());
    until("the certificate is read again", || !Arc::ptr_eq(&first, &context.ready().unwrap()));
    let second = context.ready().unwrap();
    assert_ne!(first.accepting.certificates, second.accepting.certificates);
    // Half of a pair is no certificate: the last one goes on.
    put(folder.path(), "3", &(pair().0, pair().1));
    put(folder.path(), "4", &pair());
    until("the next good one is read", || !Arc::ptr_eq(&second, &context.ready().unwrap()));
}

#[test]
fn what_has_not_arrived_cannot_be_shown() {
    let mut registry = Registry::default();
    let mut common = own();
    common.tls_certificates.clear();
    common.tls_certificate_sds_secret_configs = vec![SdsSecretConfig { name: "late".into(), sds_config: None }];
    let mut message = listener(vec![filter(&tcp())]);
    message.filter_chains[0].transport_socket = Some(socket(&context(common)));
    let made = super::super::listener(&message, &mut registry).unwrap();
    let Some(DownstreamTls::Own(context)) = made.filter_chains[0].tls.as_deref() else { panic!("TLS of its own") };
    assert_eq!(context.ready().unwrap_err().to_string(), "the secret \"late\" has not arrived");
    assert!(registry.take_wanted().iter().any(|(key, _)| *key == Key::common(ResourceType::Secret, "late")));
    let slot = registry.secret("late", Fetch::default());
    let rules = CertificateValidationContext { trusted_ca: text(&pair().0), ..Default::default() };
    let proto = Proto { name: "late".into(), r#type: Some(Type::ValidationContext(rules)) };
    secret(&proto, &slot, &mut registry, Watch::Always).unwrap();
    assert_eq!(context.ready().unwrap_err().to_string(), "the secret \"late\" is of another kind");
    let proto = Proto { name: "late".into(), r#type: Some(Type::TlsCertificate(inline())) };
    secret(&proto, &slot, &mut registry, Watch::Always).unwrap();
    context.ready().unwrap();
}
