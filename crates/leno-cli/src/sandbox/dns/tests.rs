use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use leno_model::ServiceName;

use super::{
    answer::{Outcome, Responder, datagram},
    zone::{Zone, upstreams},
};
use crate::sandbox::{
    Service,
    service::{Endpoint, Protocol, ServiceAddress, ServicePort},
};

fn service(name: &str, address: ServiceAddress) -> Service {
    let endpoint = |last, hostname: Option<&str>, ready| Endpoint {
        address: [10, 244, 0, last].into(),
        hostname: hostname.map(str::to_owned),
        ready,
        ports: vec![Some(8080)],
    };
    Service {
        name: ServiceName::new("shop", name),
        address,
        ports: vec![ServicePort { name: Some("http".into()), protocol: Protocol::Tcp, port: 80 }],
        endpoints: vec![endpoint(5, None, true), endpoint(6, Some("db-0"), true), endpoint(7, None, false)],
        publish_not_ready: false,
    }
}

fn zone() -> Zone {
    let services = [
        service("cart", ServiceAddress::Virtual([10, 96, 1, 1].into())),
        service("db", ServiceAddress::Headless),
        service("world", ServiceAddress::External("Example.com.".into())),
        service("alias", ServiceAddress::External("cart.shop.svc.cluster.local".into())),
    ];
    Zone::new(&services, true)
}

fn request(name: &str, wanted: RecordType) -> Message {
    let mut request = Message::new(7, MessageType::Query, OpCode::Query);
    request.add_query(Query::query(Name::from_ascii(name).unwrap(), wanted));
    request
}

/// The answers as text, or the response code when there are none, or who else to ask.
fn ask(name: &str, wanted: RecordType) -> Vec<String> {
    match Responder::default().respond(&zone(), &request(name, wanted)) {
        Outcome::Ask { name, .. } => vec![format!("ask about {name}")],
        Outcome::Answer(message) if message.answers.is_empty() => {
            assert_eq!(message.authorities.len(), 1, "SOA");
            vec![format!("{:?}", message.metadata.response_code)]
        }
        Outcome::Answer(message) => {
            assert!(message.answers.iter().all(|record| record.ttl == 5));
            let data = |data: &RData| match data {
                RData::SRV(srv) => format!("{} {}", srv.port, srv.target),
                other => other.to_string(),
            };
            message.answers.iter().map(|record| data(&record.data)).collect()
        }
    }
}

#[test]
fn virtual_and_headless_names_have_addresses() {
    assert_eq!(ask("cart.shop.svc.cluster.local.", RecordType::A), ["10.96.1.1"]);
    assert_eq!(ask("CART.Shop.svc.cluster.local.", RecordType::A), ["10.96.1.1"]);
    let mut found = ask("db.shop.svc.cluster.local.", RecordType::A);
    found.sort();
    assert_eq!(found, ["10.244.0.5", "10.244.0.6"], "only those that are ready");
}

#[test]
fn instances_and_pods_have_names() {
    assert_eq!(ask("db-0.db.shop.svc.cluster.local.", RecordType::A), ["10.244.0.6"]);
    assert_eq!(ask("10-244-0-5.db.shop.svc.cluster.local.", RecordType::A), ["10.244.0.5"]);
    assert_eq!(ask("10-244-0-9.shop.pod.cluster.local.", RecordType::A), ["10.244.0.9"]);
    assert_eq!(ask("1-2-3-4.shop.pod.cluster.local.", RecordType::A), ["NXDomain"]);
}

#[test]
fn ports_have_srv_records() {
    let found = ask("_http._tcp.cart.shop.svc.cluster.local.", RecordType::SRV);
    assert_eq!(found, ["80 cart.shop.svc.cluster.local."]);
    let mut found = ask("_http._tcp.db.shop.svc.cluster.local.", RecordType::SRV);
    found.sort();
    assert_eq!(found, ["8080 10-244-0-5.db.shop.svc.cluster.local.", "8080 db-0.db.shop.svc.cluster.local."]);
}

