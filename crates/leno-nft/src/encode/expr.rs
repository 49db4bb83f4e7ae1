//! Conditions and actions as the kernel's expressions, which load values into registers and compare registers.

use std::net::{IpAddr, SocketAddr};

use super::{put_verdict, set, wire};
use crate::{Expr, Family, KeyPart, Op, Prefix, Reject, Table, Transport, netlink::Message};
use wire::{REG_1, REG_VERDICT, REG32_00, expr, meta};

/// Length of an interface's name with its final zero.
const INTERFACE_NAME: usize = 16;
/// The bit of a connection's status that says that its destination was rewritten (`IPS_DST_NAT`).
const DESTINATION_REWRITTEN: u32 = 1 << 5;

/// Where in the IP or transport header a field lies.
#[derive(Clone, Copy)]
struct Field {
    base: u32,
    offset: u32,
    length: u32,
}

const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
const IPV4_SOURCE: Field = Field { base: NETWORK, offset: 12, length: 4 };
const IPV4_DESTINATION: Field = Field { base: NETWORK, offset: 16, length: 4 };
const IPV6_SOURCE: Field = Field { base: NETWORK, offset: 8, length: 16 };
const IPV6_DESTINATION: Field = Field { base: NETWORK, offset: 24, length: 16 };
const DESTINATION_PORT: Field = Field { base: TRANSPORT, offset: 2, length: 2 };

/// Adds all of a rule's expression to the list.
pub(super) fn put(list: &mut Message, table: &Table, expression: &Expr) {
    match expression {
        Expr::Mark(op, mark) => meta_is(list, meta::MARK, *op, &mark.to_ne_bytes()),
        Expr::InputInterface(op, name) => meta_is(list, meta::INPUT_NAME, *op, &interface(name)),
        Expr::OutputInterface(op, name) => meta_is(list, meta::OUTPUT_NAME, *op, &interface(name)),
        Expr::SocketUser(op, user) => meta_is(list, meta::SOCKET_USER, *op, &user.to_ne_bytes()),
        Expr::Protocol(op, transport) => protocol_is(list, *op, *transport),
        Expr::Source(op, prefix) => {
            address_is(list, table.family, *op, prefix, IPV4_SOURCE, IPV6_SOURCE);
        }
        Expr::Destination(op, prefix) => {
            address_is(list, table.family, *op, prefix, IPV4_DESTINATION, IPV6_DESTINATION)
        }
        Expr::DestinationPort(op, port) => {
            load(list, DESTINATION_PORT, REG_1);
            compare(list, *op, &port.to_be_bytes());
        }
        Expr::DestinationPorts(op, from, to) => {
            load(list, DESTINATION_PORT, REG_1);
            range(list, *op, &from.to_be_bytes(), &to.to_be_bytes());
        }
        Expr::IsDestinationRewritten => destination_rewritten(list),
        Expr::InSet(op, key, name) => {
            load_key(list, key);
            lookup(list, table, name, Lookup::Member(*op));
        }
        Expr::VerdictMap(key, name) => {
            load_key(list, key);
            lookup(list, table, name, Lookup::Into(REG_VERDICT));
        }
        action => put_action(list, table, action),
    }
}

/// The actions.
fn put_action(list: &mut Message, table: &Table, action: &Expr) {
    match action {
        Expr::Counter => named(list, "counter", |data| {
            data.put(expr::COUNTER_BYTES, &[0; 8]);
            data.put(expr::COUNTER_PACKETS, &[0; 8]);
        }),
        Expr::SetMark(mark) => {
            immediate(list, REG_1, &mark.to_ne_bytes());
            named(list, "meta", |data| {
                data.put_be32(expr::META_KEY, meta::MARK);
                data.put_be32(expr::META_SREG, REG_1);
            });
        }
        Expr::Verdict(verdict) => named(list, "immediate", |data| {
            data.put_be32(expr::IMMEDIATE_DREG, REG_VERDICT);
            data.put_nested(expr::IMMEDIATE_DATA, |value| put_verdict(value, verdict));
        }),
        Expr::Redirect(port) => {
            immediate(list, REG_1, &port.to_be_bytes());
            named(list, "redir", |data| {
                data.put_be32(expr::REDIR_PROTO_MIN, REG_1);
            });
        }
        Expr::Dnat(to) => dnat(list, *to),
        Expr::DnatRandom { map, count } => dnat_random(list, table, map, *count),
        Expr::Masquerade => named(list, "masq", |_| {}),
        Expr::Reject(how) => reject(list, table.family, *how),
        Expr::Mark(..)
        | Expr::InputInterface(..)
        | Expr::OutputInterface(..)
        | Expr::SocketUser(..)
        | Expr::Protocol(..)
        | Expr::Source(..)
        | Expr::Destination(..)
        | Expr::DestinationPort(..)
        | Expr::DestinationPorts(..)
        | Expr::IsDestinationRewritten
        | Expr::InSet(..)
        | Expr::VerdictMap(..) => {}
    }
}

