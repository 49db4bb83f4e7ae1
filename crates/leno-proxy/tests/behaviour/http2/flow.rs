//! Flow control: who reads slowly slows down who sends to it, and nobody else.

use std::{cell::Cell, future::poll_fn, rc::Rc, time::Duration};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::Response;
use tokio::{sync::watch, task::spawn_local};

use super::{Asked, answer, answered, ask, backend, before, begin, dial, get, post, text, tuned};
use crate::support::run;

/// More than all windows and buffers on the way.
const WHOLE: usize = 8 << 20;
/// Windows and buffers on the way: two of 64 KiB to 1 MiB, and what waits to be written.
const BUFFERED: usize = 3 << 20;

/// Sends all as fast as it is taken; how much was is noted.
async fn pour(stream: &mut SendStream<Bytes>, sent: &Cell<usize>, whole: usize) {
    while sent.get() < whole {
        stream.reserve_capacity((whole - sent.get()).min(64 * 1024));
        let capacity = poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        stream.send_data(Bytes::from(vec![b'x'; capacity]), sent.get() + capacity == whole).unwrap();
        sent.set(sent.get() + capacity);
    }
}

/// Waits until what was sent does not grow any more. Too early an end can only let a test pass.
async fn settled(sent: &Cell<usize>) {
    let (mut before, mut same) = (0, 0);
    while same < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        same = if sent.get() > 0 && sent.get() == before { same + 1 } else { 0 };
        before = sent.get();
    }
}

/// How long a body is.
async fn length(body: &mut RecvStream) -> usize {
    text(body).await.len()
}

#[test]
fn who_does_not_read_stops_who_sends() {
    run(async {
        let (start, started) = watch::channel(false);
        let (server, _) = backend(move |mut asked| {
            let mut started = started.clone();
            async move {
                started.wait_for(|started| *started).await.unwrap();
                let length = length(asked.request.body_mut()).await;
                answer(&mut asked.respond, 200, if length == WHOLE { "all" } else { "less" });
            }
        })
        .await;
        let (_sidecar, address) = before(server).await;
        let (response, mut up) = begin(&dial(address).await, post("/")).await;
        let sent: Rc<Cell<usize>> = Rc::default();
        let noted = Rc::clone(&sent);
        spawn_local(async move { pour(&mut up, &noted, WHOLE).await });
        settled(&sent).await;
        assert!((1..BUFFERED).contains(&sent.get()), "{} bytes were taken though nobody reads", sent.get());
        start.send(true).unwrap();
        assert_eq!(answered(response).await.1, "all");
    });
}

/// A backend whose answers are this long, but for `/ok`; how much the first of them sent.
async fn long_answers() -> (std::net::SocketAddr, Rc<Cell<usize>>) {
    let first: Rc<Cell<usize>> = Rc::default();
    let noted = Rc::clone(&first);
    let (server, _) = backend(move |mut asked: Asked| {
        let noted = if noted.get() == 0 { Rc::clone(&noted) } else { Rc::default() };
        async move {
            if asked.request.uri().path() == "/ok" {
                return answer(&mut asked.respond, 200, "ok");
            }
            let mut stream = asked.respond.send_response(Response::new(()), false).unwrap();
            pour(&mut stream, &noted, WHOLE).await;
        }
    })
    .await;
    (server, first)
}

#[test]
fn who_does_not_read_an_answer_stops_who_sends_it() {
    run(async {
        let (server, sent) = long_answers().await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        let mut slow = ask(&client, get("/")).await.await.unwrap().into_body();
        settled(&sent).await;
        assert!((1..BUFFERED).contains(&sent.get()), "{} bytes were taken though nobody reads", sent.get());
        assert_eq!(length(&mut slow).await, WHOLE, "it goes on when it is read");
    });
}

#[test]
fn who_does_not_read_stops_nobody_else() {
    run(async {
        let (server, sent) = long_answers().await;
        let (_sidecar, address) = before(server).await;
        let slow = dial(address).await;
        let mut unread = Vec::new();
        for _ in 0..4 {
            unread.push(ask(&slow, get("/")).await.await.unwrap().into_body());
        }
        settled(&sent).await;
        let other = dial(address).await;
        assert_eq!(answered(ask(&other, get("/ok")).await).await.1, "ok");
        assert_eq!(answered(ask(&other, get("/")).await).await.1.len(), WHOLE);
    });
}

#[test]
fn bodies_that_are_given_up_give_their_window_back() {
    run(async {
        let (server, sent) = long_answers().await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        for _ in 0..50 {
            // Neither is read: the answer, and the request by the backend.
            let (response, mut up) = begin(&client, post("/")).await;
            up.send_data(Bytes::from(vec![b'x'; 60_000]), false).unwrap();
            drop((response.await.unwrap(), up));
        }
        assert_eq!(answered(ask(&client, get("/")).await).await.1.len(), WHOLE);
        assert!(sent.get() > 0);
    });
}

#[test]
fn requests_that_nobody_reads_stop_no_others() {
    run(async {
        // Room for all of them at the backend: what may stop them is the sidecar.
        let mut builder = h2::server::Builder::new();
        builder.initial_connection_window_size(4 << 20);
        let (server, _) = tuned(builder, |mut asked: Asked| async move {
            if asked.request.uri().path() == "/ok" {
                let body = text(asked.request.body_mut()).await;
                return answer(&mut asked.respond, 200, if body.len() == WHOLE { "all" } else { "less" });
            }
            drop(poll_fn(|cx| asked.respond.poll_reset(cx)).await);
        })
        .await;
        let (_sidecar, address) = before(server).await;
        // Another sidecar: one connection for many callers.
        let client = dial(address).await;
        let mut unread = Vec::new();
        for _ in 0..8 {
            let (response, mut up) = begin(&client, post("/")).await;
            let sent: Rc<Cell<usize>> = Rc::default();
            let noted = Rc::clone(&sent);
            unread.push((response, Rc::clone(&sent)));
            spawn_local(async move { pour(&mut up, &noted, WHOLE).await });
            settled(&sent).await;
        }
        let (response, mut up) = begin(&client, post("/ok")).await;
        pour(&mut up, &Cell::default(), WHOLE).await;
        assert_eq!(answered(response).await.1, "all");
    });
}
