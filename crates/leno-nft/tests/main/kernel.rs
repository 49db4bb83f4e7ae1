//! What the kernel makes of our tables.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    process::Command,
    thread,
    time::Duration,
};

use leno_nft::{
    Chain, ChainType, Element, Error, Expr, Family, Hook, Op, Prefix, Reject, Set, SetKind, Table, Verdict, install,
    netlink::{Message, Socket, message::ACK},
};

use crate::{netns::fresh, sample::everything};

/// What `nft` shows of the current namespace; `None` when it is not installed.
fn nft() -> Option<String> {
    let output = Command::new("nft").args(["-n", "list", "ruleset"]).output().ok()?;
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn nft_reads_back_what_was_meant() {
    fresh("kernel::nft_reads_back_what_was_meant", || {
        install::replace(&everything()).unwrap();
        let Some(found) = nft() else { return };
        for meant in include_str!("golden/everything.nft").lines() {
            assert!(found.contains(meant), "{meant} is missing in\n{found}");
        }
    });
}

#[test]
fn replacing_leaves_one_table_and_deleting_none() {
    fresh("kernel::replacing_leaves_one_table_and_deleting_none", || {
        let table = everything();
        for _ in 0..3 {
            install::replace(&table).unwrap();
        }
        if let Some(found) = nft() {
            assert_eq!(found.matches("chain output").count(), 1, "{found}");
        }
        for _ in 0..2 {
            install::delete(table.family, &table.name).unwrap();
        }
        assert_eq!(nft().unwrap_or_default(), "");
    });
}

#[test]
fn a_refusal_names_the_rule_and_changes_nothing() {
    fresh("kernel::a_refusal_names_the_rule_and_changes_nothing", || {
        let mut table = everything();
        install::replace(&table).unwrap();
        let before = nft();
        table.chains[0].rule([Expr::Verdict(Verdict::Jump("nowhere".into()))]);
        let error = install::replace(&table).unwrap_err();
        let Error::Refused { part, source } = &error else { panic!("{error:?}") };
        assert_eq!(part, "rule 7 of chain output of table inet everything");
        assert_eq!(source.kind(), ErrorKind::NotFound);
        assert_eq!(nft(), before);
    });
}

#[test]
fn without_privilege_the_text_says_what_is_needed() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let error = install::replace(&everything()).unwrap_err();
    assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
}

#[test]
fn thousands_of_targets_go_in_one_batch() {
    fresh("kernel::thousands_of_targets_go_in_one_batch", || {
        let target = |index: u32| {
            let address = Ipv4Addr::from_bits(0x0af4_0002 + index);
            Element::Target(index, SocketAddrV4::new(address, 80))
        };
        let mut chain = Chain::base("output", ChainType::Nat, Hook::Output, -100);
        let map = "many".to_owned();
        chain.rule([Expr::tcp(), Expr::DnatRandom { map: map.clone(), count: 3000 }]);
        let elements = (0..3000).map(target).collect();
        let set = Set { name: map, kind: SetKind::Ipv4Targets, key: vec![], elements };
        let table = Table { family: Family::Ipv4, name: "t".into(), sets: vec![set], chains: vec![chain] };
        install::replace(&table).unwrap();
    });
}

/// Brings the loopback interface up.
fn loopback_up() {
    let mut header = [0u8; 16];
    header[4..8].copy_from_slice(&1i32.to_ne_bytes());
    header[8..12].copy_from_slice(&1u32.to_ne_bytes());
    header[12..16].copy_from_slice(&1u32.to_ne_bytes());
    let message = Message::new(16, ACK, 1, &header);
    Socket::route().unwrap().request(message, &mut |_, _| {}).unwrap();
}

/// Accepts one connection and says `greeting`.
fn greet(listener: TcpListener, greeting: &'static [u8]) -> thread::JoinHandle<()> {
    thread::spawn(move || listener.accept().unwrap().0.write_all(greeting).unwrap())
}

