//! The signing service.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use leno_ca::{
    CertificateService, Outcome, Refusal, Settings,
    attest::{Attestor, token::TokenIssuer},
};
use leno_model::TrustDomain;
use leno_proto::istio::v1::auth::{
    IstioCertificateRequest, istio_certificate_service_server::IstioCertificateService as _,
};
use leno_tls::{PrivateKey, Svid, csr};
use tempfile::TempDir;
use tokio::sync::watch;
use tonic::{Code, Request, Status};

use crate::{
    issue::{authority, id},
    local::{believing, sign},
};

struct Bench {
    service: CertificateService,
    issuer: TokenIssuer,
    settings: watch::Sender<Settings>,
    seen: Arc<Mutex<Vec<String>>>,
    directory: TempDir,
}

fn bench() -> Bench {
    let issuer = TokenIssuer::generate().unwrap();
    let (attestor, directory) = believing(&issuer);
    let certificate_lifetime = Duration::from_secs(3600);
    let (settings, receiver) = watch::channel(Settings { trust_domain: TrustDomain::default(), certificate_lifetime });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let observer = Arc::new(move |outcome: &Outcome<'_>| {
        log.lock().unwrap().push(match outcome {
            Outcome::Issued { id, pod, .. } => format!("{id} {pod:?}"),
            Outcome::Refused { refusal, .. } => refusal.label().to_owned(),
        });
    });
    let attestor = Arc::new(Attestor::Local(attestor));
    let service = CertificateService::new(Arc::new(authority()), attestor, receiver, observer);
    Bench { service, issuer, settings, seen, directory }
}

impl Bench {
    /// The certificates that this request gets.
    async fn ask(&self, authorization: Option<&str>, csr: &str, seconds: i64) -> Result<Vec<String>, Status> {
        let message = IstioCertificateRequest { csr: csr.to_owned(), validity_duration: seconds, metadata: None };
        let mut request = Request::new(message);
        if let Some(value) = authorization {
            request.metadata_mut().insert("authorization", value.parse().unwrap());
        }
        self.service.create_certificate(request).await.map(|answer| answer.into_inner().cert_chain)
    }

    fn token(&self) -> String {
        format!("Bearer {}", sign(&self.issuer, SystemTime::now()))
    }
}

fn life(key: &PrivateKey, chain: &[String]) -> u64 {
    let svid = Svid::new(key, &chain.concat()).unwrap();
    svid.credential().not_after().duration_since(SystemTime::now()).unwrap().as_secs() + 1
}

#[tokio::test]
async fn a_believed_token_gets_a_certificate_for_its_service_account() {
    let bench = bench();
    let key = PrivateKey::generate().unwrap();
    let other = "spiffe://cluster.local/ns/shop/sa/admin".parse().unwrap();
    let request = csr::workload(&key, &other).unwrap();
    let chain = bench.ask(Some(&bench.token()), &request, 0).await.unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!(*Svid::new(&key, &chain.concat()).unwrap().id(), id());
    assert_eq!(*bench.seen.lock().unwrap(), [format!("{} Some(\"cart-1\")", id())]);
}

#[tokio::test]
async fn a_workload_is_named_where_its_pod_can_be_of_it() {
    let bench = bench();
    let key = PrivateKey::generate().unwrap();
    for (asked, named) in
        [("cart", Some("cart")), ("cart-1", Some("cart-1")), ("car", None), ("admin", None), ("", None)]
    {
        let request = csr::named_workload(&key, &id(), asked).unwrap();
        let chain = bench.ask(Some(&bench.token()), &request, 0).await.unwrap();
        let svid = Svid::new(&key, &chain.concat()).unwrap();
        let leaf = [svid.credential().leaf().clone()];
        assert_eq!(leno_tls::peer_workload(&leaf).as_deref(), named, "{asked}");
    }
}

#[tokio::test]
async fn lifetime_is_what_is_asked_for_within_what_is_configured() {
    let bench = bench();
    let key = PrivateKey::generate().unwrap();
    let request = csr::workload(&key, &id()).unwrap();
    for (asked, expected) in [(0, 3600), (-5, 3600), (60, 60), (i64::MAX, 3600)] {
        let chain = bench.ask(Some(&bench.token()), &request, asked).await.unwrap();
        assert_eq!(life(&key, &chain), expected, "{asked}");
    }
    bench.settings.send_modify(|settings| settings.certificate_lifetime = Duration::from_secs(120));
    let chain = bench.ask(Some(&bench.token()), &request, 0).await.unwrap();
    assert_eq!(life(&key, &chain), 120);
}

#[tokio::test]
async fn whoever_cannot_say_who_they_are_gets_nothing() {
    let bench = bench();
    let request = csr::workload(&PrivateKey::generate().unwrap(), &id()).unwrap();
    for authorization in [None, Some("Bearer "), Some("Basic eDp5"), Some("Bearer nonsense")] {
        let status = bench.ask(authorization, &request, 0).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{authorization:?}");
    }
    let old = sign(&bench.issuer, SystemTime::now() - Duration::from_secs(8000));
    let status = bench.ask(Some(&format!("bearer {old}")), &request, 0).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("it has expired"), "{}", status.message());
    assert_eq!(bench.seen.lock().unwrap().len(), 5);
    assert!(bench.seen.lock().unwrap().iter().all(|seen| seen == Refusal::Unauthenticated.label()));
}

#[tokio::test]
async fn a_malformed_request_is_an_invalid_argument_with_the_reason() {
    let bench = bench();
    let status = bench.ask(Some(&bench.token()), "no request", 0).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("not PEM"), "{}", status.message());
}

#[tokio::test]
async fn missing_token_keys_are_our_own_fault() {
    let bench = bench();
    std::fs::remove_file(bench.directory.path().join("jwks.json")).unwrap();
    let request = csr::workload(&PrivateKey::generate().unwrap(), &id()).unwrap();
    let status = bench.ask(Some(&bench.token()), &request, 0).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
}
