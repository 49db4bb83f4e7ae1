//! kube-proxy's part: connections to virtual addresses go to an instance, by nftables in the mesh's network namespace,
//! where every packet between pods passes.
//!
//! ```text
//! prerouting, output   address . protocol . port ──services──► chain of that port ──random──► instance
//!                      (elsewhere outside) ──► egress relay
//! forward, output      still a virtual address: no such port, or no ready instance ──► refused at once
//! postrouting          an instance that reached itself ──► masqueraded, or it would answer itself directly
//! ```

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use leno_nft::{
    Chain, ChainType, Element, Expr, Family, Hook, Key, KeyPart, Op, Prefix, Reject, Set, SetKind, Table, Transport,
    Verdict, set::KeyValue,
};

use super::{
    HOST,
    network::{PODS, SERVICES},
    service::{Protocol, Service, ServiceAddress},
};

const TABLE: &str = "leno";
const SERVICES_MAP: &str = "services";
const SELF_SET: &str = "self";
/// Where destinations are rewritten (`NF_IP_PRI_NAT_DST`).
const BEFORE: i32 = -100;
/// Where sources are rewritten (`NF_IP_PRI_NAT_SRC`).
const AFTER: i32 = 100;

/// Where connections outside are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Egress {
    /// The relay's port; `None`: nowhere.
    pub(super) port: Option<u16>,
    /// Whether [`HOST`] leads to the host's loopback.
    pub(super) host_loopback: bool,
}

/// One port of a service, with where its connections go.
#[derive(Debug)]
struct Port {
    address: Ipv4Addr,
    protocol: Protocol,
    port: u16,
    targets: Vec<SocketAddrV4>,
}

/// The rules for these services; pure.
pub(super) fn table(services: &[Service], egress: Egress) -> Table {
    let ports = ports(services);
    let mut sets = vec![services_map(&ports), self_set(&ports)];
    let mut chains = vec![
        prerouting(egress),
        output(),
        postrouting(),
        refusals("forward", Hook::Forward),
        refusals("local", Hook::Output),
    ];
    for (index, port) in ports.iter().enumerate() {
        sets.push(targets(index, port));
        chains.push(choice(index, port));
    }
    Table { family: Family::Ipv4, name: TABLE.to_owned(), sets, chains }
}

/// The ports that have somewhere to go. Of two services that claim the same address and port the first wins, as in
/// kube-proxy.
fn ports(services: &[Service]) -> Vec<Port> {
    let mut taken = BTreeSet::new();
    let mut ports = Vec::new();
    for service in services {
        let ServiceAddress::Virtual(address) = service.address else {
            continue;
        };
        for (index, port) in service.ports.iter().enumerate() {
            let ready = service.endpoints.iter().filter(|endpoint| endpoint.ready);
            let targets: BTreeSet<SocketAddrV4> = ready
                .filter_map(|endpoint| {
                    let port = (*endpoint.ports.get(index)?)?;
                    Some(SocketAddrV4::new(endpoint.address, port))
                })
                .collect();
            if !targets.is_empty() && taken.insert((address, port.protocol, port.port)) {
                ports.push(Port {
                    address,
                    protocol: port.protocol,
                    port: port.port,
                    targets: targets.into_iter().collect(),
                });
            }
        }
    }
    ports
}

fn service_key() -> Key {
    vec![KeyPart::Ipv4Destination, KeyPart::Protocol, KeyPart::DestinationPort]
}

fn pair_key() -> Key {
    vec![KeyPart::Ipv4Source, KeyPart::Ipv4Destination]
}

fn services_map(ports: &[Port]) -> Set {
    let element = |(index, port): (usize, &Port)| {
        let key = vec![
            KeyValue::Ipv4(port.address),
            KeyValue::Protocol(transport(port.protocol).number()),
            KeyValue::Port(port.port),
        ];
        Element::Verdict(key, Verdict::Goto(chain_name(index)))
    };
    Set {
        name: SERVICES_MAP.to_owned(),
        kind: SetKind::Verdicts,
        key: service_key(),
        elements: ports.iter().enumerate().map(element).collect(),
    }
}

fn self_set(ports: &[Port]) -> Set {
    let addresses: BTreeSet<Ipv4Addr> =
        ports.iter().flat_map(|port| &port.targets).map(|target| *target.ip()).collect();
    let pair = |address| Element::Member(vec![KeyValue::Ipv4(address), KeyValue::Ipv4(address)]);
    Set {
        name: SELF_SET.to_owned(),
        kind: SetKind::Set,
        key: pair_key(),
        elements: addresses.into_iter().map(pair).collect(),
    }
}

fn targets(index: usize, port: &Port) -> Set {
    let element = |(index, target): (u32, &SocketAddrV4)| Element::Target(index, *target);
    Set {
        name: targets_name(index),
        kind: SetKind::Ipv4Targets,
        key: Vec::new(),
        elements: (0..).zip(&port.targets).map(element).collect(),
    }
}

/// The chain of a port: to any of its targets, with equal chances.
fn choice(index: usize, port: &Port) -> Chain {
    let mut chain = Chain::named(chain_name(index));
    chain.rule([Expr::DnatRandom {
        map: targets_name(index),
        count: u32::try_from(port.targets.len()).unwrap_or(u32::MAX),
    }]);
    chain
}