fn named(list: &mut Message, name: &str, fill: impl FnOnce(&mut Message)) {
    list.put_nested(wire::LIST_ELEMENT, |element| {
        element.put_text(expr::NAME, name);
        element.put_nested(expr::DATA, fill);
    });
}

fn meta_is(list: &mut Message, key: u32, op: Op, value: &[u8]) {
    load_meta(list, key, REG_1);
    compare(list, op, value);
}

fn load_meta(list: &mut Message, key: u32, register: u32) {
    named(list, "meta", |data| {
        data.put_be32(expr::META_KEY, key);
        data.put_be32(expr::META_DREG, register);
    });
}

fn protocol_is(list: &mut Message, op: Op, transport: Transport) {
    meta_is(list, meta::PROTOCOL, op, &[transport.number()]);
}

fn load(list: &mut Message, field: Field, register: u32) {
    named(list, "payload", |data| {
        data.put_be32(expr::PAYLOAD_DREG, register);
        data.put_be32(expr::PAYLOAD_BASE, field.base);
        data.put_be32(expr::PAYLOAD_OFFSET, field.offset);
        data.put_be32(expr::PAYLOAD_LEN, field.length);
    });
}

fn compare(list: &mut Message, op: Op, value: &[u8]) {
    named(list, "cmp", |data| {
        data.put_be32(expr::CMP_SREG, REG_1);
        data.put_be32(expr::CMP_OP, negated(op));
        put_value(data, expr::CMP_DATA, value);
    });
}

fn range(list: &mut Message, op: Op, from: &[u8], to: &[u8]) {
    named(list, "range", |data| {
        data.put_be32(expr::RANGE_SREG, REG_1);
        data.put_be32(expr::RANGE_OP, negated(op));
        put_value(data, expr::RANGE_FROM, from);
        put_value(data, expr::RANGE_TO, to);
    });
}

/// The kernel's numbers for "equal" and "not equal".
fn negated(op: Op) -> u32 {
    match op {
        Op::Is => 0,
        Op::IsNot => 1,
    }
}

fn immediate(list: &mut Message, register: u32, value: &[u8]) {
    named(list, "immediate", |data| {
        data.put_be32(expr::IMMEDIATE_DREG, register);
        put_value(data, expr::IMMEDIATE_DATA, value);
    });
}

fn put_value(message: &mut Message, kind: u16, value: &[u8]) {
    message.put_nested(kind, |data| {
        data.put(wire::data::VALUE, value);
    });
}

/// In a table of both IP versions the version is asked first, for the headers differ.
fn address_is(list: &mut Message, family: Family, op: Op, prefix: &Prefix, v4: Field, v6: Field) {
    let (version, field, bytes) = match prefix.address() {
        IpAddr::V4(address) => (2u8, v4, address.octets().to_vec()),
        IpAddr::V6(address) => (10u8, v6, address.octets().to_vec()),
    };
    if family == Family::Inet {
        meta_is(list, meta::IP_VERSION, Op::Is, &[version]);
    }
    load(list, field, REG_1);
    if usize::from(prefix.length()) < bytes.len() * 8 {
        let mask: Vec<u8> = (0..bytes.len()).map(|byte| mask_byte(prefix, byte)).collect();
        bitwise(list, &mask);
    }
    compare(list, op, &bytes);
}

fn mask_byte(prefix: &Prefix, byte: usize) -> u8 {
    let bits = usize::from(prefix.length()).saturating_sub(byte * 8).min(8);
    u8::try_from(0xff00usize >> bits & 0xff).unwrap_or(u8::MAX)
}

fn bitwise(list: &mut Message, mask: &[u8]) {
    named(list, "bitwise", |data| {
        data.put_be32(expr::BITWISE_SREG, REG_1);
        data.put_be32(expr::BITWISE_DREG, REG_1);
        data.put_be32(expr::BITWISE_LEN, u32::try_from(mask.len()).unwrap_or(u32::MAX));
        put_value(data, expr::BITWISE_MASK, mask);
        put_value(data, expr::BITWISE_XOR, &vec![0; mask.len()]);
    });
}

fn destination_rewritten(list: &mut Message) {
    named(list, "ct", |data| {
        data.put_be32(expr::CT_KEY, expr::CT_STATUS);
        data.put_be32(expr::CT_DREG, REG_1);
    });
    bitwise(list, &DESTINATION_REWRITTEN.to_ne_bytes());
    compare(list, Op::IsNot, &0u32.to_ne_bytes());
}

