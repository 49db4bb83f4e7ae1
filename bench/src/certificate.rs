//! Certificates for the two ends: SPIFFE identities under one root.

use std::{fs, path::Path};

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

/// The identity of the outbound hop.
pub(crate) const CLIENT: &str = "spiffe://cluster.local/ns/bench/sa/client";
/// The identity of the inbound hop.
pub(crate) const SERVER: &str = "spiffe://cluster.local/ns/bench/sa/server";

/// Writes `root.pem`, and for each end `NAME.pem`, `NAME.key` and (for HAProxy) both in `NAME.both.pem`.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    let root_key = KeyPair::generate()?;
    let mut root = CertificateParams::default();
    root.distinguished_name.push(DnType::CommonName, "root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.subject_alt_names = vec![SanType::URI("spiffe://cluster.local".try_into()?)];
    let root_pem = root.self_signed(&root_key)?.pem();
    fs::write(folder.join("root.pem"), &root_pem)?;
    let issuer = Issuer::new(root, root_key);
    for (name, id) in [("client", CLIENT), ("server", SERVER)] {
        let key = KeyPair::generate()?;
        let mut leaf = CertificateParams::default();
        leaf.distinguished_name.push(DnType::CommonName, name);
        // nginx looks for a DNS name.
        leaf.subject_alt_names = vec![SanType::URI(id.try_into()?), SanType::DnsName(name.try_into()?)];
        let leaf = leaf.signed_by(&key, &issuer).with_context(|| format!("certificate of {name}"))?.pem();
        fs::write(folder.join(format!("{name}.pem")), &leaf)?;
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem())?;
        fs::write(folder.join(format!("{name}.both.pem")), leaf + &key.serialize_pem())?;
    }
    Ok(())
}