fn chain_name(index: usize) -> String {
    format!("port-{index}")
}

fn targets_name(index: usize) -> String {
    format!("targets-{index}")
}

fn prerouting(egress: Egress) -> Chain {
    let mut chain = Chain::base("prerouting", ChainType::Nat, Hook::Prerouting, BEFORE);
    chain.rule([Expr::VerdictMap(service_key(), SERVICES_MAP.to_owned())]);
    let Some(port) = egress.port else {
        return chain;
    };
    if egress.host_loopback {
        chain.rule([Expr::to(HOST), Expr::tcp(), Expr::Redirect(port)]);
    }
    chain.rule([
        Expr::Destination(Op::IsNot, range(PODS)),
        Expr::Destination(Op::IsNot, range(SERVICES)),
        Expr::tcp(),
        Expr::Redirect(port),
    ]);
    chain
}

fn output() -> Chain {
    let mut chain = Chain::base("output", ChainType::Nat, Hook::Output, BEFORE);
    chain.rule([Expr::VerdictMap(service_key(), SERVICES_MAP.to_owned())]);
    chain
}

fn postrouting() -> Chain {
    let mut chain = Chain::base("postrouting", ChainType::Nat, Hook::Postrouting, AFTER);
    chain.rule([Expr::InSet(Op::Is, pair_key(), SELF_SET.to_owned()), Expr::Masquerade]);
    chain
}

/// Addresses of the mesh's own (lo) pass; other virtual ones that are virtual still have nowhere to go.
fn refusals(name: &str, hook: Hook) -> Chain {
    let mut chain = Chain::base(name, ChainType::Filter, hook, 0);
    let lost = [Expr::OutputInterface(Op::IsNot, "lo".to_owned()), Expr::Destination(Op::Is, range(SERVICES))];
    let [link, address] = lost.clone();
    chain.rule([link, address, Expr::tcp(), Expr::Reject(Reject::TcpReset)]);
    let [link, address] = lost;
    chain.rule([link, address, Expr::Reject(Reject::PortUnreachable)]);
    chain
}

fn range((address, length): ([u8; 4], u8)) -> Prefix {
    Prefix::v4(address, length)
}

fn transport(protocol: Protocol) -> Transport {
    match protocol {
        Protocol::Tcp => Transport::Tcp,
        Protocol::Udp => Transport::Udp,
    }
}

#[cfg(test)]
mod tests {
    use leno_model::ServiceName;

    use super::{
        super::service::{Endpoint, ServicePort},
        *,
    };

    fn endpoint(last: u8, ready: bool) -> Endpoint {
        Endpoint { address: [10, 244, 0, last].into(), hostname: None, ready, ports: vec![Some(8080), None] }
    }

    fn service(address: ServiceAddress) -> Service {
        let port = |port| ServicePort { name: None, protocol: Protocol::Tcp, port };
        Service {
            name: ServiceName::new("shop", "cart"),
            address,
            ports: vec![port(80), port(81)],
            endpoints: vec![endpoint(2, true), endpoint(3, false), endpoint(4, true)],
            publish_not_ready: true,
        }
    }

    const NOWHERE: Egress = Egress { port: None, host_loopback: false };

    #[test]
    fn connections_go_to_ready_instances_of_ports_that_have_any() {
        let services = [service(ServiceAddress::Virtual([10, 96, 1, 1].into()))];
        let table = table(&services, NOWHERE);
        let targets: Vec<_> = table.sets.iter().filter(|set| set.kind == SetKind::Ipv4Targets).collect();
        assert_eq!(targets.len(), 1, "port 81 has no instance");
        let wanted = ["10.244.0.2:8080", "10.244.0.4:8080"].map(|text| text.parse().unwrap());
        assert_eq!(targets[0].elements, [Element::Target(0, wanted[0]), Element::Target(1, wanted[1])]);
    }

    #[test]
    fn services_without_a_virtual_address_have_no_rules() {
        let external = ServiceAddress::External("example.com".into());
        let services = [service(ServiceAddress::Headless), service(external)];
        assert_eq!(table(&services, NOWHERE), table(&[], NOWHERE));
    }

    #[test]
    fn the_first_of_two_services_with_one_address_wins() {
        let one = service(ServiceAddress::Virtual([10, 96, 1, 1].into()));
        let twice = [one.clone(), one.clone()];
        assert_eq!(table(&twice, NOWHERE), table(&[one], NOWHERE));
    }

    #[test]
    fn without_a_way_outside_nothing_is_redirected() {
        let redirects = |egress| {
            let table = table(&[], egress);
            let rules = table.chains.into_iter().flat_map(|chain| chain.rules);
            rules.flat_map(|rule| rule.0).filter(|part| matches!(part, Expr::Redirect(_))).count()
        };
        assert_eq!(redirects(NOWHERE), 0);
        let port = Some(1);
        assert_eq!(redirects(Egress { port, host_loopback: false }), 1);
        assert_eq!(redirects(Egress { port, host_loopback: true }), 2);
    }
}
