//! Connecting, saying something, and what came of it, in words.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use serde_json::Value;

use super::backend::END;

/// What is compared of the headers that reach a backend.
const HEADERS: [&str; 8] = [
    "x-forwarded-for",
    "x-forwarded-client-cert",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-envoy-external-address",
    "via",
    "x-seen",
    "host",
];

/// What came of a probe against the proxy at this port.
pub(super) fn run(probe: &Value, port: u16, folder: &Path) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let own = stream.local_addr().expect("an address").port();
    let outcome = ask(probe, stream, folder);
    readable(outcome, own, port)
}

fn ask(probe: &Value, mut stream: TcpStream, folder: &Path) -> Vec<u8> {
    if let Some(header) = probe["header"].as_str()
        && stream.write_all(&unescape(header)).is_err()
    {
        return b"closed at the header".to_vec();
    }
    if probe["tls"].is_object() {
        return over_tls(probe, stream, folder);
    }
    exchange(probe, &mut stream)
}

fn over_tls(probe: &Value, stream: TcpStream, folder: &Path) -> Vec<u8> {
    let tls = &probe["tls"];
    let name = tls["sni"].as_str().unwrap_or("127.0.0.1").to_owned();
    let name = ServerName::try_from(name).expect("a name");
    let mut connection = ClientConnection::new(config(tls, folder), name).expect("a connection");
    let mut stream = stream;
    while connection.is_handshaking() {
        if connection.complete_io(&mut stream).is_err() {
            return b"no handshake".to_vec();
        }
    }
    let alpn = connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    let shown = connection.peer_certificates().and_then(<[_]>::first).map(|leaf| whose(leaf, folder));
    let mut told = format!("{:?} alpn {alpn:?} shown {shown:?}: ", connection.protocol_version()).into_bytes();
    told.extend(exchange(probe, &mut StreamOwned::new(connection, stream)));
    told
}

/// Whose certificate this is, by its file.
fn whose(leaf: &CertificateDer<'_>, folder: &Path) -> String {
    let files = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let is = |path: &std::path::PathBuf| {
        let read = fs::read(path).unwrap_or_default();
        path.extension().is_some_and(|end| end == "pem")
            && CertificateDer::from_pem_slice(&read).is_ok_and(|other| other == *leaf)
    };
    let mut names: Vec<_> = files.filter(is).filter_map(|path| path.file_stem().map(|name| name.to_owned())).collect();
    names.sort();
    names.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn config(tls: &Value, folder: &Path) -> Arc<ClientConfig> {
    let versions: &[_] = match tls["version"].as_str() {
        Some("1.2") => &[&rustls::version::TLS12],
        Some("1.3") => &[&rustls::version::TLS13],
        _ => rustls::ALL_VERSIONS,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
    let mut config = match tls["cert"].as_str() {
        Some(name) => {
            let read = |end: &str| fs::read(folder.join(format!("{name}.{end}"))).expect("it is there");
            let chain = vec![CertificateDer::from_pem_slice(&read("pem")).expect("a certificate")];
            let key = PrivateKeyDer::from_pem_slice(&read("key")).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("a certificate")
        }
        None => builder.with_no_client_auth(),
    };
    let alpn = tls["alpn"].as_array().into_iter().flatten().filter_map(Value::as_str);
    config.alpn_protocols = alpn.map(|name| name.as_bytes().to_vec()).collect();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

/// Says `hello`, or asks for a page, and gives the answer.
fn exchange(probe: &Value, stream: &mut (impl Read + Write)) -> Vec<u8> {
    let said = match probe["get"].as_str() {
        Some(target) => {
            let mut words = target.split(' ');
            let path = words.next().unwrap_or("/");
            let headers: String = words
                .filter_map(|word| word.split_once(':'))
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n{headers}Connection: close\r\n\r\n").into_bytes()
        }
        None => [probe["say"].as_str().unwrap_or_default().as_bytes(), END].concat(),
    };
    // Who does not want to hear it closes.
    stream.write_all(&said).and_then(|()| stream.flush()).ok();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..read]);
    }
    match (answer.is_empty(), probe["get"].is_string()) {
        (true, _) => b"no answer".to_vec(),
        (false, true) => page(&answer).into_bytes(),
        // What a library says against it is its own.
        (false, false) if answer.starts_with(b"\x15\x03") => b"a TLS alert".to_vec(),
        (false, false) => answer,
    }
}

/// What is compared of a page.
fn page(answer: &[u8]) -> String {
    let answer = crate::exchange::parse(answer);
    let header = |name: &str| answer.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    // Each has a name of its own where nobody gives it one.
    let server = header("server").filter(|name| name != "envoy");
    let told = format!("via {:?} server {server:?} who {:?}", header("via"), header("x-who"));
    let Some(saw) = &answer.saw else {
        // A proxy's own words are its own.
        let body = if answer.status < 400 { answer.body.as_str() } else { "" };
        return format!("{} {body} {told}", answer.status);
    };
    let pairs = saw["headers"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut seen: Vec<_> = pairs
        .map(|pair| (text(&pair[0]), text(&pair[1])))
        .filter(|(name, _)| HEADERS.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    seen.sort();
    format!("{} {seen:?} {told}", answer.status)
}

/// As text, without what differs from one time to the next: ports.
fn readable(mut bytes: Vec<u8>, own: u16, proxy: u16) -> String {
    if bytes.windows(5).any(|part| part == b"QUIT\n") {
        for (port, stands) in [(own, b"<<"), (proxy, b">>")] {
            let wanted = port.to_be_bytes();
            if let Some(at) = bytes.windows(2).position(|part| part == wanted) {
                bytes[at..at + 2].copy_from_slice(stands);
            }
        }
    }
    let text = bytes.escape_ascii().to_string();
    text.replace(&own.to_string(), "CALLER").replace(&proxy.to_string(), "PROXY")
}

/// `\xNN`, `\r` and `\n` as bytes.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (byte, length) = match rest.get(..2) {
            Some("\\r") => (Some(b'\r'), 2),
            Some("\\n") => (Some(b'\n'), 2),
            Some("\\x") => (rest.get(2..4).and_then(|digits| u8::from_str_radix(digits, 16).ok()), 4),
            _ => (u8::try_from(character).ok(), character.len_utf8()),
        };
        out.extend(byte);
        rest = &rest[length..];
    }
    out
}

/// Believes anybody: who was shown is part of the outcome.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}
