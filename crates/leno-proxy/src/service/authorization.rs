//! Envoy's authorization service ([`envoy.service.auth.v3.Authorization`]): questions and answers as it speaks them.
//!
//! [`envoy.service.auth.v3.Authorization`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/external_auth.proto

use std::{collections::HashMap, net::SocketAddr, rc::Rc, time::SystemTime};

use leno_engine::{
    filter::authorize::{AuthzAllowed, AuthzAnswer, AuthzDenied, Context, Header},
    metadata::Metadata,
    route::HeaderAppend,
};
use leno_proto::{
    google::protobuf::{Struct, Timestamp, Value, value::Kind},
    v3::{
        authorization::{
            AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
            attribute_context::{HttpRequest, Peer, Request, TlsSession},
            check_response::HttpResponse,
        },
        core::{
            Address, HeaderMap, HeaderValue, HeaderValueOption, Metadata as MetadataProto, SocketAddress, address,
            header_value_option::HeaderAppendAction, socket_address::PortSpecifier,
        },
    },
};

use super::{
    AskError,
    grpc::{self, Call},
};
use crate::{
    config::{Cluster, Slot},
    worker::Worker,
};

/// The method.
pub(crate) const PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// What the service is told of a request.
#[derive(Debug)]
pub(crate) struct Check<'a> {
    /// Who calls.
    pub(crate) source: SocketAddr,
    /// The caller's identity; empty without one.
    pub(crate) principal: &'a str,
    /// What was called.
    pub(crate) destination: SocketAddr,
    /// The identity of what was called; empty where none was shown.
    pub(crate) own_principal: &'a str,
    /// The name that the caller's ClientHello asks for; `None`: not told.
    pub(crate) server_name: Option<&'a str>,
    /// The method.
    pub(crate) method: &'a str,
    /// The path with its query.
    pub(crate) target: &'a str,
    /// The host.
    pub(crate) host: &'a str,
    /// `http` or `https`.
    pub(crate) scheme: &'a str,
    /// `HTTP/1.1` or `HTTP/2`.
    pub(crate) protocol: &'a str,
    /// The headers that it sees, in lower case.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// Whether it sees a header that comes several times as several.
    pub(crate) raw_headers: bool,
    /// The body, as far as it sees it.
    pub(crate) body: &'a [u8],
    /// Whether it is told as bytes.
    pub(crate) body_as_bytes: bool,
    /// Bytes of the body that came.
    pub(crate) size: u64,
    /// What the route says.
    pub(crate) context: &'a [Context],
    /// What other filters found out.
    pub(crate) metadata: &'a Metadata,
    /// Under which names that is told.
    pub(crate) namespaces: &'a [Box<str>],
}

/// Asks, and says what the answer means.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn check(
    worker: &Rc<Worker>,
    slot: &Slot<Cluster>,
    call: &Call<'_>,
    check: Check<'_>,
) -> Result<AuthzAnswer, AskError> {
    let answer = grpc::unary::<CheckResponse>(worker, slot, call, &check.request()).await?;
    Ok(judge(answer))
}

impl Check<'_> {
    fn request(self) -> CheckRequest {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time = Timestamp {
            seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(now.subsec_nanos()).unwrap_or(0),
        };
        let peer = |at: SocketAddr, principal: &str| Peer {
            address: Some(address(at)),
            principal: principal.to_owned(),
            ..Peer::default()
        };
        let (source, destination) = (peer(self.source, self.principal), peer(self.destination, self.own_principal));
        let context = self.context.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let tls_session = self.server_name.map(|name| TlsSession { sni: name.to_owned() });
        let told = self.namespaces.iter().filter_map(|name| {
            let fields = self.metadata.of(name)?;
            Some((name.to_string(), to_struct(fields)))
        });
        let metadata = MetadataProto { filter_metadata: told.collect(), ..MetadataProto::default() };
        let request = Request { time: Some(time), http: Some(self.http()) };
        let attributes = AttributeContext {
            source: Some(source),
            destination: Some(destination),
            request: Some(request),
            context_extensions: context,
            metadata_context: Some(metadata),
            route_metadata_context: Some(MetadataProto::default()),
            tls_session,
        };
        CheckRequest { attributes: Some(attributes) }
    }

    fn http(self) -> HttpRequest {
        let mut http = HttpRequest {
            method: self.method.to_owned(),
            path: self.target.to_owned(),
            host: self.host.to_owned(),
            scheme: self.scheme.to_owned(),
            protocol: self.protocol.to_owned(),
            size: i64::try_from(self.size).unwrap_or(i64::MAX),
            ..HttpRequest::default()
        };
        if self.raw_headers {
            let raw = |(key, raw_value): (String, Vec<u8>)| HeaderValue { key, raw_value, ..HeaderValue::default() };
            http.header_map = Some(HeaderMap { headers: self.headers.into_iter().map(raw).collect() });
        } else {
            http.headers = joined(self.headers);
        }
        if self.body_as_bytes {
            http.raw_body = self.body.to_vec();
        } else {
            http.body = text(self.body);
        }
        http
    }
}

