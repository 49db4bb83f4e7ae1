//! One try of a probe, made from inside the pod, so that no policy stands in its way.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use leno_manifest::{
    core::pod::{
        Container, Probe,
        probe::{ExecAction, GrpcAction, HttpGetAction, HttpScheme, TcpSocketAction},
    },
    meta::IntOrString,
};
use leno_runtime::task::spawn;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{process::Process, tls};
use crate::sandbox;

/// What a probe needs to know of its container.
pub(crate) struct Target<'a> {
    /// The pod's place.
    pub(crate) place: &'a sandbox::Pod,
    /// The container.
    pub(crate) container: &'a Container,
    /// How commands run beside the container.
    pub(crate) process: &'a Process,
}

/// Tries a probe once, within its timeout.
///
/// # Errors
/// Why it was not content, for people.
pub(crate) async fn attempt(probe: &Probe, target: &Target<'_>) -> Result<(), String> {
    let limit = Duration::from_secs(probe.timeout_seconds.unwrap_or(1).max(1).into());
    let work = async {
        if let Some(action) = &probe.http_get {
            http_get(action, target).await
        } else if let Some(action) = &probe.tcp_socket {
            tcp_socket(action, target).await
        } else if let Some(action) = &probe.exec {
            exec(action, target).await
        } else if let Some(action) = &probe.grpc {
            grpc(action, target).await
        } else {
            Ok(())
        }
    };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
}

/// An HTTP request that must be answered with a status of 200 to 399.
pub(crate) async fn http_get(action: &HttpGetAction, target: &Target<'_>) -> Result<(), String> {
    let address = address(action.host.as_deref(), &action.port, target)?;
    let stream = connect(target, address).await?;
    let path = action.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let mut request = Request::get(path);
    let named = action.http_headers.iter().any(|header| header.name.eq_ignore_ascii_case("host"));
    if !named {
        request = request.header("host", action.host.clone().unwrap_or_else(|| address.to_string()));
    }
    request = request.header("user-agent", "leno-probe/1").header("accept", "*/*").header("connection", "close");
    for header in &action.http_headers {
        request = request.header(&header.name, &header.value);
    }
    let request = request.body(Full::<Bytes>::default()).map_err(|error| error.to_string())?;
    let status = match action.scheme {
        HttpScheme::Http => send(stream, request).await?,
        HttpScheme::Https => {
            let stream = tls::connect(stream, address.ip()).await.map_err(|error| format!("TLS: {error}"))?;
            send(stream, request).await?
        }
    };
    // A redirection to elsewhere counts as well; the kubelet does not follow it either.
    let fine = (200..400).contains(&status.as_u16());
    if fine { Ok(()) } else { Err(format!("HTTP probe failed with status code {}", status.as_u16())) }
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, String> {
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let connection = spawn(connection);
    let response = sender.send_request(request).await.map_err(text)?;
    connection.abort();
    Ok(response.status())
}

async fn tcp_socket(action: &TcpSocketAction, target: &Target<'_>) -> Result<(), String> {
    let address = address(action.host.as_deref(), &action.port, target)?;
    connect(target, address).await.map(drop)
}

async fn exec(action: &ExecAction, target: &Target<'_>) -> Result<(), String> {
    let output = target.process.output(target.place, &action.command).await?;
    if output.code == 0 {
        return Ok(());
    }
    let said: String = output.text.trim().chars().take(200).collect();
    Err(format!("command ended with {}{}{said}", output.code, if said.is_empty() { "" } else { ": " }))
}

/// gRPC's health check ([protocol]), of which two fields are needed: the service asked for, and the answered status.
///
/// [protocol]: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
async fn grpc(action: &GrpcAction, target: &Target<'_>) -> Result<(), String> {
    let address = SocketAddr::new(target.place.address().into(), action.port);
    let stream = TokioIo::new(connect(target, address).await?);
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.map_err(text)?;
    let connection = spawn(connection);
    let request = Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(health_request(&action.service)))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(text)?;
    let status = response.headers().get("grpc-status").cloned();
    let body = Limited::new(response.into_body(), 4096).collect().await.map_err(|error| error.to_string())?;
    let status = status.or_else(|| body.trailers().and_then(|trailers| trailers.get("grpc-status").cloned()));
    connection.abort();
    if status.is_some_and(|status| status != "0") {
        return Err("the health check is answered with an error".into());
    }
    // Message: flag and length (5 bytes), then field 1 (key 0x08), whose value 1 is SERVING.
    match body.to_bytes().get(5..7) {
        Some([0x08, 1]) => Ok(()),
        _ => Err("the health check does not say SERVING".into()),
    }
}

fn health_request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        // Field 1, length-delimited. The length of a service's name fits into two bytes of a varint.
        let length = service.len().min(0x3fff);
        message.put_u8(0x0a);
        if length < 0x80 {
            message.put_u8(u8::try_from(length).unwrap_or_default());
        } else {
            message.put_u8(u8::try_from(length & 0x7f | 0x80).unwrap_or_default());
            message.put_u8(u8::try_from(length >> 7).unwrap_or_default());
        }
        message.put_slice(&service.as_bytes()[..length]);
    }
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or_default());
    framed.put_slice(&message);
    framed.freeze()
}

async fn connect(target: &Target<'_>, address: SocketAddr) -> Result<tokio::net::TcpStream, String> {
    target.place.connect(address).await.map_err(|error| format!("connect to {address}: {error}"))
}

fn address(host: Option<&str>, port: &IntOrString, target: &Target<'_>) -> Result<SocketAddr, String> {
    let ip = match host {
        None | Some("") => IpAddr::V4(target.place.address()),
        Some("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(host) => host.parse().map_err(|_| format!("host is {host:?}, expected an IP address"))?,
    };
    Ok(SocketAddr::new(ip, port_number(port, target.container)?))
}

fn port_number(port: &IntOrString, container: &Container) -> Result<u16, String> {
    match port {
        IntOrString::Int(number) => {
            u16::try_from(*number).map_err(|_| format!("port is {number}, expected 1 to 65535"))
        }
        IntOrString::String(name) => {
            let named = container.ports.iter().find(|port| port.name.as_deref() == Some(name));
            let number = named.map(|port| port.container_port).or_else(|| name.parse().ok());
            number.ok_or_else(|| format!("container {} has no port named {name:?}", container.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_requests_are_framed_protobuf() {
        assert_eq!(&health_request("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&health_request("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = "x".repeat(200);
        assert_eq!(&health_request(&long)[..8], [0, 0, 0, 0, 203, 0x0a, 0xc8, 1]);
    }

    #[test]
    fn ports_are_found_by_name() {
        let container: Container = serde_json::from_value(
            serde_json::json!({"name": "app", "ports": [{"name": "web", "containerPort": 8080}]}),
        )
        .unwrap();
        assert_eq!(port_number(&IntOrString::String("web".into()), &container), Ok(8080));
        assert!(port_number(&IntOrString::String("other".into()), &container).is_err());
    }
}