#[test]
fn addresses_have_names() {
    let found = ask("1.1.96.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!(found, ["cart.shop.svc.cluster.local."]);
    let found = ask("6.0.244.10.in-addr.arpa.", RecordType::PTR);
    assert!(found.contains(&"db-0.db.shop.svc.cluster.local.".to_owned()), "{found:?}");
    assert_eq!(ask("9.9.96.10.in-addr.arpa.", RecordType::PTR), ["NXDomain"]);
    assert_eq!(ask("8.8.8.8.in-addr.arpa.", RecordType::PTR), ["ask about 8.8.8.8.in-addr.arpa."]);
}

#[test]
fn no_such_name_and_nothing_of_that_type_are_told_apart() {
    assert_eq!(ask("nobody.shop.svc.cluster.local.", RecordType::A), ["NXDomain"]);
    assert_eq!(ask("cart.shop.svc.cluster.local.", RecordType::AAAA), ["NoError"]);
    assert_eq!(ask("shop.svc.cluster.local.", RecordType::A), ["NoError"]);
    assert_eq!(ask("_tcp.cart.shop.svc.cluster.local.", RecordType::SRV), ["NoError"]);
    assert_eq!(ask("example.com.shop.svc.cluster.local.", RecordType::A), ["NXDomain"]);
    assert_eq!(ask("cluster.local.", RecordType::A), ["NoError"]);
}

#[test]
fn other_names_are_for_others() {
    for name in ["example.com.", "local.", "arpa.", "xcluster.local.", "internal."] {
        assert_eq!(ask(name, RecordType::A), [format!("ask about {name}")]);
    }
    assert_eq!(ask("host.leno.internal.", RecordType::A), ["10.96.0.2"]);
}

#[test]
fn external_services_are_aliases() {
    assert_eq!(ask("world.shop.svc.cluster.local.", RecordType::A), ["ask about example.com."]);
    assert_eq!(ask("alias.shop.svc.cluster.local.", RecordType::A), ["cart.shop.svc.cluster.local.", "10.96.1.1"]);
    assert_eq!(ask("world.shop.svc.cluster.local.", RecordType::CNAME), ["example.com."]);
}

#[test]
fn instances_take_turns() {
    let (zone, responder) = (zone(), Responder::default());
    let first = || {
        let request = request("db.shop.svc.cluster.local.", RecordType::A);
        match responder.respond(&zone, &request) {
            Outcome::Answer(message) => message.answers[0].data.to_string(),
            Outcome::Ask { .. } => unreachable!(),
        }
    };
    assert_ne!(first(), first());
}

#[test]
fn what_a_datagram_cannot_hold_is_cut_and_says_so() {
    let mut big = service("big", ServiceAddress::Headless);
    big.endpoints = (0..200)
        .map(|last| Endpoint { address: [10, 244, 1, last].into(), hostname: None, ready: true, ports: vec![] })
        .collect();
    let request = request("big.shop.svc.cluster.local.", RecordType::A);
    let zone = Zone::new(&[big], false);
    let Outcome::Answer(answer) = Responder::default().respond(&zone, &request) else { unreachable!() };
    assert_eq!(answer.answers.len(), 200);
    let bytes = datagram(&request, &answer).unwrap();
    assert!(bytes.len() <= 512);
    let cut = Message::from_vec(&bytes).unwrap();
    assert!(cut.metadata.truncation);
}

#[test]
fn strange_questions_are_refused() {
    let mut two = request("a.", RecordType::A);
    two.add_query(Query::query(Name::root(), RecordType::A));
    let Outcome::Answer(answer) = Responder::default().respond(&zone(), &two) else { unreachable!() };
    assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
}

#[test]
fn the_hosts_resolvers_are_read_from_its_file() {
    let text = "# x\nnameserver 127.0.0.53\nsearch lan\nnameserver ::1\nnameserver fe80::1%eth0\n";
    let found: Vec<String> = upstreams(text).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["127.0.0.53:53", "[::1]:53"]);
    assert_eq!(upstreams("")[0].to_string(), "127.0.0.1:53");
}
