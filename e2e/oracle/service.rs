//! Services that filters ask: one for authorization, one for rate limits, both in gRPC. What a request says decides what
//! they do, and they tell what they saw, so that it can be compared.
//!
//! | `x-authz` | the authorization service |
//! |---|---|
//! | nothing | lets pass; the request gets `x-authz-saw` |
//! | `change` | lets pass, with changes to headers, query and answer |
//! | `illegal` | lets pass, with a header that is none |
//! | `path` | lets pass to another path |
//! | `deny`, `plain` | refuses, with an answer of its own or without |
//! | `failed`, `error` | fails, saying so in its answer or by gRPC's status |
//! | `slow` | answers after a second |
//!
//! The rate limit service does the same by the value of a descriptor's entry: `over`, `error`, `slow`, `unknown`.

use std::{collections::BTreeMap, net::TcpListener, thread, time::Duration};

use leno_proto::{
    google::{
        protobuf::{self, Struct, Value, value::Kind},
        rpc,
    },
    v3::{
        authorization::{
            CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
            authorization_server::{Authorization, AuthorizationServer},
            check_response::HttpResponse,
        },
        core::{HeaderValue, HeaderValueOption, QueryParameter},
        ratelimit::{
            RateLimitRequest, RateLimitResponse,
            rate_limit_response::{Code, DescriptorStatus, RateLimit, rate_limit::Unit},
            rate_limit_service_server::{RateLimitService, RateLimitServiceServer},
        },
        r#type::HttpStatus,
    },
};
use serde_json::{Value as Json, json};
use tonic::{Request, Response, Status, transport::Server};

/// Starts both on one port.
pub(crate) fn start() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    listener.set_nonblocking(true).expect("it can wait");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
            let server = Server::builder()
                .add_service(AuthorizationServer::new(Services))
                .add_service(RateLimitServiceServer::new(Services));
            server.serve_with_incoming(incoming).await.expect("it serves");
        });
    });
    port
}

struct Services;

/// What is not compared of what a service saw: it differs between two runs, or two proxies.
const UNSEEN: [&str; 6] =
    ["x-request-id", "x-case", "traceparent", "x-envoy-expected-rq-timeout-ms", "content-length", "transfer-encoding"];

#[tonic::async_trait]
impl Authorization for Services {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let metadata = request.metadata().get("x-meta").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let attributes = request.into_inner().attributes.unwrap_or_default();
        let http = attributes.request.and_then(|request| request.http).unwrap_or_default();
        let mut headers: BTreeMap<_, _> = http.headers.into_iter().collect();
        let mut raw: Vec<_> = http.header_map.unwrap_or_default().headers.into_iter().collect();
        raw.retain(|header| !UNSEEN.contains(&&*header.key));
        raw.sort_by(|one, other| (&one.key, &one.raw_value).cmp(&(&other.key, &other.raw_value)));
        let wanted = headers.get("x-authz").cloned().or_else(|| {
            let found = raw.iter().find(|header| header.key == "x-authz");
            found.map(|header| String::from_utf8_lossy(&header.raw_value).into_owned())
        });
        headers.retain(|name, _| !UNSEEN.contains(&&**name));
        let raw: Vec<_> =
            raw.iter().map(|header| format!("{}={}", header.key, String::from_utf8_lossy(&header.raw_value))).collect();
        let context: BTreeMap<_, _> = attributes.context_extensions.into_iter().collect();
        let saw = json!({
            "method": http.method, "path": http.path, "host": http.host, "scheme": http.scheme,
            "protocol": http.protocol, "query": http.query, "body": http.body,
            "raw_body": String::from_utf8_lossy(&http.raw_body), "headers": headers, "raw": raw, "context": context,
            "tls": attributes.tls_session.is_some(), "meta": metadata,
            "told": told(attributes.metadata_context.unwrap_or_default().filter_metadata),
            "principal": attributes.source.unwrap_or_default().principal,
        });
        answer(wanted.as_deref().unwrap_or_default(), &saw).await.map(Response::new)
    }
}

/// Metadata as JSON, as far as it is texts.
fn told(metadata: std::collections::HashMap<String, Struct>) -> Json {
    let sorted: BTreeMap<_, _> = metadata
        .into_iter()
        .map(|(name, fields)| {
            let fields: BTreeMap<_, _> =
                fields.fields.into_iter().map(|(key, value)| (key, format!("{value:?}"))).collect();
            (name, fields)
        })
        .collect();
    json!(sorted)
}

fn option(key: &str, value: &str) -> HeaderValueOption {
    let header = HeaderValue { key: key.into(), value: value.into(), ..HeaderValue::default() };
    HeaderValueOption { header: Some(header), ..HeaderValueOption::default() }
}

