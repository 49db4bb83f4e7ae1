//! Configuration files in Envoy's format.

use leno_proxy::bootstrap::parse;

/// Nothing ends the process, and the same text is read alike twice. (Which of several unknown fields is named first may
/// differ: the reader of an Any keeps fields unordered.)
pub fn bootstrap(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A file may name others; those are not for strangers to choose.
    if text.contains("filename") || text.contains("environment") {
        return;
    }
    let read = || match parse("fuzz.yaml", text) {
        Ok(bootstrap) => Ok((bootstrap.admin, bootstrap.listeners.len())),
        Err(errors) => Err(errors.len()),
    };
    let first = read();
    assert_eq!(first, read());
    assert_ne!(first, Err(0), "refused for no reason");
}
