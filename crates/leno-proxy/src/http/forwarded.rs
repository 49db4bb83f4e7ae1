//! What is passed on of who called: addresses, scheme, certificate, way.
//!
//! In the order of [Envoy's headers]: `x-forwarded-for`, `x-envoy-external-address`, `x-forwarded-proto`,
//! `x-request-id`, `via`, `x-forwarded-client-cert`.
//!
//! [Envoy's headers]: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use leno_engine::{
    request::RequestHead,
    route::{HeaderAppend, HeaderEdits, HeaderText, HeaderWrite},
};
use leno_tls::context::Peer;
use smallvec::SmallVec;

use super::header::{CLIENT_CERTIFICATE, FORWARDED_PROTO, REQUEST_ID, RequestId, request_id};
use crate::{
    config::{CertificateHeader, Forwarding, ServerHeader},
    connection::Connection,
    tls::accept::TlsCaller,
};

const FORWARDED_FOR: &str = "x-forwarded-for";
const EXTERNAL_ADDRESS: &str = "x-envoy-external-address";
const VIA: &str = "via";
/// What callers outside may not say to Envoys.
const INTERNAL: [&str; 14] = [
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-internal",
];

/// A header, and what becomes of it: a value, or that it goes.
type Forwarded = (&'static str, Option<Cow<'static, str>>);

/// What is passed on of who called.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Headers that say it. Those of a sidecar find room without an allocation.
    pub(super) headers: SmallVec<[Forwarded; 1]>,
    /// The request's identifier, where it is not the caller's, or the answer must have it.
    pub(super) request_id: Option<RequestId>,
    /// Whether the caller's word about its certificate is passed on, whatever the mesh knows.
    pub(super) certificate: bool,
}

/// What a request and the answer to it say of the way; `request` as it came.
pub(super) fn both<R: RequestHead>(
    connection: &Connection,
    forwarding: &Forwarding,
    request: &R,
) -> (Told, Option<HeaderEdits>) {
    let told = told(connection, forwarding, request);
    let came = || request.header(REQUEST_ID).and_then(|value| std::str::from_utf8(value).ok());
    let edits = answer(forwarding, told.request_id.as_ref().map(RequestId::as_str).or_else(came));
    (told, edits)
}

/// What a request says of who called.
fn told<R: RequestHead>(connection: &Connection, forwarding: &Forwarding, request: &R) -> Told {
    let mut told = Told { certificate: forwarding.certificate == CertificateHeader::AlwaysPass, ..Told::default() };
    let headers = &mut told.headers;
    let list = |name: &str| list(request, name);
    let scheme = Some(Cow::Borrowed(forwarding.scheme.unwrap_or(connection.scheme())));
    if forwarding.is_edge {
        let peer = connection.peer.ip();
        let client = caller(forwarding, peer, request);
        headers.push((EXTERNAL_ADDRESS, Some(client.to_string().into())));
        if forwarding.append {
            let all = list(FORWARDED_FOR).map_or(peer.to_string(), |before| format!("{before},{peer}"));
            headers.push((FORWARDED_FOR, Some(all.into())));
        }
        let unwanted = INTERNAL.iter().filter(|name| request.header(name).is_some());
        headers.extend(unwanted.map(|name| (*name, None)));
    }
    if forwarding.scheme.is_some()
        || request.header(FORWARDED_PROTO).is_none()
        || (forwarding.is_edge && forwarding.trusted_hops == 0)
    {
        headers.push((FORWARDED_PROTO, scheme));
    }
    if let Some(via) = &forwarding.via {
        let all = list(VIA).map_or_else(|| via.to_string(), |before| format!("{before}, {via}"));
        headers.push((VIA, Some(all.into())));
    }
    if !connection.mtls
        && let Some(changed) = certificate(connection.tls.as_deref(), forwarding, || list(CLIENT_CERTIFICATE))
    {
        headers.push((CLIENT_CERTIFICATE, changed.map(Cow::Owned)));
    }
    let unwanted = forwarding.is_edge && !forwarding.keep_request_id;
    // An answer can only tell an identifier that is known by now.
    let new = match request.header(REQUEST_ID) {
        Some(_) => unwanted,
        None => forwarding.answers_request_id,
    };
    told.request_id = new.then(request_id);
    told
}

