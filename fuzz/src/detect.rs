//! What is spoken on a connection, by its first bytes.

use leno_http1::{Limits, Parsed, RequestHead};
use leno_proxy::{
    connection::Payload,
    detect::{Verdict, verdict},
};

/// A verdict stays when more bytes come, and a request that HTTP/1 takes is seen to be one.
pub fn detect(bytes: &[u8]) {
    let mut before = Verdict::Unknown;
    for end in 0..=bytes.len() {
        let now = verdict(&bytes[..end]);
        assert!(before == Verdict::Unknown || before == now, "{before:?}, then {now:?} after {end} bytes");
        before = now;
    }
    let mut head = RequestHead::default();
    if let Ok(Parsed::Complete(_)) = head.parse(bytes, Limits::default()) {
        // Other methods are legal, and taken for bytes of an unknown protocol on purpose.
        let method = head.method.of_bytes(bytes);
        let usual = method.len() <= 20 && method.iter().all(|byte| byte.is_ascii_uppercase());
        assert!(!usual || before == Verdict::Is(Payload::Http1), "a request is {before:?}");
    }
}
