//! Endpoints that refuse, fail and go away; the sidecar that goes away.

use std::{cell::Cell, rc::Rc, time::Duration};

use bytes::Bytes;
use h2::{Reason, server::SendResponse};
use leno_engine::resilience::{RetryOn, RetryPolicy};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{oneshot, watch},
    task::spawn_local,
};

use super::{Asked, answer, answered, ask, backend, before, begin, dial, get, manager_of, post, retrying, text, with};
use crate::{
    http1::{OK, scripted},
    support::{run, serve},
};

/// Fails the first so many streams by `fail`, and answers the others with what came.
async fn failing(times: u32, fail: fn(&mut Asked)) -> (std::net::SocketAddr, Rc<Cell<u32>>) {
    let asked_times: Rc<Cell<u32>> = Rc::default();
    let counted = Rc::clone(&asked_times);
    let (address, _) = backend(move |mut asked: Asked| {
        counted.set(counted.get() + 1);
        let fails = counted.get() <= times;
        async move {
            if fails {
                return fail(&mut asked);
            }
            let body = text(asked.request.body_mut()).await;
            answer(&mut asked.respond, 200, if body == "body" { "with body" } else { "without" });
        }
    })
    .await;
    (address, asked_times)
}

#[test]
fn what_was_not_processed_is_sent_again_with_its_body() {
    run(async {
        let (server, asked) = failing(2, |asked| asked.respond.send_reset(Reason::REFUSED_STREAM)).await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        let (response, mut up) = begin(&client, post("/")).await;
        up.send_data(Bytes::from_static(b"bo"), false).unwrap();
        up.send_data(Bytes::from_static(b"dy"), true).unwrap();
        assert_eq!(answered(response).await.1, "with body");
        assert_eq!(asked.get(), 3);
    });
}

#[test]
fn what_may_have_been_processed_is_not_sent_again() {
    run(async {
        let (server, asked) = failing(9, |asked| asked.respond.send_reset(Reason::INTERNAL_ERROR)).await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        let (status, body) = answered(ask(&client, get("/")).await).await;
        assert!(status == 503 && body.starts_with("upstream_reset"), "{status} {body}");
        assert_eq!(asked.get(), 1);
    });
}

#[test]
fn a_policy_sends_again_after_a_status_and_passes_the_last_answer() {
    run(async {
        let policy = |retries| RetryPolicy {
            on: RetryOn { gateway_error: true, ..RetryOn::default() },
            retries,
            ..RetryPolicy::default()
        };
        let (server, asked) = failing(2, |asked| answer(&mut asked.respond, 503, "busy")).await;
        let (_one, address) = with(retrying(server, policy(2))).await;
        let client = dial(address).await;
        let (response, mut up) = begin(&client, post("/")).await;
        up.send_data(Bytes::from_static(b"body"), true).unwrap();
        assert_eq!(answered(response).await.1, "with body");
        assert_eq!(asked.get(), 3);
        let (server, asked) = failing(9, |asked| answer(&mut asked.respond, 503, "busy")).await;
        let (_two, address) = with(retrying(server, policy(1))).await;
        let (status, body) = answered(ask(&dial(address).await, get("/")).await).await;
        assert_eq!((status.as_u16(), &*body, asked.get()), (503, "busy", 2));
    });
}

#[test]
fn an_attempt_that_takes_too_long_is_given_up_for_another() {
    run(async {
        let policy = RetryPolicy {
            on: RetryOn { server_error: true, ..RetryOn::default() },
            retries: 1,
            per_try_timeout: Some(Duration::from_millis(50)),
            ..RetryPolicy::default()
        };
        let held: Rc<Cell<u32>> = Rc::default();
        let counted = Rc::clone(&held);
        let (server, _) = backend(move |mut asked: Asked| {
            counted.set(counted.get() + 1);
            let first = counted.get() == 1;
            async move {
                if first {
                    // Until it is given up.
                    drop(std::future::poll_fn(|cx| asked.respond.poll_reset(cx)).await);
                } else {
                    answer(&mut asked.respond, 200, "second");
                }
            }
        })
        .await;
        let (_sidecar, address) = with(retrying(server, policy)).await;
        assert_eq!(answered(ask(&dial(address).await, get("/")).await).await.1, "second");
    });
}

async fn answer_when(mut finished: watch::Receiver<bool>, mut respond: SendResponse<Bytes>) {
    finished.wait_for(|finished| *finished).await.unwrap();
    answer(&mut respond, 200, "ok");
}

#[test]
fn an_endpoint_that_goes_away_finishes_what_it_has() {
    run(async {
        let (finish, finished) = watch::channel(false);
        let connections: Rc<Cell<u32>> = Rc::default();
        let counted = Rc::clone(&connections);
        // Every connection says GOAWAY once it has taken a stream.
        let server = serve(move |stream| {
            counted.set(counted.get() + 1);
            let finished = finished.clone();
            async move {
                let mut streams = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, respond))) = streams.accept().await {
                    spawn_local(answer_when(finished.clone(), respond));
                    streams.graceful_shutdown();
                }
            }
        })
        .await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        let first = ask(&client, get("/")).await;
        crate::support::until(|| connections.get() == 1).await;
        finish.send(true).unwrap();
        assert_eq!(answered(first).await.1, "ok");
        for _ in 0..5 {
            assert_eq!(answered(ask(&client, get("/")).await).await.1, "ok");
        }
        assert!(connections.get() > 1, "what came later went on another connection");
    });
}

#[test]
fn a_drain_lets_streams_finish_and_takes_no_new_ones() {
    run(async {
        let (finish, finished) = oneshot::channel::<()>();
        let finished = Rc::new(Cell::new(Some(finished)));
        let (server, _) = backend(move |mut asked: Asked| {
            let finished = finished.take();
            async move {
                finished.unwrap().await.unwrap();
                answer(&mut asked.respond, 200, "finished");
            }
        })
        .await;
        let (sidecar, address) = with(manager_of(server)).await;
        let stream = TcpStream::connect(address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        let ended = spawn_local(connection);
        let under_way = ask(&client, get("/")).await;
        crate::support::until(|| sidecar.worker.tasks() > 1).await;
        sidecar.drain();
        finish.send(()).unwrap();
        assert_eq!(answered(under_way).await.1, "finished");
        drop(client);
        ended.await.unwrap().unwrap();
    });
}

#[test]
fn a_drain_closes_http1_connections_behind_the_answer() {
    run(async {
        let (server, _) = scripted(&[("!", OK)]).await;
        let (sidecar, address) = with(manager_of(server)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n").await.unwrap();
        crate::support::until(|| sidecar.worker.tasks() > 0).await;
        sidecar.drain();
        stream.write_all(b"!").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    });
}
