//! Bytes from where a message says they are ([`envoy.config.core.v3.DataSource`]).
//!
//! [`envoy.config.core.v3.DataSource`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/base.proto#config-core-v3-datasource

use std::{
    fs,
    path::{Path, PathBuf},
};

use leno_proto::v3::core::{DataSource, WatchedDirectory, data_source::Specifier};
use zeroize::Zeroizing;

use super::super::{
    super::watch,
    check::{Check, join},
};

/// The most that a file of certificates or keys may hold, in bytes: the system's roots have a quarter of that.
const MOST: u64 = 4 * 1024 * 1024;

/// Where bytes are.
#[derive(Clone)]
pub(super) enum Source {
    /// Here.
    Inline(Zeroizing<Vec<u8>>),
    /// In a file.
    File(PathBuf),
}

impl Source {
    /// What a message says; `None` when it says nothing, or nothing of use.
    pub(super) fn of(check: &mut Check, path: &str, proto: Option<DataSource>) -> Option<Self> {
        let mut proto = proto?;
        let made = match proto.specifier.take() {
            Some(Specifier::InlineString(text)) => Some(Self::Inline(Zeroizing::new(text.into_bytes()))),
            Some(Specifier::InlineBytes(bytes)) => Some(Self::Inline(Zeroizing::new(bytes))),
            Some(Specifier::Filename(file)) if !file.is_empty() => Some(Self::File(file.into())),
            Some(Specifier::EnvironmentVariable(name)) => {
                let expected = "a file or inline data: Leno reads no secrets from the environment";
                check.wrong(&join(path, "environment_variable"), name, expected);
                None
            }
            Some(Specifier::Filename(_)) | None => {
                check.wrong(path, "empty", "inline_string, inline_bytes or filename");
                None
            }
        };
        // A folder is watched where the secret says so, not here.
        check.rest(path, &proto);
        made
    }

    /// The bytes of the moment. They are wiped when they are dropped: they may be a key.
    ///
    /// # Errors
    /// Which file cannot be read, and why.
    pub(super) fn read(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        match self {
            Self::Inline(bytes) => Ok(bytes.clone()),
            Self::File(path) => bytes(path),
        }
    }

    /// The folder that it is in, if it is a file.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::Inline(_) => None,
            Self::File(path) => Some(watch::folder(path)),
        }
    }
}

/// What is in a file.
fn bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let shown = path.display();
    let cannot = |error| format!("{shown} cannot be read: {error}");
    let length = fs::metadata(path).map_err(cannot)?.len();
    if length > MOST {
        return Err(format!("{shown} has {length} bytes, more than {MOST}"));
    }
    fs::read(path).map(Zeroizing::new).map_err(cannot)
}

/// The text in a file.
pub(super) fn text(path: &Path) -> Result<Zeroizing<String>, String> {
    let bytes = bytes(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{} is no text", path.display()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The folder that is watched.
pub(super) fn watched(check: &mut Check, path: &str, proto: Option<WatchedDirectory>) -> Option<PathBuf> {
    let mut proto = proto?;
    let folder = std::mem::take(&mut proto.path);
    // What is written in place is seen in any case.
    proto.watch_modify = false;
    check.rest(path, &proto);
    if folder.is_empty() {
        check.wrong(&join(path, "path"), "empty", "a folder");
        return None;
    }
    Some(folder.into())
}
