//! The rules as data.

use leno_nft::{Chain, ChainType, Expr, Family, Hook, Op, Prefix, Table, prefix::PrefixError};

use super::{Own, Redirect};

/// The table's name.
pub const TABLE: &str = "leno";

/// Where destination addresses are rewritten (`NF_IP_PRI_NAT_DST`).
const PRIORITY: i32 = -100;
const DNS_PORT: u16 = 53;

/// The loopback ranges of both IP versions.
fn loopback() -> [Prefix; 2] {
    let v6 = std::net::Ipv6Addr::LOCALHOST;
    [Prefix::v4([127, 0, 0, 0], 8), Prefix::host(v6.into())]
}

/// The table that does what `redirect` says.
pub(super) fn table(redirect: &Redirect) -> Result<Table, PrefixError> {
    Ok(Table {
        family: Family::Inet,
        name: TABLE.to_owned(),
        sets: Vec::new(),
        chains: vec![outbound(redirect)?, inbound(redirect)],
    })
}

fn outbound(redirect: &Redirect) -> Result<Chain, PrefixError> {
    let kept = &redirect.interception;
    let mut chain = Chain::base("outbound", ChainType::Nat, Hook::Output, PRIORITY);
    own_connections(&mut chain, redirect);
    for uid in &kept.exclude_uids {
        chain.rule([Expr::SocketUser(Op::Is, *uid), Expr::accept()]);
    }
    for interface in &kept.exclude_interfaces {
        let interface = Expr::OutputInterface(Op::Is, interface.clone());
        chain.rule([interface, Expr::accept()]);
    }
    chain.rule([leaving_by_loopback(), Expr::accept()]);
    for range in &kept.exclude_outbound_ranges {
        chain.rule([Expr::Destination(Op::Is, range.parse()?), Expr::accept()]);
    }
    for port in kept.exclude_outbound_ports.iter().chain([&DNS_PORT]) {
        chain.rule([
            Expr::tcp(),
            Expr::DestinationPort(Op::Is, *port),
            Expr::accept(),
        ]);
    }
    if kept.include_outbound_ranges.is_empty() {
        chain.rule([Expr::tcp(), Expr::Redirect(redirect.outbound_port)]);
    }
    for range in &kept.include_outbound_ranges {
        let range = Expr::Destination(Op::Is, range.parse()?);
        chain.rule([range, Expr::tcp(), Expr::Redirect(redirect.outbound_port)]);
    }
    Ok(chain)
}

/// What the sidecar itself sends is left alone, but for a service that calls itself through its own service address:
/// that comes back to this pod, over the loopback interface, and must pass the inbound side like everyone's.
fn own_connections(chain: &mut Chain, redirect: &Redirect) {
    let own = match redirect.own {
        Own::Mark(mark) => {
            let to_application = mark.wrapping_add(1);
            chain.rule([Expr::Mark(Op::Is, to_application), Expr::accept()]);
            Expr::Mark(Op::Is, mark)
        }
        Own::User(uid) => {
            let [v4, v6] = to_application_sources();
            chain.rule([Expr::Source(Op::Is, v4), Expr::accept()]);
            chain.rule([Expr::Source(Op::Is, v6), Expr::accept()]);
            Expr::SocketUser(Op::Is, uid)
        }
    };
    for loopback in loopback() {
        chain.rule([
            own.clone(),
            leaving_by_loopback(),
            Expr::Destination(Op::IsNot, loopback),
            Expr::tcp(),
            Expr::Redirect(redirect.inbound_port),
        ]);
    }
    chain.rule([own, Expr::accept()]);
}

/// Where the sidecar's connections to its application come from when they bear no mark.
fn to_application_sources() -> [Prefix; 2] {
    let v6 = std::net::Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);
    [Prefix::v4([127, 0, 0, 6], 32), Prefix::host(v6.into())]
}

fn leaving_by_loopback() -> Expr {
    Expr::OutputInterface(Op::Is, "lo".to_owned())
}

fn inbound(redirect: &Redirect) -> Chain {
    let kept = &redirect.interception;
    let mut chain = Chain::base("inbound", ChainType::Nat, Hook::Prerouting, PRIORITY);
    for interface in kept
        .exclude_interfaces
        .iter()
        .map(String::as_str)
        .chain(["lo"])
    {
        let interface = Expr::InputInterface(Op::Is, interface.to_owned());
        chain.rule([interface, Expr::accept()]);
    }
    for port in redirect
        .direct_ports
        .iter()
        .chain(&kept.exclude_inbound_ports)
    {
        chain.rule([
            Expr::tcp(),
            Expr::DestinationPort(Op::Is, *port),
            Expr::accept(),
        ]);
    }
    chain.rule([Expr::tcp(), Expr::Redirect(redirect.inbound_port)]);
    chain
}
