//! Configuration files in Envoy's format.

use std::sync::LazyLock;

use leno_proto::json::Descriptions;
use leno_proxy::bootstrap::parse;

/// Held for as long as the process lasts: reading them takes far longer than reading a file.
static KNOWN: LazyLock<Descriptions> = LazyLock::new(Descriptions::hold);

/// Nothing ends the process, and the same text is read alike twice. (Which of several unknown fields is named first may
/// differ: the reader of an Any keeps fields unordered.)
pub fn bootstrap(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A file may name others; those are not for strangers to choose.
    if text.contains("filename") || text.contains("environment") {
        return;
    }
    LazyLock::force(&KNOWN);
    let read = || match parse("fuzz.yaml", text) {
        Ok(bootstrap) => Ok((bootstrap.admin, bootstrap.fixed.bound().len(), bootstrap.dynamic.aggregated.is_some())),
        Err(errors) => Err(errors.len()),
    };
    let first = read();
    assert_eq!(first, read());
    assert_ne!(first, Err(0), "refused for no reason");
}