#[expect(deprecated, reason = "this is how a service says that a header gets more")]
fn appended(key: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption { append: Some(protobuf::BoolValue { value: true }), ..option(key, value) }
}

async fn answer(wanted: &str, saw: &Json) -> Result<CheckResponse, Status> {
    let with = |code: i32, http_response| CheckResponse {
        status: Some(rpc::Status { code, ..rpc::Status::default() }),
        http_response: Some(http_response),
        ..CheckResponse::default()
    };
    let mut ok = OkHttpResponse { headers: vec![option("x-authz-saw", &saw.to_string())], ..OkHttpResponse::default() };
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: 402 }),
        headers: vec![option("x-why", "a"), option("set-cookie", "a=1"), appended("x-more", "b")],
        body: "pay first".into(),
    };
    match wanted {
        "change" => {
            ok.headers.extend([option("x-set", "1"), appended("x-append", "2"), appended("x-not-there", "3")]);
            ok.headers_to_remove = vec!["x-gone".into(), "host".into(), ":path".into()];
            ok.response_headers_to_add = vec![option("x-back", "4")];
            ok.query_parameters_to_set = vec![QueryParameter { key: "q".into(), value: "5".into() }];
            ok.query_parameters_to_remove = vec!["gone".into()];
        }
        "illegal" => ok.headers.push(option("x illegal", "1")),
        "path" => ok.headers.push(option(":path", "/elsewhere?x")),
        "metadata" => {
            let value = Value { kind: Some(Kind::StringValue("yes".into())) };
            let fields = [("known".to_owned(), value)].into_iter().collect();
            let metadata = Some(Struct { fields });
            return Ok(CheckResponse { dynamic_metadata: metadata, ..with(0, HttpResponse::OkResponse(ok)) });
        }
        "deny" => return Ok(with(7, HttpResponse::DeniedResponse(denied))),
        "plain" => {
            let status = Some(rpc::Status { code: 16, ..rpc::Status::default() });
            return Ok(CheckResponse { status, ..CheckResponse::default() });
        }
        "failed" => return Ok(with(13, HttpResponse::ErrorResponse(denied))),
        "error" => return Err(Status::internal("as it was asked to")),
        "slow" => tokio::time::sleep(Duration::from_secs(1)).await,
        _ => {}
    }
    Ok(with(0, HttpResponse::OkResponse(ok)))
}

#[tonic::async_trait]
impl RateLimitService for Services {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let request = request.into_inner();
        let entries = request.descriptors.iter().flat_map(|descriptor| &descriptor.entries);
        let values: Vec<_> = entries.map(|entry| entry.value.as_str()).collect();
        let has = |wanted: &str| values.contains(&wanted);
        if has("error") {
            return Err(Status::unavailable("as it was asked to"));
        }
        if has("slow") {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let shown = request.descriptors.iter().map(|descriptor| {
            let entries = descriptor.entries.iter().map(|entry| format!("{}={}", entry.key, entry.value));
            let limit = descriptor.limit.as_ref().map(|limit| format!("{}/{}", limit.requests_per_unit, limit.unit));
            let hits = descriptor.hits_addend.as_ref().map(|hits| hits.value);
            json!({ "entries": entries.collect::<Vec<_>>(), "limit": limit, "hits": hits })
        });
        let saw = json!({
            "domain": request.domain, "hits": request.hits_addend, "descriptors": shown.collect::<Vec<_>>(),
        });
        let code = if has("over") {
            Code::OverLimit
        } else if has("unknown") {
            Code::Unknown
        } else {
            Code::Ok
        };
        let header = |key: &str, value: String| HeaderValue { key: key.into(), value, ..HeaderValue::default() };
        let status = |remaining| DescriptorStatus {
            code: code.into(),
            current_limit: Some(RateLimit { name: "per".into(), requests_per_unit: 10, unit: Unit::Minute.into() }),
            limit_remaining: remaining,
            duration_until_reset: Some(protobuf::Duration { seconds: 30, nanos: 0 }),
            ..DescriptorStatus::default()
        };
        let statuses =
            (0..request.descriptors.len()).map(|at| status(9_u32.saturating_sub(u32::try_from(at).unwrap_or(9))));
        Ok(Response::new(RateLimitResponse {
            overall_code: code.into(),
            statuses: statuses.collect(),
            request_headers_to_add: vec![header("x-limit-saw", saw.to_string())],
            response_headers_to_add: vec![header("x-limit-back", "1".into())],
            raw_body: if has("body") { b"raw".to_vec() } else { Vec::new() },
            ..RateLimitResponse::default()
        }))
    }
}
