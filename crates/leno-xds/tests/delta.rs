//! Our client with our server.

use std::time::{Duration, Instant};

use ResourceType::{Cluster, Endpoint, Listener};
use leno_xds::{ResourceType, client::Connection};

use crate::world::{Follower, Server, pairs, until, within};

#[tokio::test]
async fn a_name_is_answered_updated_removed_and_found_again() {
    let server = Server::start().await;
    server.memory.put(Cluster, "a", "one");
    server.memory.put(Cluster, "other", "x");
    let mut client = Follower::start(server.address, "ns/pod");
    client.subscribe(Cluster, &["a"]).await;
    assert_eq!(client.texts().await, (pairs(&[("a", "one")]), vec![]));
    server.memory.put(Cluster, "other", "y");
    server.memory.put(Cluster, "a", "two");
    assert_eq!(client.texts().await, (pairs(&[("a", "two")]), vec![]), "and nothing of the other");
    server.memory.delete(Cluster, "a");
    assert_eq!(client.texts().await, (vec![], vec!["a".into()]));
    server.memory.put(Cluster, "a", "three");
    assert_eq!(client.texts().await, (pairs(&[("a", "three")]), vec![]));
}

#[tokio::test]
async fn an_unknown_name_is_said_to_be_absent_and_sent_once_it_is_there() {
    let server = Server::start().await;
    let mut client = Follower::start(server.address, "ns/pod");
    client.subscribe(Listener, &["outbound/10.0.0.1:80"]).await;
    assert_eq!(client.texts().await, (vec![], vec!["outbound/10.0.0.1:80".into()]));
    server.memory.put(Listener, "outbound/10.0.0.1:80", "here");
    assert_eq!(client.texts().await, (pairs(&[("outbound/10.0.0.1:80", "here")]), vec![]));
}

#[tokio::test]
async fn names_come_and_go_on_one_stream() {
    let server = Server::start().await;
    for name in ["a", "b"] {
        server.memory.put(Cluster, name, "one");
        server.memory.put(Endpoint, name, "one");
    }
    let mut client = Follower::start(server.address, "ns/pod");
    client.subscribe(Cluster, &["a"]).await;
    assert_eq!(client.next().await.resource_type, Cluster);
    client.subscribe(Endpoint, &["a"]).await;
    assert_eq!(client.next().await.resource_type, Endpoint);
    client.subscribe(Cluster, &["b"]).await;
    assert_eq!(client.texts().await, (pairs(&[("b", "one")]), vec![]), "what is known is not sent again");
    client.handle.unsubscribe(Cluster, ["a"]).await.unwrap();
    client.subscribe(Cluster, &["c"]).await;
    assert_eq!(client.texts().await, (vec![], vec!["c".into()]));
    server.memory.put(Cluster, "a", "two");
    server.memory.put(Cluster, "b", "two");
    assert_eq!(client.texts().await, (pairs(&[("b", "two")]), vec![]), "what was dropped is not sent");
    client.subscribe(Cluster, &["a"]).await;
    assert_eq!(client.texts().await, (pairs(&[("a", "two")]), vec![]));
    assert_eq!(server.ads.board().len(), 1);
}

#[tokio::test]
async fn a_refused_update_is_reported_and_the_next_good_one_heals() {
    let server = Server::start().await;
    server.memory.put(Cluster, "a", "good");
    let mut client = Follower::start(server.address, "ns/pod");
    client.subscribe(Cluster, &["a"]).await;
    client.next().await;
    until("an acknowledgement", || server.memory.counts.lock().unwrap().acknowledged == 1).await;
    server.memory.put(Cluster, "a", "bad");
    assert_eq!(client.texts().await.0, pairs(&[("a", "bad")]));
    until("a refusal", || !server.memory.counts.lock().unwrap().refused.is_empty()).await;
    let status = &server.ads.board().streams()[0];
    let refusal = status.types[0].refused.clone().unwrap();
    assert_eq!(refusal.message, "a: it is bad");
    assert_eq!(status.types[0].sent.as_ref().unwrap().nonce, refusal.nonce);
    assert!(client.handle.state().borrow().last_refusal.as_deref() == Some("a: it is bad"));
    server.memory.put(Cluster, "a", "better");
    assert_eq!(client.texts().await.0, pairs(&[("a", "better")]));
    until("an acknowledgement", || server.ads.board().streams()[0].types[0].refused.is_none()).await;
}