/// All values of a header in one.
fn list<R: RequestHead>(request: &R, name: &str) -> Option<String> {
    let values: Vec<_> = request.values(name).map(String::from_utf8_lossy).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// The address that a request comes from: of the connection, or as proxies before this one say that are trusted.
pub(super) fn source<R: RequestHead>(connection: &Connection, forwarding: &Forwarding, request: &R) -> SocketAddr {
    let peer = connection.peer;
    let ip = caller(forwarding, peer.ip(), request);
    if ip == peer.ip() { peer } else { SocketAddr::new(ip, 0) }
}

/// Who called, counted from the last proxy.
fn caller<R: RequestHead>(forwarding: &Forwarding, peer: IpAddr, request: &R) -> IpAddr {
    let hops = match (forwarding.is_edge, forwarding.trusted_hops) {
        (true, 0) => return peer,
        (true, hops) => hops - 1,
        (false, hops) => hops,
    };
    let values: SmallVec<[&[u8]; 2]> = request.values(FORWARDED_FOR).collect();
    let mut named = values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    let named = named.nth(hops as usize).and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    named.unwrap_or(peer)
}

/// What becomes of the header that tells the caller's certificate; `None`: it stays.
#[expect(clippy::option_option, reason = "it stays, goes, or gets a value")]
fn certificate(
    tls: Option<&TlsCaller>,
    forwarding: &Forwarding,
    before: impl Fn() -> Option<String>,
) -> Option<Option<String>> {
    let peer = tls.and_then(|tls| Some((tls, tls.peer.as_ref()?)));
    match (forwarding.certificate, peer) {
        (CertificateHeader::AlwaysPass, _) | (CertificateHeader::Pass, Some(_)) => None,
        (CertificateHeader::Remove, _) | (_, None) => before().map(|_| None),
        (CertificateHeader::Set, Some((tls, peer))) => Some(Some(details(tls, peer, forwarding))),
        (CertificateHeader::Append, Some((tls, peer))) => {
            let details = details(tls, peer, forwarding);
            Some(Some(before().map_or(details.clone(), |before| format!("{before},{details}"))))
        }
    }
}

/// A caller's certificate in words.
fn details(tls: &TlsCaller, peer: &Peer, forwarding: &Forwarding) -> String {
    let told = forwarding.told;
    let mut parts = Vec::new();
    parts.extend(tls.own_uri.iter().map(|uri| format!("By={uri}")));
    let sum: String = peer.sum.iter().map(|byte| format!("{byte:02x}")).collect();
    parts.push(format!("Hash={sum}"));
    if told.certificate {
        parts.push(format!("Cert=\"{}\"", peer.leaf_text()));
    }
    if told.chain {
        parts.push(format!("Chain=\"{}\"", peer.chain_text()));
    }
    if told.subject {
        parts.push(format!("Subject=\"{}\"", peer.subject));
    }
    if told.uri {
        parts.push(format!("URI={}", peer.uris.first().map_or("", |uri| uri)));
    }
    if told.hosts {
        parts.extend(peer.hosts.iter().map(|host| format!("DNS={host}")));
    }
    parts.join(";")
}

/// What the headers of an answer say of the way.
fn answer(forwarding: &Forwarding, id: Option<&str>) -> Option<HeaderEdits> {
    let write = |name: &str, value: &str, append| HeaderWrite {
        name: name.into(),
        value: HeaderText::Plain(value.into()),
        append,
    };
    let mut add = Vec::new();
    if let Some(via) = &forwarding.via {
        add.push(write(VIA, via, HeaderAppend::Append));
    }
    match &forwarding.server {
        ServerHeader::Keep => {}
        ServerHeader::Set(name) => add.push(write("server", name, HeaderAppend::Overwrite)),
        ServerHeader::SetIfAbsent(name) => add.push(write("server", name, HeaderAppend::IfAbsent)),
    }
    if let Some(id) = id.filter(|_| forwarding.answers_request_id) {
        add.push(write(REQUEST_ID, id, HeaderAppend::Overwrite));
    }
    (!add.is_empty()).then(|| HeaderEdits { remove: Vec::new(), add })
}

#[cfg(test)]
mod tests {
    use leno_engine::request::SimpleRequest;

    use super::*;

    #[test]
    fn callers_are_counted_from_the_last_proxy() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let of = |is_edge, trusted_hops, before: &[&str]| {
            let forwarding = Forwarding { is_edge, trusted_hops, ..Forwarding::default() };
            let request = SimpleRequest::new("GET", "/", "a");
            let request = before.iter().fold(request, |request, value| request.with(FORWARDED_FOR, value));
            caller(&forwarding, ip("9.9.9.9"), &request).to_string()
        };
        let chain = &["1.1.1.1, 2.2.2.2", "3.3.3.3"][..];
        assert_eq!(of(true, 0, chain), "9.9.9.9");
        assert_eq!(of(true, 1, chain), "3.3.3.3");
        assert_eq!(of(true, 2, chain), "2.2.2.2");
        assert_eq!(of(true, 5, chain), "9.9.9.9");
        assert_eq!(of(false, 0, chain), "3.3.3.3");
        assert_eq!(of(false, 1, chain), "2.2.2.2");
        assert_eq!(of(false, 0, &["nonsense"]), "9.9.9.9");
        assert_eq!(of(false, 0, &[]), "9.9.9.9");
    }
}
