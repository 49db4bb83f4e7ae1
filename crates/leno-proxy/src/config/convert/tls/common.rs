//! What both sides have in common ([`CommonTlsContext`]).
//!
//! [`CommonTlsContext`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/tls.proto#extensions-transport-sockets-tls-v3-commontlscontext

use std::{path::PathBuf, sync::Arc};

use leno_model::resource_name;
use leno_proto::{
    any, json,
    v3::{
        core::{PathConfigSource, config_source::ConfigSourceSpecifier},
        discovery::DiscoveryResponse,
        tls::{
            CommonTlsContext, SdsSecretConfig, Secret as SecretProto,
            common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
        },
    },
};
use leno_tls::context::{Parameters, Side, Trust};
use leno_xds::ResourceType;

use super::{
    super::{
        super::{Registry, Secret, Slot, source::Fetch, tls::TrustSource, watch},
        check::{Check, at, join},
    },
    parameters,
    secret::{self, Recipe},
    source, validation,
};

/// What both sides have in common.
pub(super) struct Common {
    pub(super) certificates: Vec<Arc<Slot<Secret>>>,
    pub(super) trust: Option<TrustSource>,
    pub(super) alpn: Vec<String>,
    pub(super) parameters: Parameters,
}

pub(super) fn convert(
    check: &mut Check,
    path: &str,
    side: Side,
    mut proto: CommonTlsContext,
    registry: &mut Registry,
) -> Common {
    let parameters = parameters::convert(check, &join(path, "tls_params"), side, proto.tls_params.take());
    let mut certificates = Vec::new();
    for (index, certificate) in std::mem::take(&mut proto.tls_certificates).into_iter().enumerate() {
        let path = at(path, "tls_certificates", index);
        let pair = secret::pair(check, &path, certificate);
        certificates.extend(pair.and_then(|pair| Recipe::Certificate(pair).into_slot(check, &path, registry)));
    }
    for (index, config) in std::mem::take(&mut proto.tls_certificate_sds_secret_configs).into_iter().enumerate() {
        let path = at(path, "tls_certificate_sds_secret_configs", index);
        certificates.extend(if side == Side::Client && config.name == resource_name::SVID {
            own_identity(check, &path, config, registry)
        } else {
            by_name(check, &path, config, registry)
        });
    }
    let trust = match proto.validation_context_type.take() {
        Some(ValidationContextType::ValidationContext(context)) => {
            let path = join(path, "validation_context");
            let rules = secret::rules(check, &path, context).map(Box::new);
            let slot = rules.and_then(|rules| Recipe::Trust(rules).into_slot(check, &path, registry));
            if let Some(Secret::Trust(trust)) = slot.as_ref().and_then(|slot| slot.get()).as_deref() {
                validation::complete(check, &path, trust);
            }
            slot.map(|slot| TrustSource { own: Trust::default(), secret: Some(slot) })
        }
        Some(ValidationContextType::ValidationContextSdsSecretConfig(config)) => {
            let slot = by_name(check, &join(path, "validation_context_sds_secret_config"), config, registry);
            slot.map(|slot| TrustSource { own: Trust::default(), secret: Some(slot) })
        }
        Some(ValidationContextType::CombinedValidationContext(combined)) => {
            self::combined(check, &join(path, "combined_validation_context"), combined, registry)
        }
        None => None,
        other => {
            proto.validation_context_type = other;
            None
        }
    };
    let alpn = std::mem::take(&mut proto.alpn_protocols);
    for (index, protocol) in alpn.iter().enumerate() {
        if !(1..=255).contains(&protocol.len()) {
            check.wrong(&at(path, "alpn_protocols", index), protocol.clone(), "1 to 255 bytes");
        }
    }
    check.rest(path, &proto);
    Common { certificates, trust, alpn, parameters }
}

fn combined(
    check: &mut Check,
    path: &str,
    mut proto: CombinedCertificateValidationContext,
    registry: &mut Registry,
) -> Option<TrustSource> {
    let config = proto.validation_context_sds_secret_config.take().unwrap_or_default();
    let slot = by_name(check, &join(path, "validation_context_sds_secret_config"), config, registry);
    let path_own = join(path, "default_validation_context");
    let own = secret::rules(check, &path_own, proto.default_validation_context.take().unwrap_or_default())?;
    check.rest(path, &proto);
    let own = match own.make() {
        Ok(own) => own,
        Err(error) => {
            check.wrong(&path_own, "unusable", format!("something else: {error}"));
            return None;
        }
    };
    slot.map(|slot| TrustSource { own, secret: Some(slot) })
}

