//! Every object as a file, for the control plane to watch: `<Kind>/<namespace>/<name>.json`, each written whole by an
//! atomic rename.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use leno_manifest::{Kind, Object, ObjectKey};
use leno_model::SecretName;
use leno_source::secret::{shown_to_servers, without_secrets};

/// The directory of objects.
#[derive(Debug)]
pub(crate) struct Mirror {
    directory: PathBuf,
    written: BTreeMap<ObjectKey, Vec<u8>>,
}

impl Mirror {
    /// An empty directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), written: BTreeMap::new() })
    }

    /// Makes the directory show exactly these objects. What is unchanged is not touched.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn show(&mut self, objects: &BTreeMap<ObjectKey, Object>) -> io::Result<()> {
        let gone: Vec<ObjectKey> = self.written.keys().filter(|key| !objects.contains_key(key)).cloned().collect();
        for key in gone {
            self.written.remove(&key);
            fs::remove_file(self.file(&key))
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        }
        let shown: BTreeSet<SecretName> = objects.values().filter_map(shown_to_servers).collect();
        for (key, object) in objects {
            let text = serde_json::to_vec(&without_secrets(object, &shown).to_json())?;
            if self.written.get(key) == Some(&text) {
                continue;
            }
            let file = self.file(key);
            let fresh = file.with_extension("json.new");
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            let mode = if key.kind == Kind::Secret { 0o600 } else { 0o644 };
            let options = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&fresh);
            options?.write_all(&text)?;
            fs::rename(&fresh, &file)?;
            self.written.insert(key.clone(), text);
        }
        Ok(())
    }

    fn file(&self, key: &ObjectKey) -> PathBuf {
        let namespace = if key.namespace.is_empty() { "_" } else { &key.namespace };
        // Names of objects have no slash; what reads manifests has made sure of it. Their dots are not extensions.
        self.directory.join(key.kind.unique_name()).join(namespace).join(format!("{}.json", key.name))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use leno_manifest::{
        annotation::CLIENT_CERTIFICATE,
        base64,
        core::{ConfigMap, Secret, secret},
        leno::{
            TrafficPolicy,
            traffic_policy::tls::{ClientCertificate, ClientCertificateKind, Tls},
        },
    };
    use leno_source::secret::HIDDEN;

    use super::*;

    #[test]
    fn files_come_change_and_go_with_objects() {
        let folder = tempfile::tempdir().unwrap();
        let mut mirror = Mirror::new(folder.path()).unwrap();
        let mut map = ConfigMap::default();
        map.metadata.name = "a.b".into();
        map.metadata.namespace = "shop".into();
        let object = Object::from(map);
        mirror.show(&BTreeMap::from([(object.key(), object.clone())])).unwrap();
        let file = folder.path().join("ConfigMap/shop/a.b.json");
        let read: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(read["kind"], "ConfigMap");
        mirror.show(&BTreeMap::new()).unwrap();
        assert!(!file.exists());
    }
    #[test]
    fn of_a_secret_nothing_is_shown_but_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem().replace("\r\n", "\n");
        let key = key.serialize_pem();
        let mut secret = Secret { type_: Some("kubernetes.io/tls".into()), ..Secret::default() };
        secret.metadata.name = "roots".into();
        secret.metadata.namespace = "shop".into();
        secret.metadata.annotations.insert("last-applied".into(), "password".into());
        secret.string_data.insert("both".into(), format!("{key}{certificate}"));
        secret.string_data.insert("tls.key".into(), key.clone());
        secret.data.insert("word".into(), base64::encode(b"password"));
        let object = Object::from(secret);
        let mut mirror = Mirror::new(folder.path()).unwrap();
        mirror.show(&BTreeMap::from([(object.key(), object.clone())])).unwrap();
        let text = fs::read_to_string(folder.path().join("Secret/shop/roots.json")).unwrap();
        for secret in ["PRIVATE KEY", key.lines().nth(1).unwrap(), "password", &base64::encode(b"password")] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({ "both": certificate, "tls.key": HIDDEN, "word": HIDDEN });
        assert_eq!(shown["stringData"], expected, "{text}");
    }

    #[test]
    fn a_key_is_shown_while_a_policy_names_it_and_to_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut mirror = Mirror::new(folder.path()).unwrap();
        let mut secret = Secret { type_: Some(secret::TLS.into()), ..Secret::default() };
        secret.metadata.name = "pay".into();
        secret.metadata.namespace = "shop".into();
        for (key, text) in [("tls.crt", "the chain"), ("tls.key", "the key"), ("other", "a word")] {
            secret.string_data.insert(key.into(), text.into());
        }
        let unwilling = Object::from(secret.clone());
        secret.metadata.annotations.insert(CLIENT_CERTIFICATE.into(), "enabled".into());
        let certificate = ClientCertificate { kind: ClientCertificateKind::Secret, name: Some("pay".into()) };
        let mut policy = TrafficPolicy::default();
        policy.metadata.name = "pay".into();
        policy.metadata.namespace = "shop".into();
        policy.spec.tls = Some(Tls { client_certificate: Some(certificate), ..Tls::default() });
        let mut elsewhere = policy.clone();
        elsewhere.metadata.namespace = "other".into();
        let secret = Object::from(secret);
        let path = folder.path().join("Secret/shop/pay.json");
        for (secret, policy, shown) in
            [(&secret, &policy, true), (&secret, &elsewhere, false), (&unwilling, &policy, false)]
        {
            let policy = Object::from(policy.clone());
            mirror.show(&[secret, &policy].map(|it| (it.key(), it.clone())).into()).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.contains("the key"), shown, "{text}");
            assert!(!text.contains("a word"), "{text}");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
