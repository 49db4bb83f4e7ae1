//! A certificate authority for tests.

use std::{sync::Arc, time::Duration};

use leno_model::SpiffeId;
use leno_proxy::identity::Credentials;
use leno_tls::{PrivateKey, Svid, TrustBundle, csr};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for this request, as the control plane would sign it.
    pub fn sign(&self, csr: &str, id: &SpiffeId, lifetime: Duration) -> String {
        let mut request = CertificateSigningRequestParams::from_pem(csr).unwrap();
        let now = std::time::SystemTime::now();
        request.params.not_before = (now - Duration::from_secs(1)).into();
        request.params.not_after = (now + lifetime).into();
        request.params.subject_alt_names = vec![rcgen::SanType::URI(id.to_string().try_into().unwrap())];
        request.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        request.params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        request.signed_by(&self.issuer).unwrap().pem()
    }

    /// A certificate for a server with this DNS name.
    pub fn sign_server(&self, csr: &str, name: &str) -> String {
        let mut request = CertificateSigningRequestParams::from_pem(csr).unwrap();
        request.params.subject_alt_names = vec![rcgen::SanType::DnsName(name.try_into().unwrap())];
        request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        request.signed_by(&self.issuer).unwrap().pem()
    }

    pub fn svid(&self, id: &SpiffeId) -> Svid {
        let key = PrivateKey::generate().unwrap();
        let request = csr::workload(&key, id).unwrap();
        Svid::new(&key, &self.sign(&request, id, Duration::from_secs(3600))).unwrap()
    }

    pub fn bundle(&self, id: &SpiffeId) -> TrustBundle {
        TrustBundle::from_pem(id.trust_domain.clone(), &self.pem()).unwrap()
    }

    pub fn credentials(&self, id: &SpiffeId) -> Arc<Credentials> {
        let credentials = Credentials::default();
        credentials.install(self.svid(id), self.bundle(id)).unwrap();
        Arc::new(credentials)
    }
}