fn read(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

fn output(rule: impl Into<Vec<Expr>>, sets: Vec<Set>) -> Table {
    let mut chain = Chain::base("output", ChainType::Nat, Hook::Output, -100);
    chain.rule(rule);
    Table { family: Family::Inet, name: "traffic".into(), sets, chains: vec![chain] }
}

#[test]
fn redirected_connections_arrive_and_know_where_they_were_going() {
    fresh("kernel::redirected_connections_arrive_and_know_where_they_were_going", || {
        loopback_up();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let there = Expr::Destination(Op::Is, Prefix::v4([127, 7, 0, 0], 16));
        install::replace(&output([there, Expr::tcp(), Expr::Redirect(port)], vec![])).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let original = rustix::net::sockopt::ip_original_dst(&stream).unwrap();
            write!(stream, "{original}").unwrap();
        });
        assert_eq!(read(TcpStream::connect("127.7.1.2:4321").unwrap()), b"127.7.1.2:4321");
        server.join().unwrap();
    });
}

#[test]
fn a_random_choice_reaches_every_target() {
    fresh("kernel::a_random_choice_reaches_every_target", || {
        loopback_up();
        let listeners = ["127.0.0.1:0", "127.0.0.2:0"].map(|at| TcpListener::bind(at).unwrap());
        let [first, second] = listeners.each_ref().map(|it| match it.local_addr().unwrap() {
            std::net::SocketAddr::V4(address) => address,
            std::net::SocketAddr::V6(_) => unreachable!(),
        });
        let targets = Set {
            name: "targets".into(),
            kind: SetKind::Ipv4Targets,
            key: vec![],
            elements: vec![Element::Target(0, first), Element::Target(1, second)],
        };
        let service = Expr::to([127, 9, 9, 9]);
        let choice = Expr::DnatRandom { map: "targets".into(), count: 2 };
        install::replace(&output([service, Expr::tcp(), choice], vec![targets])).unwrap();
        let count = 64;
        for _ in 0..count {
            drop(TcpStream::connect("127.9.9.9:80").unwrap());
        }
        let reached = listeners.map(|listener| {
            listener.set_nonblocking(true).unwrap();
            std::iter::from_fn(|| listener.accept().ok()).count()
        });
        assert_eq!(reached.iter().sum::<usize>(), count);
        assert!(reached.iter().all(|count| *count > 8), "{reached:?}");
    });
}

#[test]
fn a_rejected_connection_is_refused_at_once() {
    fresh("kernel::a_rejected_connection_is_refused_at_once", || {
        loopback_up();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = greet(listener.try_clone().unwrap(), b"hello");
        let address = listener.local_addr().unwrap();
        let mut chain = Chain::base("output", ChainType::Filter, Hook::Output, 0);
        chain.rule([Expr::to([127, 0, 0, 5]), Expr::tcp(), Expr::Reject(Reject::TcpReset)]);
        let table = Table { family: Family::Inet, name: "t".into(), sets: vec![], chains: vec![chain] };
        install::replace(&table).unwrap();
        let error = TcpStream::connect(("127.0.0.5", address.port())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(read(TcpStream::connect(address).unwrap()), b"hello");
        server.join().unwrap();
    });
}

#[test]
fn a_rejected_datagram_is_refused_in_tables_of_either_kind() {
    fresh("kernel::a_rejected_datagram_is_refused_in_tables_of_either_kind", || {
        loopback_up();
        for family in [Family::Inet, Family::Ipv4] {
            let mut chain = Chain::base("output", ChainType::Filter, Hook::Output, 0);
            let reject = Expr::Reject(Reject::PortUnreachable);
            chain.rule([Expr::to([127, 0, 0, 5]), Expr::udp(), reject]);
            let table = Table { family, name: "t".into(), sets: vec![], chains: vec![chain] };
            install::replace(&table).unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect("127.0.0.5:9").unwrap();
            drop(socket.send(b"x"));
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let error = socket.recv(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{family:?}");
            install::delete(family, "t").unwrap();
        }
    });
}
