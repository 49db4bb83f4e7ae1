//! What is spoken on a connection, by its first bytes.

/// The verdict on the bytes seen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detected {
    /// HTTP/1.0 or HTTP/1.1: a request line.
    Http1,
    /// HTTP/2 with prior knowledge: the connection preface ([RFC 9113, 3.4]).
    ///
    /// [RFC 9113, 3.4]: https://www.rfc-editor.org/rfc/rfc9113#section-3.4
    Http2,
    /// Anything else, TLS included.
    Tcp,
    /// Too few bytes to tell.
    NeedMore,
}

/// The preface of an HTTP/2 connection ([RFC 9113, 3.4]).
///
/// [RFC 9113, 3.4]: https://www.rfc-editor.org/rfc/rfc9113#section-3.4
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The longest method name that counts as HTTP (`VERSION-CONTROL` has 15).
const MAX_METHOD: usize = 20;
/// How far the end of a request line is looked for; a longer one that began well is HTTP, and refused as such.
const MAX_LINE: usize = 8 * 1024;

/// What these first bytes of a connection say.
#[must_use]
pub fn detect(bytes: &[u8]) -> Detected {
    if bytes.is_empty() {
        return Detected::NeedMore;
    }
    if bytes.starts_with(PREFACE) {
        return Detected::Http2;
    }
    if PREFACE.starts_with(bytes) {
        return Detected::NeedMore;
    }
    request_line(bytes)
}

fn request_line(bytes: &[u8]) -> Detected {
    let Some(space) = bytes.iter().position(|byte| *byte == b' ') else {
        let method = bytes.len() <= MAX_METHOD && bytes.iter().all(|byte| is_method_byte(*byte));
        return if method { Detected::NeedMore } else { Detected::Tcp };
    };
    let (method, rest) = bytes.split_at(space);
    if method.is_empty() || method.len() > MAX_METHOD || !method.iter().all(|byte| is_method_byte(*byte)) {
        return Detected::Tcp;
    }
    let rest = rest.get(1..).unwrap_or_default();
    let target_fits = |byte: &u8| byte.is_ascii_graphic() || *byte >= 0x80;
    let target = rest.iter().take_while(|byte| target_fits(byte)).count();
    match rest.get(target) {
        None if rest.len() >= MAX_LINE => Detected::Http1,
        None => Detected::NeedMore,
        Some(b' ') if target > 0 => version(rest.get(target + 1..).unwrap_or_default()),
        Some(_) => Detected::Tcp,
    }
}

/// Whether what follows the target is an HTTP/1 version.
fn version(bytes: &[u8]) -> Detected {
    const HTTP: &[u8] = b"HTTP/1.";
    if bytes.starts_with(HTTP) {
        Detected::Http1
    } else if HTTP.starts_with(bytes) {
        Detected::NeedMore
    } else {
        Detected::Tcp
    }
}

/// Methods that are used have capital letters and hyphens; a token could have more ([RFC 9110, 5.6.2]), at the price
/// of taking other protocols' greetings for HTTP.
///
/// [RFC 9110, 5.6.2]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn protocols_are_told_apart() {
        for (bytes, verdict) in [
            (&b""[..], Detected::NeedMore),
            (b"G", Detected::NeedMore),
            (b"GET /", Detected::NeedMore),
            (b"GET / HTTP/1.1\r\n", Detected::Http1),
            (b"VERSION-CONTROL /x HTTP/1.0\r\n", Detected::Http1),
            (b"CONNECT a:1 HTTP/1.1\r\n", Detected::Http1),
            (b"GET / HTTP/2", Detected::Tcp),
            (b"PRI * HTTP/2.0\r\n", Detected::NeedMore),
            (PREFACE, Detected::Http2),
            (b"\x16\x03\x01", Detected::Tcp),
            (b"*1\r\n$4\r\nPING\r\n", Detected::Tcp),
            (b"PING\r\n", Detected::Tcp),
            (b"SSH-2.0-x", Detected::Tcp),
            (b"get / HTTP/1.1\r\n", Detected::Tcp),
            (b" / HTTP/1.1\r\n", Detected::Tcp),
        ] {
            assert_eq!(detect(bytes), verdict, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn a_verdict_stays_when_more_bytes_come(bytes in prop::collection::vec(any::<u8>(), 0..64), more in prop::collection::vec(any::<u8>(), 0..64)) {
            let first = detect(&bytes);
            let all: Vec<u8> = bytes.iter().chain(&more).copied().collect();
            if first != Detected::NeedMore {
                prop_assert_eq!(detect(&all), first);
            }
        }

        #[test]
        fn every_request_line_is_found(path in "/[a-zA-Z0-9/._~%-]{0,64}", cut in 0usize..8) {
            let line = format!("POST {path} HTTP/1.1\r\n");
            let cut = line.len() - cut.min(line.len());
            prop_assert!(matches!(detect(&line.as_bytes()[..cut]), Detected::Http1 | Detected::NeedMore));
            prop_assert_eq!(detect(line.as_bytes()), Detected::Http1);
        }
    }
}
