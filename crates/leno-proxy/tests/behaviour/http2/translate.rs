//! Callers of HTTP/2 whose endpoint speaks HTTP/1.1.

use bytes::Bytes;
use http::Request;
use leno_proxy::config::HttpProtocol;

use super::{answered, ask, backend, begin, dial, get, post, with};
use crate::{
    http1::{Script, manager, scripted},
    support::{run, speaking},
};

/// What a caller gets for GET, and what the endpoint heard.
async fn get_of(script: Script) -> ((u16, String), String) {
    let (server, heard) = scripted(script).await;
    let (_sidecar, address) = with(manager(&speaking(server, HttpProtocol::Http1), None)).await;
    let request = Request::get("http://shop.test/a?b=c")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (status, body) = answered(ask(&dial(address).await, request).await).await;
    let heard = heard.borrow().concat();
    ((status.as_u16(), body), heard)
}

const EMPTY: &str = "\r\n\r\n";

#[test]
fn a_request_without_a_body_has_a_host_and_one_cookie() {
    run(async {
        const CLOSING: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nX-Upper: 1\r\n\r\nuntil the end";
        let (answer, heard) = get_of(&[(EMPTY, CLOSING)]).await;
        assert_eq!(answer, (200, "until the end".to_owned()));
        assert!(heard.starts_with("GET /a?b=c HTTP/1.1\r\nhost: shop.test\r\ncookie: a=1; b=2\r\n"), "{heard}");
        assert!(!heard.contains("te:") && !heard.contains("transfer-encoding") && heard.contains("x-request-id: "));
    });
}

#[test]
fn chunks_become_data_and_interim_answers_pass() {
    run(async {
        const CHUNKED: &str = "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: \
             chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n";
        let (answer, _) = get_of(&[(EMPTY, CHUNKED)]).await;
        assert_eq!(answer, (201, "abcde".to_owned()));
    });
}

#[test]
fn data_becomes_chunks_or_what_was_said_and_the_connection_is_kept() {
    run(async {
        const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let (server, heard) = scripted(&[("0\r\n\r\n", OK), ("five!", OK), (EMPTY, OK)]).await;
        let (_sidecar, address) = with(manager(&speaking(server, HttpProtocol::Http1), None)).await;
        let client = dial(address).await;
        let (response, mut up) = begin(&client, post("/")).await;
        up.send_data(Bytes::from_static(b"abc"), false).unwrap();
        up.send_data(Bytes::new(), true).unwrap();
        assert_eq!(answered(response).await.1, "ok");
        let said = Request::post("http://x/").header("content-length", "5").body(()).unwrap();
        let (response, mut up) = begin(&client, said).await;
        up.send_data(Bytes::from_static(b"five!"), true).unwrap();
        assert_eq!(answered(response).await.1, "ok");
        assert_eq!(answered(ask(&client, Request::post("http://x/").body(()).unwrap()).await).await.1, "ok");
        let heard = heard.borrow();
        assert!(heard[0].ends_with("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "{}", heard[0]);
        assert!(heard[1].contains("content-length: 5\r\n") && !heard[1].contains("chunked"), "{}", heard[1]);
        assert!(heard[2].contains("content-length: 0\r\n"), "{}", heard[2]);
    });
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced() {
    run(async {
        const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let (server, heard) = scripted(&[(EMPTY, OK)]).await;
        let (_sidecar, address) = with(manager(&speaking(server, HttpProtocol::Http1), None)).await;
        let client = dial(address).await;
        for _ in 0..3 {
            assert_eq!(answered(ask(&client, get("/")).await).await.1, "ok");
        }
        assert_eq!(heard.borrow().len(), 3);
    });
}

#[test]
fn answers_that_are_no_http_and_broken_ones_are_told_as_such() {
    run(async {
        let ((status, _), _) = get_of(&[(EMPTY, "SSH-2.0\r\n\r\n")]).await;
        assert_eq!(status, 503);
        let ((status, _), _) =
            get_of(&[(EMPTY, "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")]).await;
        assert_eq!(status, 503);
    });
}

#[test]
fn what_is_not_translated_is_refused() {
    run(async {
        let (server, connections) = backend(|_| async {}).await;
        let (_sidecar, address) = with(manager(&speaking(server, HttpProtocol::Http2), None)).await;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let answer =
            crate::http1::exchange(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "\n").await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        assert_eq!(connections.get(), 0);
    });
}
