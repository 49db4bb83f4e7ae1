//! The server, spoken to message by message.

use std::{collections::HashMap, time::Duration};

use leno_proto::{
    google::rpc,
    v3::{
        core::Node,
        discovery::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
            aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
    },
};
use leno_xds::ResourceType::{self, Cluster, Endpoint, Listener, Route};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::world::{Server, within};

struct Delta {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    answers: Streaming<DeltaDiscoveryResponse>,
}

impl Delta {
    async fn open(server: &Server) -> Self {
        let (requests, outbound) = mpsc::channel(16);
        let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{}", server.address)).await.unwrap();
        let answers = client.delta_aggregated_resources(ReceiverStream::new(outbound)).await.unwrap().into_inner();
        Self { requests, answers }
    }

    async fn ask(&self, resource_type: ResourceType, subscribe: &[&str], nonce: &str) {
        let request = DeltaDiscoveryRequest {
            node: Some(Node { id: "ns/pod".into(), ..Node::default() }),
            type_url: resource_type.url().into(),
            resource_names_subscribe: subscribe.iter().map(|name| (*name).to_owned()).collect(),
            response_nonce: nonce.into(),
            ..Default::default()
        };
        self.requests.send(request).await.unwrap();
    }

    async fn next(&mut self) -> DeltaDiscoveryResponse {
        within("an answer", self.answers.message()).await.unwrap().unwrap()
    }

    async fn silent(&mut self) {
        let answer = tokio::time::timeout(Duration::from_millis(100), self.answers.message()).await;
        assert!(answer.is_err(), "{answer:?}");
    }
}

fn names(answer: &DeltaDiscoveryResponse) -> Vec<&str> {
    answer.resources.iter().map(|resource| resource.name.as_str()).collect()
}

#[tokio::test]
async fn no_more_than_one_answer_a_type_is_unacknowledged() {
    let server = Server::start().await;
    server.memory.put(Cluster, "a", "one");
    let mut stream = Delta::open(&server).await;
    stream.ask(Cluster, &["a"], "").await;
    let first = stream.next().await;
    server.memory.put(Cluster, "a", "two");
    server.memory.put(Cluster, "a", "three");
    stream.silent().await;
    stream.ask(Cluster, &[], &first.nonce).await;
    let second = stream.next().await;
    assert_eq!(second.resources[0].resource.as_ref().unwrap().value, b"three", "what was overtaken is not sent");
    stream.ask(Cluster, &[], &second.nonce).await;
    stream.silent().await;
}

#[tokio::test]
async fn a_wildcard_follows_what_comes_and_goes_and_is_answered_when_empty() {
    let server = Server::start().await;
    let mut stream = Delta::open(&server).await;
    stream.ask(Cluster, &[], "").await;
    let empty = stream.next().await;
    assert!(empty.resources.is_empty() && empty.removed_resources.is_empty());
    stream.ask(Cluster, &[], &empty.nonce).await;
    server.memory.put(Cluster, "a", "one");
    let one = stream.next().await;
    assert_eq!(names(&one), ["a"]);
    stream.ask(Cluster, &[], &one.nonce).await;
    server.memory.delete(Cluster, "a");
    assert_eq!(stream.next().await.removed_resources, ["a"]);
}

#[tokio::test]
async fn updates_go_in_order_of_dependence_and_removals_after_them() {
    let server = Server::start().await;
    server.memory.put(Cluster, "old", "one");
    server.memory.put(Listener, "l", "to old");
    let mut stream = Delta::open(&server).await;
    let mut nonces = HashMap::new();
    for resource_type in [Listener, Cluster] {
        stream.ask(resource_type, &["*"], "").await;
        nonces.insert(resource_type, stream.next().await.nonce);
    }
    // Meanwhile nothing can be sent. When it can, the listener moves from the old cluster to the new one.
    server.memory.delete(Cluster, "old");
    server.memory.put(Listener, "l", "to new");
    server.memory.put(Cluster, "new", "one");
    stream.ask(Listener, &[], &nonces[&Listener]).await;
    stream.silent().await;
    stream.ask(Cluster, &[], &nonces[&Cluster]).await;
    let cluster = stream.next().await;
    assert_eq!((names(&cluster), cluster.removed_resources.len()), (vec!["new"], 0));
    let listener = stream.next().await;
    assert_eq!(names(&listener), ["l"]);
    stream.ask(Cluster, &[], &cluster.nonce).await;
    stream.silent().await;
    stream.ask(Listener, &[], &listener.nonce).await;
    assert_eq!(stream.next().await.removed_resources, ["old"]);
}

#[tokio::test]
async fn asking_again_for_a_name_sends_it_again() {
    let server = Server::start().await;
    server.memory.put(Cluster, "a", "one");
    let mut stream = Delta::open(&server).await;
    stream.ask(Cluster, &["a"], "").await;
    let first = stream.next().await;
    stream.ask(Cluster, &["a"], &first.nonce).await;
    assert_eq!(names(&stream.next().await), ["a"]);
}

struct World {
    requests: mpsc::Sender<DiscoveryRequest>,
    answers: Streaming<DiscoveryResponse>,
}

impl World {
    async fn open(server: &Server) -> Self {
        let (requests, outbound) = mpsc::channel(16);
        let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{}", server.address)).await.unwrap();
        let answers = client.stream_aggregated_resources(ReceiverStream::new(outbound)).await.unwrap().into_inner();
        Self { requests, answers }
    }

