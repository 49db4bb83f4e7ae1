//! A table with one of everything.

use leno_nft::{
    Chain, ChainType, Element, Expr, Family, Hook, Key, KeyPart, Op, Prefix, Reject, Set, SetKind, Table, Verdict,
    set::KeyValue,
};

pub(crate) fn everything() -> Table {
    Table {
        family: Family::Inet,
        name: "everything".into(),
        sets: sets(),
        chains: vec![output(), service(), forward(), postrouting()],
    }
}

fn service_key() -> Key {
    vec![KeyPart::Ipv4Destination, KeyPart::Protocol, KeyPart::DestinationPort]
}

fn pair() -> Key {
    vec![KeyPart::Ipv4Source, KeyPart::Ipv4Destination]
}

fn sets() -> Vec<Set> {
    let one = KeyValue::Ipv4([10, 244, 0, 2].into());
    let key = vec![KeyValue::Ipv4([10, 96, 0, 1].into()), KeyValue::Protocol(6), KeyValue::Port(80)];
    let set = |name: &str, kind, key, elements| Set { name: name.into(), kind, key, elements };
    let to_service = Element::Verdict(key, Verdict::Goto("service".into()));
    let targets = vec![
        Element::Target(0, "10.244.0.2:8080".parse().unwrap()),
        Element::Target(1, "10.244.0.3:8080".parse().unwrap()),
    ];
    let member = Element::Member(vec![one, one]);
    vec![
        set("services", SetKind::Verdicts, service_key(), vec![to_service]),
        set("targets", SetKind::Ipv4Targets, vec![], targets),
        set("self", SetKind::Set, pair(), vec![member]),
    ]
}

fn output() -> Chain {
    let mut chain = Chain::base("output", ChainType::Nat, Hook::Output, -100);
    chain
        .rule([Expr::Mark(Op::Is, 5), Expr::accept()])
        .rule([
            Expr::OutputInterface(Op::Is, "lo".into()),
            Expr::Destination(Op::IsNot, Prefix::v4([127, 0, 0, 0], 8)),
            Expr::tcp(),
            Expr::Redirect(15006),
        ])
        .rule([Expr::SocketUser(Op::Is, 1337), Expr::accept()])
        .rule([
            Expr::Destination(Op::Is, "2001:db8::/33".parse().unwrap()),
            Expr::tcp(),
            Expr::DestinationPorts(Op::Is, 1000, 2000),
            Expr::Verdict(Verdict::Return),
        ])
        .rule([Expr::to([10, 0, 0, 1]), Expr::udp(), Expr::Dnat("10.0.0.2:53".parse().unwrap())])
        .rule([Expr::VerdictMap(service_key(), "services".into())]);
    chain
}

fn service() -> Chain {
    let mut chain = Chain::named("service");
    let map = "targets".into();
    chain.rule([Expr::tcp(), Expr::DnatRandom { map, count: 2 }]);
    chain
}

fn forward() -> Chain {
    let mut chain = Chain::base("forward", ChainType::Filter, Hook::Forward, 0);
    chain
        .rule([Expr::InputInterface(Op::IsNot, "veth*".into()), Expr::Counter])
        .rule([Expr::tcp(), Expr::DestinationPort(Op::IsNot, 80), Expr::Reject(Reject::TcpReset)])
        .rule([Expr::Source(Op::Is, Prefix::v4([10, 0, 0, 0], 8)), Expr::SetMark(7)])
        .rule([Expr::IsDestinationRewritten, Expr::Reject(Reject::PortUnreachable)]);
    chain
}

fn postrouting() -> Chain {
    let mut chain = Chain::base("postrouting", ChainType::Nat, Hook::Postrouting, 100);
    chain.rule([Expr::InSet(Op::Is, pair(), "self".into()), Expr::Masquerade]);
    chain
}
