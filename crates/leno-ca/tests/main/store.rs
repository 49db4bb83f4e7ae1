//! The root in a directory.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Barrier};

use leno_ca::{Authority, CaError, store::file};
use leno_model::TrustDomain;

fn open(directory: &Path) -> Result<Authority, CaError> {
    file::open(directory, &TrustDomain::default())
}

/// A directory that others cannot look into.
fn private() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    chmod(directory.path(), 0o700);
    directory
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_root_is_made_on_first_use_with_private_modes_and_found_again() {
    let parent = private();
    let directory = parent.path().join("state/ca");
    let first = open(&directory).unwrap();
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&directory.join("root.key")), 0o600);
    assert_eq!(mode(&directory.join("root.pem")), 0o644);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "nothing temporary is left");
    let second = open(&directory).unwrap();
    assert_eq!(first.roots_pem(), second.roots_pem());
    assert_eq!(fs::read_to_string(directory.join("root.pem")).unwrap(), first.roots_pem());
    assert!(!format!("{first:?}").contains("KEY"));
}

#[test]
fn wider_modes_are_refused_with_the_command_that_mends_them() {
    let directory = private();
    open(directory.path()).unwrap();
    let key = directory.path().join("root.key");
    chmod(&key, 0o640);
    let error = open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("mode 0640, expected 0600"), "{error}");
    assert!(error.contains(&format!("chmod 600 {}", key.display())), "{error}");
    chmod(&key, 0o600);
    chmod(directory.path(), 0o755);
    let error = open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("mode 0755, expected 0700"), "{error}");
    chmod(directory.path(), 0o700);
    open(directory.path()).unwrap();
}

#[test]
fn half_an_authority_is_refused_and_never_replaced() {
    let directory = private();
    open(directory.path()).unwrap();
    let (certificate, key) = (directory.path().join("root.pem"), directory.path().join("root.key"));
    let kept = fs::read(&certificate).unwrap();
    fs::remove_file(&certificate).unwrap();
    assert!(matches!(open(directory.path()), Err(CaError::Half { .. })));
    fs::write(&certificate, kept).unwrap();
    fs::remove_file(&key).unwrap();
    let error = open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("root.key is not; restore it"), "{error}");
    assert!(!key.exists());
}

#[test]
fn a_certificate_for_another_key_and_a_leaf_are_refused() {
    let (one, two) = (private(), private());
    open(one.path()).unwrap();
    let other = open(two.path()).unwrap();
    fs::write(one.path().join("root.pem"), other.roots_pem()).unwrap();
    assert!(open(one.path()).unwrap_err().to_string().contains("not for root.key"));
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    fs::write(one.path().join("root.pem"), leaf.pem()).unwrap();
    fs::write(one.path().join("root.key"), key.serialize_pem()).unwrap();
    assert!(open(one.path()).unwrap_err().to_string().contains("CA:TRUE"));
    fs::write(one.path().join("root.key"), "nonsense").unwrap();
    assert!(matches!(open(one.path()), Err(CaError::Key(_))));
}

#[test]
fn further_roots_are_trusted_and_broken_ones_refused() {
    let (one, two) = (private(), private());
    open(one.path()).unwrap();
    let other = open(two.path()).unwrap();
    let further = one.path().join("roots.pem");
    fs::write(&further, other.roots_pem()).unwrap();
    let bundle = open(one.path()).unwrap().bundle(TrustDomain::default()).unwrap();
    assert_eq!(bundle.roots().len(), 2);
    fs::write(&further, "no certificate").unwrap();
    assert!(open(one.path()).unwrap_err().to_string().contains("roots.pem"));
}

#[test]
fn processes_that_start_together_agree_on_one_root() {
    let directory = private();
    let path = directory.path().join("ca");
    let barrier = Barrier::new(8);
    let start = || {
        barrier.wait();
        open(&path).unwrap().roots_pem()
    };
    let roots: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(roots.iter().all(|root| *root == roots[0]));
}

#[test]
fn what_a_dead_process_left_behind_is_no_hindrance() {
    let directory = private();
    fs::write(directory.path().join("root.key.new"), "half a k").unwrap();
    open(directory.path()).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}
