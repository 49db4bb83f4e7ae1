//! A certificate authority for tests, which also issues what a good one would not.

use leno_model::{SpiffeId, TrustDomain};
use leno_tls::{Credential, Identity, PrivateKey, Svid, TrustBundle, csr};
use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair, SanType};
use time::{Duration, OffsetDateTime};

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: String,
}

/// What to put in a leaf.
pub(crate) struct Leaf {
    pub(crate) uris: Vec<String>,
    pub(crate) dns: Vec<String>,
    pub(crate) from: OffsetDateTime,
    pub(crate) to: OffsetDateTime,
}

impl Leaf {
    pub(crate) fn of(uris: &[&str]) -> Self {
        let now = OffsetDateTime::now_utc();
        Self {
            uris: uris.iter().map(|&uri| uri.to_owned()).collect(),
            dns: Vec::new(),
            from: now - Duration::minutes(1),
            to: now + Duration::hours(1),
        }
    }
}

pub(crate) fn id(service_account: &str) -> SpiffeId {
    format!("spiffe://cluster.local/ns/shop/sa/{service_account}").parse().unwrap()
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let root = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), root }
    }

    pub(crate) fn root_pem(&self) -> &str {
        &self.root
    }

    pub(crate) fn bundle(&self) -> TrustBundle {
        TrustBundle::from_pem(TrustDomain::default(), &self.root).unwrap()
    }

    /// The answer to a request: leaf and root.
    pub(crate) fn sign(&self, request: &str, leaf: &Leaf) -> String {
        let mut request = CertificateSigningRequestParams::from_pem(request).unwrap();
        request.params.subject_alt_names = Vec::new();
        for uri in &leaf.uris {
            request.params.subject_alt_names.push(SanType::URI(uri.as_str().try_into().unwrap()));
        }
        for name in &leaf.dns {
            request.params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().unwrap()));
        }
        request.params.not_before = leaf.from;
        request.params.not_after = leaf.to;
        request.signed_by(&self.issuer).unwrap().pem() + &self.root
    }

    pub(crate) fn svid(&self, leaf: &Leaf) -> Svid {
        let key = PrivateKey::generate().unwrap();
        let request = csr::workload(&key, &id("anyone")).unwrap();
        Svid::new(&key, &self.sign(&request, leaf)).unwrap()
    }

    pub(crate) fn credential(&self, leaf: &Leaf) -> Credential {
        let key = PrivateKey::generate().unwrap();
        let request = csr::server(&key, "anything").unwrap();
        Credential::new(&key, &self.sign(&request, leaf)).unwrap()
    }

    /// A workload of this authority.
    pub(crate) fn identity(&self, service_account: &str) -> Identity {
        let leaf = Leaf::of(&[&id(service_account).to_string()]);
        Identity::new(self.svid(&leaf), self.bundle()).unwrap()
    }
}
