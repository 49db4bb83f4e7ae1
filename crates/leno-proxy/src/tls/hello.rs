//! Reading a ClientHello without taking it: which protocols does the caller offer, and whom does it ask for?

use std::io;

use rustls::server::Acceptor;

/// What is known of a ClientHello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// It is not complete.
    Partial,
    /// It is complete.
    Complete(Offer),
    /// It is no ClientHello.
    Broken,
}

/// What a ClientHello says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The protocols that it offers by ALPN.
    pub protocols: Vec<String>,
    /// The name that it asks for (SNI); empty when there is none.
    pub server_name: String,
}

/// Reads the ClientHello at the start of a connection. Protocol names that are no UTF-8 are left out: nothing of ours
/// is called so.
#[must_use]
pub fn read(bytes: &[u8]) -> Hello {
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        match acceptor.read_tls(&mut rest) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Hello::Broken,
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let names = accepted.client_hello().alpn().into_iter().flatten();
                let text = names.filter_map(|name| String::from_utf8(name.to_vec()).ok());
                let server_name = accepted.client_hello().server_name().unwrap_or_default().to_owned();
                return Hello::Complete(Offer { protocols: text.collect(), server_name });
            }
            Err(_) => return Hello::Broken,
        }
    }
    Hello::Partial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_are_no_hello() {
        assert_eq!(read(b""), Hello::Partial);
        assert_eq!(read(&[22]), Hello::Partial);
        assert_eq!(read(b"GET / HTTP/1.1\r\n\r\n"), Hello::Broken);
    }
}
