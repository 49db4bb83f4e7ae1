//! Secrets: read from where they are, and again when their files change.

use std::{path::PathBuf, sync::Arc};

use leno_proto::v3::tls::{CertificateValidationContext, Secret as Proto, TlsCertificate, secret::Type};
use leno_tls::context::Certificate;

use super::{
    super::{
        super::{Registry, Secret, Slot},
        check::{Check, join},
    },
    source::{self, Source},
    validation::Rules,
};

/// How a secret is made.
#[derive(Clone)]
pub(in super::super) enum Recipe {
    Certificate(Pair),
    Trust(Box<Rules>),
}

/// A certificate and its key.
#[derive(Clone)]
pub(in super::super) struct Pair {
    chain: Source,
    key: Source,
    watched: Option<PathBuf>,
}

impl Recipe {
    /// How a secret of SDS is made; its files are watched even where it does not say so.
    pub(in super::super) fn of(check: &mut Check, path: &str, mut proto: Proto) -> Option<Self> {
        proto.name.clear();
        let made = match proto.r#type.take() {
            Some(Type::TlsCertificate(certificate)) => {
                pair(check, &join(path, "tls_certificate"), certificate).map(Self::Certificate)
            }
            Some(Type::ValidationContext(context)) => {
                let path = join(path, "validation_context");
                Rules::of(check, &path, context).map(|rules| Self::Trust(Box::new(rules)))
            }
            Some(other @ (Type::SessionTicketKeys(_) | Type::GenericSecret(_))) => {
                proto.r#type = Some(other);
                None
            }
            None => {
                check.wrong(path, "no secret", "tls_certificate or validation_context");
                None
            }
        };
        check.rest(path, &proto);
        made
    }

    /// The secret as its files are now.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(in super::super) fn make(&self) -> Result<Secret, String> {
        match self {
            Self::Certificate(Pair { chain, key, .. }) => {
                let made = Certificate::from_pem(&chain.read()?, &key.read()?);
                made.map(Secret::Certificate).map_err(|error| describe(&error))
            }
            Self::Trust(rules) => rules.make().map(|trust| Secret::Trust(Box::new(trust))),
        }
    }

    /// The folders that its files are in.
    pub(in super::super) fn folders(&self) -> Vec<PathBuf> {
        match self {
            Self::Certificate(pair) => [&pair.chain, &pair.key].into_iter().filter_map(Source::folder).collect(),
            Self::Trust(rules) => rules.folders(),
        }
    }

    /// The folder that it asks to be watched.
    pub(in super::super) fn watched(&self) -> Option<PathBuf> {
        match self {
            Self::Certificate(pair) => pair.watched.clone(),
            Self::Trust(rules) => rules.watched.clone(),
        }
    }

    /// The secret in a slot of its own, made again whenever something changes in the folder that it asks to be watched.
    pub(super) fn into_slot(self, check: &mut Check, path: &str, registry: &mut Registry) -> Option<Arc<Slot<Secret>>> {
        let slot = Slot::pending(path);
        let folders: Vec<_> = self.watched().into_iter().collect();
        self.keep(check, path, &slot, &folders, registry);
        slot.get().is_some().then_some(slot)
    }

    /// Puts the secret into a slot, now and whenever something in these folders changes.
    pub(in super::super) fn keep(
        self,
        check: &mut Check,
        path: &str,
        slot: &Arc<Slot<Secret>>,
        folders: &[PathBuf],
        registry: &mut Registry,
    ) {
        let recipe = self.clone();
        follow(check, path, slot, folders, registry, move || recipe.make());
    }
}

/// Puts what `make` makes into a slot, now and whenever something in these folders changes.
pub(in super::super) fn follow(
    check: &mut Check,
    path: &str,
    slot: &Arc<Slot<Secret>>,
    folders: &[PathBuf],
    registry: &mut Registry,
    make: impl Fn() -> Result<Secret, String> + Clone + Send + 'static,
) {
    let (kept, again, at) = (Arc::downgrade(slot), make.clone(), path.to_owned());
    let reader = move || {
        let Some(slot) = kept.upgrade() else { return false };
        match again() {
            Ok(secret) => replace(&slot, secret, &at),
            Err(error) => tracing::warn!(secret = %at, %error, "cannot be used: the last one goes on"),
        }
        true
    };
    // Watched first: what changes between the two is seen.
    if !folders.is_empty()
        && let Err(error) = registry.files().watch(folders, reader)
    {
        check.wrong(path, format!("{folders:?}"), format!("folders that can be watched: {error}"));
        return;
    }
    match make() {
        Ok(secret) => slot.set(Arc::new(secret)),
        Err(error) => check.wrong(path, "unusable", format!("something else: {error}")),
    }
}

/// Puts a secret in use unless it is what is in use.
fn replace(slot: &Slot<Secret>, secret: Secret, path: &str) {
    let same = match (slot.get().as_deref(), &secret) {
        (Some(Secret::Certificate(old)), Secret::Certificate(new)) => old == new,
        _ => false,
    };
    if !same {
        tracing::info!(secret = %path, "read again");
        slot.set(Arc::new(secret));
    }
}

/// A certificate and its key.
pub(super) fn pair(check: &mut Check, path: &str, mut proto: TlsCertificate) -> Option<Pair> {
    let chain = Source::of(check, &join(path, "certificate_chain"), proto.certificate_chain.take());
    let key = Source::of(check, &join(path, "private_key"), proto.private_key.take());
    let watched = source::watched(check, &join(path, "watched_directory"), proto.watched_directory.take());
    for (field, there) in [("certificate_chain", chain.is_some()), ("private_key", key.is_some())] {
        if !there {
            check.wrong(&join(path, field), "missing", "PEM, inline or in a file");
        }
    }
    // What is left may be a secret: a password is not shown.
    for (field, left) in [("password", proto.password.take().is_some()), ("pkcs12", proto.pkcs12.take().is_some())] {
        if left {
            check.wrong(
                &join(path, field),
                "set",
                "it not to be there: Leno reads keys that are not encrypted, in PEM",
            );
        }
    }
    check.rest(path, &proto);
    Some(Pair { chain: chain?, key: key?, watched })
}

/// Rules written in place.
pub(super) fn rules(check: &mut Check, path: &str, proto: CertificateValidationContext) -> Option<Rules> {
    Rules::of(check, path, proto)
}

/// An error with its causes.
pub(super) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
