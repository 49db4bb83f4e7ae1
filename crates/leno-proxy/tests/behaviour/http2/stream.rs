//! Streams: both directions at once, many on a connection.

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::{answer, answered, ask, backend, before, begin, dial, get, piece, post, tuned};
use crate::support::run;

/// Sends back what comes, piece by piece, trailers included.
async fn echo(mut asked: super::Asked) {
    let mut stream = asked.respond.send_response(Response::new(()), false).unwrap();
    let body = asked.request.body_mut();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        stream.send_data(piece, false).unwrap();
    }
    stream.send_trailers(body.trailers().await.unwrap().unwrap_or_default()).unwrap();
}

#[test]
fn both_directions_go_on_at_once_and_end_with_trailers() {
    run(async {
        let (server, _) = backend(echo).await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        let (response, mut up) = begin(&client, post("/")).await;
        up.send_data("one".into(), false).unwrap();
        let mut down = response.await.unwrap().into_body();
        assert_eq!(piece(&mut down).await, "one");
        up.send_data("two".into(), false).unwrap();
        assert_eq!(piece(&mut down).await, "two", "the second goes when the first came back");
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", "7".parse().unwrap());
        up.send_trailers(trailers).unwrap();
        assert!(down.data().await.is_none());
        assert_eq!(down.trailers().await.unwrap().unwrap()["x-checksum"], "7");
    });
}

#[test]
fn a_hundred_streams_of_a_connection_do_not_mix() {
    run(async {
        let (server, connections) = backend(echo).await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        let mut streams = Vec::new();
        for number in 0..100 {
            streams.push((number, begin(&client, post("/")).await));
        }
        for (number, (_, up)) in &mut streams {
            up.send_data(Bytes::from(format!("body {number}")), true).unwrap();
        }
        for (number, (response, _)) in streams {
            assert_eq!(answered(response).await.1, format!("body {number}"));
        }
        assert_eq!(connections.get(), 1, "one connection to the endpoint is enough");
    });
}

#[test]
fn streams_that_an_endpoint_does_not_take_yet_go_elsewhere() {
    run(async {
        let (start, started) = tokio::sync::watch::channel(false);
        let mut builder = h2::server::Builder::new();
        builder.max_concurrent_streams(1);
        let (server, connections) = tuned(builder, move |mut asked| {
            let mut started = started.clone();
            async move {
                started.wait_for(|started| *started).await.unwrap();
                answer(&mut asked.respond, 200, "ok");
            }
        })
        .await;
        let (_sidecar, address) = before(server).await;
        let client = dial(address).await;
        let first = ask(&client, get("/")).await;
        crate::support::until(|| connections.get() == 1).await;
        let others = [ask(&client, get("/")).await, ask(&client, get("/")).await];
        start.send(true).unwrap();
        assert_eq!(answered(first).await.1, "ok");
        for other in others {
            assert_eq!(answered(other).await.1, "ok");
        }
    });
}
