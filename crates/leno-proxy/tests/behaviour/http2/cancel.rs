//! Requests that are given up, by either side.

use std::{cell::RefCell, future::poll_fn, rc::Rc};

use bytes::Bytes;
use h2::Reason;
use http::Response;
use tokio::sync::{mpsc, oneshot};

use super::{Asked, answer, answered, ask, backend, before, begin, dial, get, piece, post};
use crate::support::{run, until};

/// A backend that answers nothing but `/ok`, and tells of each stream that began (`None`) or was reset.
async fn silent() -> (std::net::SocketAddr, mpsc::Receiver<Option<Reason>>) {
    let (tell, told) = mpsc::channel(16);
    let (server, _) = backend(move |mut asked: Asked| {
        let tell = tell.clone();
        async move {
            if asked.request.uri().path() == "/ok" {
                return answer(&mut asked.respond, 200, "ok");
            }
            tell.send(None).await.unwrap();
            let reason = poll_fn(|cx| asked.respond.poll_reset(cx)).await;
            tell.send(Some(reason.unwrap_or(Reason::CONNECT_ERROR))).await.unwrap();
        }
    })
    .await;
    (server, told)
}

#[test]
fn a_request_that_is_given_up_before_its_answer_is_reset() {
    run(async {
        let (server, mut told) = silent().await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        // All of the request is there, as of a unary call.
        let response = ask(&client, get("/")).await;
        assert_eq!(told.recv().await.unwrap(), None);
        drop(response);
        assert_eq!(told.recv().await.unwrap(), Some(Reason::CANCEL));
        // Its body waits for the backend to read.
        let (response, mut up) = begin(&client, post("/")).await;
        up.send_data(Bytes::from(vec![b'x'; 200_000]), false).unwrap();
        assert_eq!(told.recv().await.unwrap(), None);
        up.send_reset(Reason::CANCEL);
        assert_eq!(told.recv().await.unwrap(), Some(Reason::CANCEL));
        drop(response);
        assert_eq!(answered(ask(&client, get("/ok")).await).await.1, "ok", "the connection goes on");
    });
}

#[test]
fn a_connection_that_breaks_gives_up_its_requests() {
    run(async {
        let (server, mut told) = silent().await;
        let (sidecar, address) = before(server).await;
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::task::spawn_local(connection);
        let _waiting = (ask(&client, get("/")).await, begin(&client, post("/")).await);
        for _ in 0..2 {
            assert_eq!(told.recv().await.unwrap(), None);
        }
        connection.abort();
        for _ in 0..2 {
            assert_eq!(told.recv().await.unwrap(), Some(Reason::CANCEL));
        }
        until(|| sidecar.worker.tasks() == 0).await;
    });
}

#[test]
fn a_reset_reaches_the_other_side() {
    run(async {
        let (reset, seen) = oneshot::channel();
        let reset = Rc::new(RefCell::new(Some(reset)));
        let (server, _) = backend(move |mut asked| {
            let reset = Rc::clone(&reset);
            async move {
                let path = asked.request.uri().path().to_owned();
                if path == "/ok" {
                    return answer(&mut asked.respond, 200, "ok");
                }
                let mut stream = asked.respond.send_response(Response::new(()), false).unwrap();
                stream.send_data("begun".into(), false).unwrap();
                if path == "/mine" {
                    piece(asked.request.body_mut()).await;
                    return stream.send_reset(Reason::ENHANCE_YOUR_CALM);
                }
                let reason = poll_fn(|cx| stream.poll_reset(cx)).await.unwrap();
                reset.borrow_mut().take().unwrap().send(reason).unwrap();
            }
        })
        .await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        let (response, mut up) = begin(&client, post("/yours")).await;
        let mut down = response.await.unwrap().into_body();
        assert_eq!(piece(&mut down).await, "begun");
        up.send_reset(Reason::CANCEL);
        assert_eq!(seen.await.unwrap(), Reason::CANCEL);
        let (response, mut up) = begin(&client, post("/mine")).await;
        let mut down = response.await.unwrap().into_body();
        assert_eq!(piece(&mut down).await, "begun");
        up.send_data("now".into(), false).unwrap();
        assert_eq!(down.data().await.unwrap().unwrap_err().reason(), Some(Reason::ENHANCE_YOUR_CALM));
        assert_eq!(answered(ask(&client, get("/ok")).await).await.1, "ok", "the connection goes on");
    });
}