/// One value for each name, joined by commas.
pub(crate) fn joined(headers: Vec<(String, Vec<u8>)>) -> HashMap<String, String> {
    let mut joined = HashMap::<String, String>::new();
    for (name, value) in headers {
        match joined.get_mut(&name) {
            Some(there) => {
                there.push(',');
                there.push_str(&text(&value));
            }
            None => drop(joined.insert(name, text(&value))),
        }
    }
    joined
}

/// A text, with `!` for what is none, as Envoy writes it.
fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '!'));
    }
    text
}

fn address(at: SocketAddr) -> Address {
    let socket = SocketAddress {
        address: at.ip().to_canonical().to_string(),
        port_specifier: Some(PortSpecifier::PortValue(at.port().into())),
        ..SocketAddress::default()
    };
    Address { address: Some(address::Address::SocketAddress(socket)) }
}

/// What an answer means.
fn judge(answer: CheckResponse) -> AuthzAnswer {
    let code = answer.status.map_or(0, |status| status.code);
    let metadata = answer.dynamic_metadata.map(from_struct).unwrap_or_default();
    match (code, answer.http_response) {
        (0, Some(HttpResponse::OkResponse(ok))) => AuthzAnswer::Allowed(Box::new(allowed(ok, metadata))),
        (_, Some(HttpResponse::ErrorResponse(error))) => AuthzAnswer::Failed(Some(denied(error, true))),
        (0, _) => AuthzAnswer::Allowed(Box::new(AuthzAllowed { metadata, ..AuthzAllowed::default() })),
        (_, Some(HttpResponse::DeniedResponse(response))) => AuthzAnswer::Denied(denied(response, false)),
        (_, Some(HttpResponse::OkResponse(_)) | None) => AuthzAnswer::Denied(AuthzDenied::default()),
    }
}

fn allowed(ok: OkHttpResponse, metadata: serde_json::Map<String, serde_json::Value>) -> AuthzAllowed {
    let mut allowed = AuthzAllowed { metadata, ..AuthzAllowed::default() };
    #[expect(deprecated, reason = "what older services say counts before the newer field")]
    if let Some(metadata) = ok.dynamic_metadata {
        allowed.metadata = from_struct(metadata);
    }
    for option in ok.headers {
        #[expect(deprecated, reason = "this is how a service says that a header gets more")]
        let append = option.append.as_ref().is_some_and(|append| append.value);
        let Some(header) = header(option) else { continue };
        if append { allowed.append.push(header) } else { allowed.set.push(header) }
    }
    allowed.remove = ok.headers_to_remove;
    allowed.query_set = ok.query_parameters_to_set.into_iter().map(|one| (one.key, one.value)).collect();
    allowed.query_remove = ok.query_parameters_to_remove;
    allowed.response = appended(ok.response_headers_to_add);
    allowed
}

/// An answer to the caller. `appends`: whether headers that get more are there even where nothing is that they could be
/// added to: of failures they are, of refusals they are not.
fn denied(response: DeniedHttpResponse, appends: bool) -> AuthzDenied {
    let status = response.status.and_then(|status| u16::try_from(status.code).ok());
    let headers = response.headers.into_iter().filter_map(|option| {
        #[expect(deprecated, reason = "this is how a service says that a header gets more")]
        let append = option.append.as_ref().is_some_and(|append| append.value);
        match (append, appends) {
            (true, false) => None,
            (true, true) => Some((header(option)?, HeaderAppend::Append)),
            (false, _) => Some((header(option)?, HeaderAppend::Overwrite)),
        }
    });
    AuthzDenied {
        status: status.filter(|status| (200..600).contains(status)),
        headers: headers.collect(),
        body: response.body.into_bytes(),
    }
}

