//! Heads and bodies: what passes, what has no body, what is refused.

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Request, Response};
use leno_engine::authorization::{Action, Rbac};
use leno_proxy::config::{HttpConnectionManager, HttpLimits};

use super::{Asked, answer, answered, ask, backend, before, begin, dial, get, manager_of, piece, post, text, with};
use crate::{
    http1::{buffer, manager},
    support::{plain, run},
};

async fn ok(mut asked: Asked) {
    text(asked.request.body_mut()).await;
    answer(&mut asked.respond, 200, "ok");
}

fn of(method: &str, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://x{path}")).body(()).unwrap()
}

fn header<'a, T>(response: &'a Response<T>, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[test]
fn answers_without_a_body_have_none() {
    run(async {
        let (server, _) = backend(|mut asked: Asked| async move {
            let status = asked.request.uri().path().trim_start_matches('/').parse().unwrap_or(200);
            let head = Response::builder().status(status).header("x-path", "seen").body(()).unwrap();
            asked.respond.send_response(head, true).unwrap();
        })
        .await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        for (method, path, status) in [("HEAD", "/", 200), ("GET", "/204", 204), ("GET", "/304", 304)] {
            let response = ask(&client, of(method, path)).await.await.unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["x-path"], "seen");
            assert!(response.body().is_end_stream(), "{method} {path}");
        }
    });
}

#[test]
fn own_answers_are_understood_by_who_asked() {
    run(async {
        let empty = manager(&plain(&[]), None);
        let (_one, address) = with(empty).await;
        let client = dial(address).await;
        let (status, body) = answered(ask(&client, get("/")).await).await;
        assert!(status == 503 && body.starts_with("no_healthy_upstream"), "{status} {body}");
        let head = ask(&client, of("HEAD", "/")).await.await.unwrap();
        assert!(head.status() == 503 && head.body().is_end_stream());
        assert_ne!(head.headers()["content-length"], "0", "as long as it would be");
        let call = Request::post("http://x/a.B/C").header("content-type", "application/grpc").body(()).unwrap();
        let unavailable = ask(&client, call.clone()).await.await.unwrap();
        assert_eq!((unavailable.status().as_u16(), header(&unavailable, "grpc-status")), (200, "14"));
        let (server, connections) = backend(ok).await;
        let nobody = Rbac { action: Action::Allow, policies: vec![] };
        let (sidecar, address) = with(manager(&plain(&[server]), Some(nobody))).await;
        let client = dial(address).await;
        let denied = ask(&client, call).await.await.unwrap();
        assert_eq!((denied.status().as_u16(), header(&denied, "grpc-status")), (200, "7"));
        assert_eq!(answered(ask(&client, get("/")).await).await.0, 403);
        assert_eq!((connections.get(), sidecar.denied("access_denied")), (0, 2));
    });
}

#[test]
fn interim_answers_come_before_the_final_one() {
    run(async {
        let (server, _) = backend(|mut asked: Asked| async move {
            let hints = Response::builder().status(103).header("link", "</style.css>").body(()).unwrap();
            asked.respond.send_informational(hints).unwrap();
            answer(&mut asked.respond, 200, "final");
        })
        .await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        let mut response = ask(&client, get("/")).await;
        let hints = std::future::poll_fn(|cx| response.poll_informational(cx)).await.unwrap().unwrap();
        assert_eq!((hints.status().as_u16(), header(&hints, "link")), (103, "</style.css>"));
        assert_eq!(answered(response).await.1, "final");
    });
}

#[test]
fn a_body_of_another_length_than_it_says_is_refused() {
    run(async {
        let (server, _) = backend(ok).await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        let request = Request::post("http://x/").header("content-length", "5").body(()).unwrap();
        let (response, mut up) = begin(&client, request).await;
        up.send_data("abc".into(), true).unwrap();
        assert_eq!(response.await.unwrap_err().reason(), Some(Reason::PROTOCOL_ERROR));
        assert_eq!(answered(ask(&client, get("/")).await).await.1, "ok", "the connection goes on");
    });
}

#[test]
fn what_is_too_large_is_refused() {
    run(async {
        let (server, _) = backend(ok).await;
        let limits = HttpLimits { max_headers_bytes: 4096, max_headers_count: 8, ..HttpLimits::default() };
        let (_sidecar, address) =
            with(HttpConnectionManager { limits, filters: vec![buffer(5)], ..manager_of(server) }).await;
        let client = dial(address).await;
        let mut many = get("/");
        many.headers_mut().extend((0..9).map(|number| {
            let name: http::HeaderName = format!("x-{number}").parse().unwrap();
            (Some(name), "1".parse().unwrap())
        }));
        assert_eq!(answered(ask(&client, many).await).await.0, 431);
        let mut large = get("/");
        large.headers_mut().insert("x-large", "a".repeat(5000).parse().unwrap());
        assert_eq!(answered(ask(&client, large).await).await.0, 431);
        let said = Request::post("http://x/").header("content-length", "6").body(()).unwrap();
        let (response, _up) = begin(&client, said).await;
        assert_eq!(response.await.unwrap().status(), 413);
        let (response, mut up) = begin(&client, post("/")).await;
        up.send_data(Bytes::from_static(b"123"), false).unwrap();
        up.send_data(Bytes::from_static(b"456"), false).unwrap();
        assert_eq!(response.await.unwrap().status(), 413);
        let (response, mut up) = begin(&client, post("/")).await;
        up.send_data(Bytes::from_static(b"12345"), true).unwrap();
        assert_eq!(answered(response).await.1, "ok");
    });
}

#[test]
fn connection_headers_do_not_pass_and_trailers_of_answers_do() {
    run(async {
        let (server, _) = backend(|mut asked: Asked| async move {
            let forged = asked.request.headers().get("x-forwarded-client-cert").is_some();
            let mut stream = asked.respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(Bytes::from_static(if forged { b"forged" } else { b"clean" }), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        })
        .await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        let request = Request::get("http://x/").header("x-forwarded-client-cert", "URI=me").body(()).unwrap();
        let mut body = ask(&client, request).await.await.unwrap().into_body();
        assert_eq!(piece(&mut body).await, "clean");
        assert!(body.data().await.is_none());
        assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "0");
    });
}
