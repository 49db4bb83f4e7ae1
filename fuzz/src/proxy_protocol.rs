//! The header that tells who called.

use leno_engine::proxy_protocol::{Read, Version, read, write};

use crate::cut;

/// What is said of the start of a connection stays when more bytes come; what is read can be written and is read again.
pub fn proxy_protocol(bytes: &[u8]) {
    let whole = read(bytes);
    for pieces in cut::ways(bytes) {
        let mut end = 0;
        let mut before = Read::Partial;
        for piece in pieces {
            end += piece.len();
            let now = read(&bytes[..end]);
            assert!(before == Read::Partial || before == now, "{before:?}, then {now:?} after {end} bytes");
            before = now;
        }
        assert_eq!(before, whole, "in pieces and at once");
    }
    let Read::Complete(header, length) = whole else { return };
    assert!(length <= bytes.len());
    for version in [Version::V1, Version::V2] {
        let written = write(version, header.addresses, &header.additions);
        let Read::Complete(again, all) = read(&written) else { panic!("{header:?} as {version:?}: {written:?}") };
        assert_eq!((again.addresses, all), (header.addresses, written.len()));
    }
}
