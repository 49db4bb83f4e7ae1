//! The ClientHello of a connection that is not ended here.

use leno_proxy::tls::hello::{Hello, read};

use crate::cut;

/// What is said of the start of a connection stays when more bytes come.
pub fn client_hello(bytes: &[u8]) {
    let whole = read(bytes);
    assert_eq!(whole, read(bytes), "the same bytes twice");
    for pieces in cut::ways(bytes) {
        let mut end = 0;
        let mut before = Hello::Partial;
        for piece in pieces {
            end += piece.len();
            let now = read(&bytes[..end]);
            assert!(before == Hello::Partial || before == now, "{before:?}, then {now:?} after {end} bytes");
            before = now;
        }
        assert_eq!(before, whole, "in pieces and at once");
    }
}