#[tokio::test]
async fn a_reconnect_resumes_with_the_versions_that_are_in_use() {
    let server = Server::start().await;
    let address = server.address;
    for name in ["same", "changes", "goes"] {
        server.memory.put(Cluster, name, "one");
    }
    server.memory.put(Cluster, "refused", "good");
    let mut client = Follower::start(address, "ns/pod");
    client.subscribe(Cluster, &["same", "changes", "goes", "refused"]).await;
    client.next().await;
    server.memory.put(Cluster, "refused", "bad");
    client.next().await;
    let memory = server.kill().await;
    let mut state = client.handle.state();
    within("the loss is seen", state.wait_for(|state| !state.is_connected())).await.unwrap();
    memory.put(Cluster, "changes", "two");
    memory.delete(Cluster, "goes");
    client.subscribe(Cluster, &["while-away"]).await;
    memory.put(Cluster, "while-away", "new");
    memory.counts.lock().unwrap().sent = 0;
    let server = Server::start_with(memory, address).await;
    let (sent, removed) = client.texts().await;
    assert_eq!(sent, pairs(&[("changes", "two"), ("refused", "bad"), ("while-away", "new")]), "`same` is not sent");
    assert!(removed.is_empty());
    assert_eq!(client.texts().await, (vec![], vec!["goes".into()]), "removals come last");
    assert_eq!(server.memory.counts.lock().unwrap().sent, 3);
    assert_eq!(state.borrow().streams, 2);
}

#[tokio::test]
async fn a_new_stream_can_be_asked_for() {
    let server = Server::start().await;
    server.memory.put(Cluster, "a", "one");
    let mut client = Follower::start(server.address, "ns/pod");
    client.subscribe(Cluster, &["a"]).await;
    client.next().await;
    let first = server.ads.board().streams()[0].id;
    client.handle.reconnect().await.unwrap();
    until("another stream", || server.ads.board().streams().first().is_some_and(|stream| stream.id > first)).await;
    server.memory.put(Cluster, "a", "two");
    assert_eq!(client.texts().await.0, pairs(&[("a", "two")]));
}

#[tokio::test]
async fn a_stranger_is_refused_and_keeps_trying() {
    let server = Server::start().await;
    let client = Follower::start(server.address, "stranger");
    client.subscribe(Cluster, &["a"]).await;
    let mut state = client.handle.state();
    let refused = |state: &leno_xds::client::ClientState| matches!(&state.connection, Connection::Disconnected { error, .. } if error.contains("who?"));
    within("refused", state.wait_for(refused)).await.unwrap();
    within("tried again", state.wait_for(|state| state.streams >= 2)).await.unwrap();
    assert!(server.ads.board().is_empty());
}

#[tokio::test]
async fn ten_thousand_resources_arrive_once_each() {
    let server = Server::start().await;
    let names: Vec<String> = (0..10_000).map(|n| format!("outbound/ns/service-{n}:80")).collect();
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    server.memory.change(Cluster, &borrowed, |contents| {
        for name in &names {
            let text = format!("{name} {}", "x".repeat(400));
            contents.insert((Cluster, name.clone()), crate::world::resource(Cluster, name, &text));
        }
    });
    let mut client = Follower::start(server.address, "ns/pod");
    let started = Instant::now();
    client.subscribe(Cluster, &borrowed).await;
    let mut arrived = 0;
    let mut answers = 0;
    while arrived < names.len() {
        arrived += client.next().await.resources.len();
        answers += 1;
    }
    assert_eq!(arrived, names.len());
    assert!(answers > 1, "large answers are parted");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    server.memory.put(Cluster, &names[7], "changed");
    assert_eq!(client.texts().await.0, pairs(&[(&names[7], "changed")]));
}

#[tokio::test]
async fn what_a_client_was_told_can_be_read() {
    let server = Server::start().await;
    server.memory.put(Cluster, "a", "one");
    let mut client = Follower::start(server.address, "ns/pod");
    client.subscribe(Cluster, &["a", "b"]).await;
    client.next().await;
    let stream = &server.ads.board().streams()[0];
    assert_eq!(stream.node.id, "ns/pod");
    let told = server.ads.board().told(stream.id).unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!((&*told[0].name, told[0].body.as_ref().unwrap().value.as_slice()), ("a", b"one".as_slice()));
    drop(client);
    until("the stream is gone", || server.ads.board().is_empty()).await;
}

#[tokio::test]
async fn a_closing_server_ends_its_streams() {
    let server = Server::start().await;
    let mut client = Follower::start(server.address, "ns/pod");
    client.subscribe(Cluster, &["a"]).await;
    client.next().await;
    server.ads.close();
    let mut state = client.handle.state();
    let gone = |state: &leno_xds::client::ClientState| matches!(&state.connection, Connection::Disconnected { error, .. } if error.contains("going away"));
    within("told so", state.wait_for(gone)).await.unwrap();
}
