//! The root in a directory: `root.pem` (public), `root.key` (secret), and, when somebody puts it there, `roots.pem`
//! with further roots to trust.
//!
//! The directory has mode 0700 and the key 0600; wider modes are refused. Files appear whole or not at all: each is
//! written under another name, synced, and renamed. A lock on the directory keeps two processes from each making a
//! root.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use leno_model::TrustDomain;
use leno_tls::TrustBundle;

use crate::{Authority, CaError, Root};

const CERTIFICATE: &str = "root.pem";
const KEY: &str = "root.key";
const FURTHER_ROOTS: &str = "roots.pem";

/// The authority whose root is in this directory. Both are made on first use.
///
/// # Errors
/// When a file cannot be read or written, its mode is too wide, or its content cannot be used.
pub fn open(directory: &Path, trust_domain: &TrustDomain) -> Result<Authority, CaError> {
    create(directory)?;
    let handle = File::open(directory).map_err(|source| failed("open", directory, source))?;
    handle.lock().map_err(|source| failed("lock", directory, source))?;
    check_mode(directory, 0o700)?;
    let (certificate, key) = (directory.join(CERTIFICATE), directory.join(KEY));
    let root = match (exists(&certificate)?, exists(&key)?) {
        (true, true) => {
            check_mode(&key, 0o600)?;
            Root::from_pem(&read(&certificate)?, &read(&key)?)?
        }
        (false, false) => {
            let root = Root::generate(trust_domain, SystemTime::now())?;
            write(&key, &root.key_pem(), 0o600)?;
            write(&certificate, root.certificate_pem(), 0o644)?;
            handle.sync_all().map_err(|source| failed("sync", directory, source))?;
            root
        }
        (true, false) => {
            return Err(CaError::Half { there: certificate, missing: key });
        }
        (false, true) => {
            return Err(CaError::Half { there: key, missing: certificate });
        }
    };
    Ok(Authority::new(root, further_roots(directory)?))
}

/// The further roots; every one must be readable, for a peer refuses a bundle with a broken one.
fn further_roots(directory: &Path) -> Result<String, CaError> {
    let path = directory.join(FURTHER_ROOTS);
    if !exists(&path)? {
        return Ok(String::new());
    }
    let text = read(&path)?;
    TrustBundle::from_pem(TrustDomain::default(), &text)
        .map_err(|error| CaError::Certificate(format!("{}: {error}", path.display())))?;
    Ok(text)
}

fn create(directory: &Path) -> Result<(), CaError> {
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent).map_err(|source| failed("create", parent, source))?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed("create", directory, error)),
        _ => Ok(()),
    }
}

fn check_mode(path: &Path, expected: u32) -> Result<(), CaError> {
    let metadata = fs::metadata(path).map_err(|source| failed("read", path, source))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(CaError::Mode { path: path.to_owned(), mode, expected })
}

fn exists(path: &Path) -> Result<bool, CaError> {
    fs::exists(path).map_err(|source| failed("read", path, source))
}

fn read(path: &Path) -> Result<String, CaError> {
    fs::read_to_string(path).map_err(|source| failed("read", path, source))
}

/// Writes a new file whole.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CaError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    // Left by a process that died while it held the lock that we hold now.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(failed("remove", &temporary, error));
        }
        _ => {}
    }
    let attempt = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    attempt().map_err(|source| failed("write", path, source))
}

fn failed(action: &'static str, path: &Path, source: std::io::Error) -> CaError {
    CaError::File { action, path: path.to_owned(), source }
}