/// Loads the parts of a key side by side; one alone into the first register.
fn load_key(list: &mut Message, key: &[KeyPart]) {
    let registers = if key.len() == 1 { REG_1..REG_1 + 1 } else { REG32_00..REG32_00 + 4 };
    for (part, register) in key.iter().zip(registers) {
        match part {
            KeyPart::Ipv4Source => load(list, IPV4_SOURCE, register),
            KeyPart::Ipv4Destination => load(list, IPV4_DESTINATION, register),
            KeyPart::Protocol => load_meta(list, meta::PROTOCOL, register),
            KeyPart::DestinationPort => load(list, DESTINATION_PORT, register),
        }
    }
}

/// What is done with what a set says.
#[derive(Clone, Copy)]
enum Lookup {
    /// It is a condition.
    Member(Op),
    /// Its data goes into this register.
    Into(u32),
}

fn lookup(list: &mut Message, table: &Table, name: &str, what: Lookup) {
    named(list, "lookup", |data| {
        data.put_text(expr::LOOKUP_SET, name);
        data.put_be32(expr::LOOKUP_SREG, REG_1);
        if let Some(index) = table.sets.iter().position(|set| set.name == name) {
            data.put_be32(expr::LOOKUP_SET_ID, set::id(index));
        }
        match what {
            Lookup::Member(op) => {
                data.put_be32(expr::LOOKUP_FLAGS, negated(op));
            }
            Lookup::Into(register) => {
                data.put_be32(expr::LOOKUP_DREG, register);
            }
        }
    });
}

fn dnat(list: &mut Message, to: SocketAddr) {
    let address = match to.ip() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    immediate(list, REG_1, &address);
    let port = REG_1 + 1;
    if to.port() != 0 {
        immediate(list, port, &to.port().to_be_bytes());
    }
    let family = if to.is_ipv4() { 2 } else { 10 };
    nat(list, family, REG_1, (to.port() != 0).then_some(port));
}

fn dnat_random(list: &mut Message, table: &Table, map: &str, count: u32) {
    named(list, "numgen", |data| {
        data.put_be32(expr::NUMGEN_DREG, REG_1);
        data.put_be32(expr::NUMGEN_MODULUS, count);
        data.put_be32(expr::NUMGEN_TYPE, expr::NUMGEN_RANDOM);
    });
    lookup(list, table, map, Lookup::Into(REG_1));
    // The map's data are an address and a port, in two registers of 4 bytes side by side.
    nat(list, 2, REG_1, Some(REG32_00 + 1));
}

fn nat(list: &mut Message, family: u32, address: u32, port: Option<u32>) {
    named(list, "nat", |data| {
        data.put_be32(expr::NAT_TYPE, expr::NAT_DESTINATION);
        data.put_be32(expr::NAT_FAMILY, family);
        data.put_be32(expr::NAT_ADDR_MIN, address);
        if let Some(port) = port {
            data.put_be32(expr::NAT_PROTO_MIN, port);
        }
    });
}

/// The codes for both IP versions are understood in tables of both only.
fn reject(list: &mut Message, family: Family, how: Reject) {
    let (kind, code) = match (how, family) {
        (Reject::TcpReset, _) => (expr::REJECT_TCP_RESET, 0),
        (Reject::PortUnreachable, Family::Inet) => (expr::REJECT_ICMPX, 1),
        (Reject::HostUnreachable, Family::Inet) => (expr::REJECT_ICMPX, 2),
        (Reject::Prohibited, Family::Inet) => (expr::REJECT_ICMPX, 3),
        (Reject::PortUnreachable, Family::Ipv4) => (expr::REJECT_ICMP, 3),
        (Reject::HostUnreachable, Family::Ipv4) => (expr::REJECT_ICMP, 1),
        (Reject::Prohibited, Family::Ipv4) => (expr::REJECT_ICMP, 13),
        (Reject::PortUnreachable, Family::Ipv6) => (expr::REJECT_ICMP, 4),
        (Reject::HostUnreachable, Family::Ipv6) => (expr::REJECT_ICMP, 3),
        (Reject::Prohibited, Family::Ipv6) => (expr::REJECT_ICMP, 1),
    };
    named(list, "reject", |data| {
        data.put_be32(expr::REJECT_TYPE, kind);
        data.put(expr::REJECT_CODE, &[code]);
    });
}

/// A whole name is compared with its final zeros, the start of one without.
fn interface(name: &str) -> Vec<u8> {
    match name.strip_suffix('*') {
        Some(start) => start.as_bytes().to_vec(),
        None => {
            let mut bytes = name.as_bytes().to_vec();
            bytes.resize(INTERFACE_NAME, 0);
            bytes
        }
    }
}
