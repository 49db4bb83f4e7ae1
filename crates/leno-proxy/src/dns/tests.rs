use std::net::{IpAddr, SocketAddr};

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{RData, Record, RecordType, rdata::A},
};
use tokio::net::UdpSocket;

use super::{system::System, *};

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn the_systems_files_are_read() {
    let resolver =
        "# c\nnameserver 10.0.0.1\nnameserver fe80::1%eth0 ; x\nsearch a.example b.example\noptions ndots:2 x\n";
    let system = System::of(resolver, "127.0.0.1 localhost here # there\n::1 localhost\n".to_owned());
    let servers: Vec<SocketAddr> = vec!["10.0.0.1:53".parse().unwrap(), "[fe80::1]:53".parse().unwrap()];
    assert_eq!(system.servers, servers);
    assert_eq!(system.hosts("LocalHost."), ips(&["127.0.0.1", "::1"]));
    assert!(system.hosts("there").is_empty());
    assert_eq!(system.candidates("x.y", true), ["x.y.a.example.", "x.y.b.example.", "x.y."]);
    assert_eq!(system.candidates("x.y.z", true), ["x.y.z.", "x.y.z.a.example.", "x.y.z.b.example."]);
    assert_eq!(system.candidates("x.", true), ["x."]);
    assert_eq!(system.candidates("x", false), ["x."]);
}

#[test]
fn families_choose_addresses() {
    let of = |family: Family, addresses: &[&str]| family.choose(ips(addresses));
    let both = &["127.0.0.1", "::1"];
    assert_eq!(of(Family::Auto, both), ips(&["::1"]));
    assert_eq!(of(Family::Auto, &["127.0.0.1"]), ips(&["127.0.0.1"]));
    assert_eq!(of(Family::V4Preferred, both), ips(&["127.0.0.1"]));
    assert_eq!(of(Family::All, both), ips(both));
    assert!(of(Family::V6, &["127.0.0.1"]).is_empty());
}

/// A server that knows `one.test`, has trouble with `broken.test`, and nothing else.
async fn server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    leno_runtime::task::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            let question = Message::from_vec(&bytes[..length]).unwrap();
            socket.send_to(&answer(&question).to_vec().unwrap(), from).await.unwrap();
        }
    });
    address
}

fn answer(question: &Message) -> Message {
    let query = question.queries.first().unwrap();
    let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    answer.add_query(query.clone());
    let (code, addresses) = match (query.name().to_ascii().as_str(), query.query_type()) {
        ("broken.test.", _) => (ResponseCode::ServFail, 0),
        ("one.test.", RecordType::A) => (ResponseCode::NoError, 2),
        _ => (ResponseCode::NXDomain, 0),
    };
    answer.metadata.response_code = code;
    for last in 1..=addresses {
        let data = RData::A(A::new(10, 0, 0, last));
        answer.add_answer(Record::from_rdata(query.name().clone(), 30 + u32::from(last), data));
    }
    answer
}

#[tokio::test]
async fn servers_are_asked() {
    let resolver = Resolver { servers: vec![server().await], search: false, tries: 1, ..Resolver::default() };
    let found = resolver.resolve("one.test", Family::Auto, None).await.unwrap();
    assert_eq!(found, Resolved { addresses: ips(&["10.0.0.1", "10.0.0.2"]), ttl: Some(Duration::from_secs(31)) });
    assert_eq!(resolver.resolve("gone.test", Family::Auto, None).await.unwrap(), Resolved::default());
    assert!(resolver.resolve("broken.test", Family::V4, None).await.is_err());
    let literal = resolver.resolve("10.9.9.9", Family::V6, None).await.unwrap();
    assert_eq!(literal.addresses, ips(&["10.9.9.9"]));
}
