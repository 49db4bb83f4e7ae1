//! ConfigMaps and Secrets.

use crate::{
    base64,
    core::{ConfigMap, Secret},
    problem::Problems,
    syntax::name,
    yaml::node::key_path,
};

pub(super) fn check_map(map: &ConfigMap, problems: &mut Problems<'_>) {
    check_keys(map.data.keys(), "data", problems);
    check_keys(map.binary_data.keys(), "binaryData", problems);
    for (key, text) in &map.binary_data {
        let field = key_path("binaryData", key);
        if map.data.contains_key(key) {
            problems.add_value(&field, "also in data", "a key that data does not have", "");
        }
        if base64::decode(text).is_none() {
            problems.add(&field, "base64", "");
        }
    }
}

pub(super) fn check_secret(secret: &Secret, problems: &mut Problems<'_>) {
    check_keys(secret.data.keys(), "data", problems);
    check_keys(secret.string_data.keys(), "stringData", problems);
    for (key, text) in &secret.data {
        if base64::decode(text).is_none() {
            problems.add(&key_path("data", key), "base64", "write the plain text under stringData instead");
        }
    }
}

fn check_keys<'a>(keys: impl Iterator<Item = &'a String>, path: &str, problems: &mut Problems<'_>) {
    for key in keys {
        if let Err(rule) = name::data_key(key) {
            problems.add_value(&key_path(path, key), "so named", rule, "");
        }
    }
}