/// Headers with what becomes of those that are there.
fn appended(options: Vec<HeaderValueOption>) -> Vec<(Header, HeaderAppend)> {
    let options = options.into_iter().filter_map(|option| {
        #[expect(deprecated, reason = "it counts before append_action, where it is there")]
        let append = option.append.as_ref().map(|append| append.value);
        let append = match (append, HeaderAppendAction::try_from(option.append_action)) {
            (Some(true), _) | (None, Ok(HeaderAppendAction::AppendIfExistsOrAdd) | Err(_)) => HeaderAppend::Append,
            (Some(false), _) | (None, Ok(HeaderAppendAction::OverwriteIfExistsOrAdd)) => HeaderAppend::Overwrite,
            (None, Ok(HeaderAppendAction::AddIfAbsent)) => HeaderAppend::IfAbsent,
            (None, Ok(HeaderAppendAction::OverwriteIfExists)) => HeaderAppend::OverwriteIfPresent,
        };
        Some((header(option)?, append))
    });
    options.collect()
}

fn header(option: HeaderValueOption) -> Option<Header> {
    let header = option.header?;
    let value = if header.raw_value.is_empty() { header.value.into_bytes() } else { header.raw_value };
    Some((header.key, value))
}

fn to_struct(fields: &serde_json::Map<String, serde_json::Value>) -> Struct {
    Struct { fields: fields.iter().map(|(key, value)| (key.clone(), to_value(value))).collect() }
}

fn to_value(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(list) => {
            Kind::ListValue(leno_proto::google::protobuf::ListValue { values: list.iter().map(to_value).collect() })
        }
        Json::Object(fields) => Kind::StructValue(to_struct(fields)),
    };
    Value { kind: Some(kind) }
}

/// A struct as plain values.
pub(super) fn from_struct(proto: Struct) -> serde_json::Map<String, serde_json::Value> {
    proto.fields.into_iter().map(|(key, value)| (key, from_value(value))).collect()
}

fn from_value(value: Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value.kind {
        Some(Kind::NullValue(_)) | None => Json::Null,
        Some(Kind::BoolValue(value)) => Json::Bool(value),
        Some(Kind::NumberValue(number)) => serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number),
        Some(Kind::StringValue(text)) => Json::String(text),
        Some(Kind::ListValue(list)) => Json::Array(list.values.into_iter().map(from_value).collect()),
        Some(Kind::StructValue(fields)) => Json::Object(from_struct(fields)),
    }
}

#[cfg(test)]
mod tests {
    use leno_proto::google::rpc::Status;

    use super::*;

    fn answer(code: i32, http_response: Option<HttpResponse>) -> CheckResponse {
        let status = Some(Status { code, ..Status::default() });
        CheckResponse { status, http_response, ..CheckResponse::default() }
    }

    #[test]
    fn the_status_decides_and_the_rest_says_how() {
        let denied = HttpResponse::DeniedResponse(DeniedHttpResponse::default());
        assert!(matches!(judge(answer(0, None)), AuthzAnswer::Allowed(_)));
        assert!(matches!(judge(CheckResponse::default()), AuthzAnswer::Allowed(_)));
        assert_eq!(judge(answer(7, None)), AuthzAnswer::Denied(AuthzDenied::default()));
        assert_eq!(judge(answer(7, Some(denied))), AuthzAnswer::Denied(AuthzDenied::default()));
        let failed = HttpResponse::ErrorResponse(DeniedHttpResponse::default());
        assert_eq!(judge(answer(13, Some(failed))), AuthzAnswer::Failed(Some(AuthzDenied::default())));
    }

    #[test]
    fn what_is_no_text_is_marked() {
        assert_eq!(text("mé".as_bytes()), "mé");
        assert_eq!(text(b"a\xff\xfeb"), "a!!b");
        let headers = [("a", "1"), ("b", "2"), ("a", "3")].map(|(name, value)| (name.to_owned(), value.into()));
        assert_eq!(joined(headers.into()).get("a").map(String::as_str), Some("1,3"));
    }

    #[test]
    fn structs_are_plain_values_and_back() {
        let value = serde_json::json!({ "a": [1.5, "x", null, true], "b": { "c": {} } });
        let fields = value.as_object().cloned().unwrap();
        assert_eq!(from_struct(to_struct(&fields)), fields);
    }
}