    async fn ask(&self, resource_type: ResourceType, names: &[&str], nonce: &str, error: Option<&str>) {
        let request = DiscoveryRequest {
            node: Some(Node { id: "envoy".into(), user_agent_name: "envoy".into(), ..Node::default() }),
            type_url: resource_type.url().into(),
            resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
            response_nonce: nonce.into(),
            error_detail: error.map(|message| rpc::Status { message: message.into(), ..Default::default() }),
            ..Default::default()
        };
        self.requests.send(request).await.unwrap();
    }

    async fn next(&mut self) -> DiscoveryResponse {
        within("an answer", self.answers.message()).await.unwrap().unwrap()
    }

    async fn silent(&mut self) {
        let answer = tokio::time::timeout(Duration::from_millis(100), self.answers.message()).await;
        assert!(answer.is_err(), "{answer:?}");
    }
}

fn texts(answer: &DiscoveryResponse) -> Vec<&str> {
    answer.resources.iter().map(|any| std::str::from_utf8(&any.value).unwrap()).collect()
}

#[tokio::test]
async fn the_state_of_the_world_lists_all_clusters_each_time() {
    let server = Server::start().await;
    let mut stream = World::open(&server).await;
    stream.ask(Cluster, &[], "", None).await;
    let empty = stream.next().await;
    assert!(empty.resources.is_empty());
    stream.ask(Cluster, &[], &empty.nonce, None).await;
    server.memory.put(Cluster, "a", "a1");
    let one = stream.next().await;
    assert_eq!(texts(&one), ["a1"]);
    stream.ask(Cluster, &[], &one.nonce, None).await;
    server.memory.put(Cluster, "b", "b1");
    let two = stream.next().await;
    assert_eq!(texts(&two), ["a1", "b1"]);
    stream.ask(Cluster, &[], &two.nonce, None).await;
    server.memory.delete(Cluster, "a");
    assert_eq!(texts(&stream.next().await), ["b1"]);
}

#[tokio::test]
async fn the_state_of_the_world_sends_only_changed_endpoints() {
    let server = Server::start().await;
    server.memory.put(Endpoint, "a", "a1");
    let mut stream = World::open(&server).await;
    stream.ask(Endpoint, &["a", "b"], "", None).await;
    let first = stream.next().await;
    assert_eq!(texts(&first), ["a1"]);
    stream.ask(Endpoint, &["a", "b"], &first.nonce, None).await;
    stream.silent().await;
    server.memory.put(Endpoint, "b", "b1");
    let second = stream.next().await;
    assert_eq!(texts(&second), ["b1"]);
    stream.ask(Endpoint, &["b"], &second.nonce, None).await;
    server.memory.put(Endpoint, "a", "a2");
    stream.silent().await;
}

#[tokio::test]
async fn a_gone_cluster_stays_in_the_list_until_routes_are_told() {
    let server = Server::start().await;
    server.memory.put(Cluster, "old", "old");
    server.memory.put(Route, "r", "to old");
    let mut stream = World::open(&server).await;
    stream.ask(Cluster, &[], "", None).await;
    let cluster = stream.next().await;
    stream.ask(Route, &["r"], "", None).await;
    let route = stream.next().await;
    server.memory.delete(Cluster, "old");
    server.memory.put(Cluster, "new", "new");
    server.memory.put(Route, "r", "to new");
    stream.ask(Route, &["r"], &route.nonce, None).await;
    stream.ask(Cluster, &[], &cluster.nonce, None).await;
    let cluster = stream.next().await;
    assert_eq!(texts(&cluster), ["new", "old"]);
    stream.ask(Cluster, &[], &cluster.nonce, None).await;
    let route = stream.next().await;
    assert_eq!(texts(&route), ["to new"]);
    stream.ask(Route, &["r"], &route.nonce, None).await;
    assert_eq!(texts(&stream.next().await), ["new"]);
}

#[tokio::test]
async fn a_stale_request_changes_nothing_and_a_refusal_is_kept() {
    let server = Server::start().await;
    server.memory.put(Listener, "l", "one");
    let mut stream = World::open(&server).await;
    stream.ask(Listener, &["l"], "", None).await;
    let first = stream.next().await;
    stream.ask(Listener, &["l", "x"], "stale", None).await;
    stream.silent().await;
    stream.ask(Listener, &["l"], &first.nonce, Some("no such filter")).await;
    stream.silent().await;
    let status = server.ads.board().streams();
    assert_eq!(status[0].types[0].refused.as_ref().unwrap().message, "no such filter");
    server.memory.put(Listener, "l", "two");
    assert_eq!(texts(&stream.next().await), ["two"]);
}

#[tokio::test]
async fn a_listener_that_is_not_there_is_left_out_of_the_answer() {
    let server = Server::start().await;
    let mut stream = World::open(&server).await;
    stream.ask(Listener, &["missing"], "", None).await;
    assert!(texts(&stream.next().await).is_empty());
}

#[tokio::test]
async fn envoy_is_sent_endpoints_again_when_their_cluster_changed() {
    let server = Server::start().await;
    server.memory.put(Cluster, "a", "c1");
    server.memory.put(Endpoint, "a", "e1");
    let mut stream = World::open(&server).await;
    stream.ask(Cluster, &[], "", None).await;
    let cluster = stream.next().await;
    stream.ask(Cluster, &[], &cluster.nonce, None).await;
    stream.ask(Endpoint, &["a"], "", None).await;
    let endpoint = stream.next().await;
    stream.ask(Endpoint, &["a"], &endpoint.nonce, None).await;
    server.memory.put(Cluster, "a", "c2");
    assert_eq!(texts(&stream.next().await), ["c2"]);
    assert_eq!(texts(&stream.next().await), ["e1"]);
}
