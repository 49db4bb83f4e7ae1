//! Backends that tell what reached them. A caller ends what it says with `hello` and a line feed.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpListener,
    path::Path,
    sync::Arc,
    thread,
};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

/// The end of what a caller says.
pub(super) const END: &[u8] = b"hello\n";

/// What a caller says, as far as its end.
fn said(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    let complete = |said: &[u8]| match said.starts_with(b"PRI ") {
        true => asked_by_http2(said),
        false => said.ends_with(END) || said.ends_with(b"\r\n\r\n"),
    };
    while !complete(&said) {
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => said.extend_from_slice(&piece[..read]),
        }
    }
    Ok(said)
}

/// What HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a request by HTTP/2 has begun: its HEADERS are there.
fn asked_by_http2(said: &[u8]) -> bool {
    let mut rest = said.strip_prefix(PREFACE).unwrap_or_default();
    while let [a, b, c, kind, ..] = *rest {
        if kind == 1 {
            return true;
        }
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    false
}

/// Says back what it hears, and its own name.
pub(super) fn echo(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                // Who goes away is not told.
                let Ok(said) = said(&mut stream) else { return };
                stream.write_all(&[name.as_bytes(), b" heard ", &said].concat()).ok();
            });
        }
    });
    port
}

/// Says nothing, whatever it hears.
pub(super) fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || io::copy(&mut stream, &mut io::sink()));
        }
    });
    port
}

/// Speaks TLS with the certificate `backend`, asks callers for theirs, and says what was agreed.
pub(super) fn tls(folder: &Path, protocols: &[&str], versions: &[&'static rustls::SupportedProtocolVersion]) -> u16 {
    let read = |name: &str| fs::read(folder.join(name)).expect("it is there");
    let chain = CertificateDer::pem_slice_iter(&read("backend.pem")).collect::<Result<Vec<_>, _>>().expect("a chain");
    let key = PrivateKeyDer::from_pem_slice(&read("backend.key")).expect("a key");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&read("ca.pem")).expect("a root")).expect("it is one");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build().expect("a verifier");
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    let mut config = config.with_client_cert_verifier(verifier).with_single_cert(chain, key).expect("a certificate");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            thread::spawn(move || {
                // Who does not like the certificate is not told.
                answer(StreamOwned::new(connection, stream)).ok();
            });
        }
    });
    port
}

fn answer(mut stream: StreamOwned<ServerConnection, std::net::TcpStream>) -> io::Result<()> {
    let said = said(&mut stream)?;
    let state = &stream.conn;
    let alpn = state.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    let certificate = state.peer_certificates().map(<[_]>::len);
    let told = format!(
        "version {:?} name {:?} alpn {alpn:?} certificates {certificate:?}",
        state.protocol_version(),
        state.server_name(),
    );
    if said.starts_with(PREFACE) {
        // SETTINGS and their acknowledgement, HEADERS with the status 200, DATA with the end.
        let length = u32::try_from(told.len()).expect("a short text").to_be_bytes();
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];
        let head = [0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88, length[1], length[2], length[3], 0, 1, 0, 0, 0, 1];
        stream.write_all(&[&settings[..], &head, told.as_bytes()].concat())?;
        stream.flush()?;
        // Closed when the caller does.
        io::copy(&mut stream, &mut io::sink())?;
        return Ok(());
    }
    if said.starts_with(b"GET ") {
        let length = told.len();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{told}")?;
    } else {
        stream.write_all(told.as_bytes())?;
    }
    stream.conn.send_close_notify();
    stream.flush()
}