/// The workload's own certificate, which is made here and asked of nobody.
fn own_identity(
    check: &mut Check,
    path: &str,
    mut proto: SdsSecretConfig,
    registry: &mut Registry,
) -> Option<Arc<Slot<Secret>>> {
    let name = std::mem::take(&mut proto.name);
    super::super::source::common(check, &join(path, "sds_config"), proto.sds_config.take());
    check.rest(path, &proto);
    Some(registry.secret(&name, Fetch::default()))
}

/// A secret by name: from the stream, from the file itself, or from a file of its own.
pub(super) fn by_name(
    check: &mut Check,
    path: &str,
    mut proto: SdsSecretConfig,
    registry: &mut Registry,
) -> Option<Arc<Slot<Secret>>> {
    let name = check.name(&join(path, "name"), std::mem::take(&mut proto.name))?;
    if [resource_name::SVID, resource_name::TRUST_BUNDLE].contains(&name.as_str()) {
        check.wrong(&join(path, "name"), name, "a secret that is not the mesh's own: those go together");
        return None;
    }
    let config = proto.sds_config.take();
    check.rest(path, &proto);
    let path = join(path, "sds_config");
    let is_file = |it: &mut ConfigSourceSpecifier| matches!(it, ConfigSourceSpecifier::PathConfigSource(_));
    let mut config = config;
    let file = config.as_mut().and_then(|config| config.config_source_specifier.take_if(is_file));
    let fetch = super::super::source::fetch(check, &path, config, ResourceType::Secret, registry);
    match file {
        Some(ConfigSourceSpecifier::PathConfigSource(source)) => {
            from_file(check, &join(&path, "path_config_source"), &name, source, registry)
        }
        Some(_) | None => Some(registry.secret(&name, fetch)),
    }
}

/// A secret from a file of SDS, which is read again when it changes.
fn from_file(
    check: &mut Check,
    path: &str,
    name: &str,
    mut proto: PathConfigSource,
    registry: &mut Registry,
) -> Option<Arc<Slot<Secret>>> {
    let file = PathBuf::from(check.name(&join(path, "path"), std::mem::take(&mut proto.path))?);
    let watched = source::watched(check, &join(path, "watched_directory"), proto.watched_directory.take());
    check.rest(path, &proto);
    let recipe = match read(&file, name) {
        Ok(recipe) => recipe,
        Err(error) => {
            check.wrong(&join(path, "path"), file.display().to_string(), format!("a file with a secret: {error}"));
            return None;
        }
    };
    let mut folders = recipe.folders();
    folders.extend(recipe.watched());
    folders.push(watched.unwrap_or_else(|| watch::folder(&file)));
    let slot = Slot::pending(name);
    let wanted = name.to_owned();
    let make = move || read(&file, &wanted).and_then(|recipe| recipe.make());
    secret::follow(check, path, &slot, &folders, registry, make);
    slot.get().is_some().then_some(slot)
}

/// The secret of this name in a file of SDS: a discovery response in YAML or JSON.
fn read(file: &std::path::Path, name: &str) -> Result<Recipe, String> {
    let text = source::text(file)?;
    let mut documents = leno_yaml::documents(&text);
    let root = documents.pop().filter(|document| document.errors.is_empty()).and_then(|document| document.root);
    let root = root.ok_or("it is no YAML")?;
    let response: DiscoveryResponse = json::read(&root.to_json()).map_err(|error| format!("{error:?}"))?;
    let secrets = response.resources.iter().filter_map(|resource| any::unpack::<SecretProto>(resource).ok());
    let secret = secrets.into_iter().find(|secret| secret.name == name).ok_or("it has no secret of this name")?;
    let mut check = Check::new("Secret", name);
    let recipe = Recipe::of(&mut check, "", secret);
    let wrong = |wrong: Vec<leno_model::Invalid>| wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    check.finish(recipe).map_err(wrong)
}
