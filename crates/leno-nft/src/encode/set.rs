//! Sets and their elements.

use std::net::SocketAddrV4;

use super::{Batch, put_verdict, wire};
use crate::{
    Element, KeyPart, Set, SetKind, Table,
    netlink::{Message, message::CREATE},
    set::KeyValue,
};

/// How many elements go into one message: its list is one attribute, which ends at 64 KiB.
const CHUNK: usize = 400;

/// Every part of a key, and of a target, takes a register of this size.
const REGISTER: usize = 4;

/// For nft's eyes alone: keys are in the machine's byte order (type 0, length 4, value 1).
const MACHINE_ORDER: [u8; 6] = [0, 4, 1, 0, 0, 0];

/// nft's number for a type of data, so that `nft list` shows elements readably.
mod kind {
    pub(super) const IPV4: u32 = 7;
    pub(super) const PROTOCOL: u32 = 12;
    pub(super) const PORT: u32 = 13;
    /// A mark: the one 4-byte number in the machine's byte order.
    pub(super) const MARK: u32 = 19;
}

/// Makes the set, empty.
pub(super) fn declare(batch: &mut Batch, table: &Table, set: &Set, index: usize) {
    let part = name(table, set);
    batch.put(wire::NEW_SET, CREATE, table.family, part, |message| {
        message.put_text(wire::set::TABLE, &table.name);
        message.put_text(wire::set::NAME, &set.name);
        let (flags, key_type, key_length) = match set.kind {
            SetKind::Set => (0, key_type(set), set.key.len() * REGISTER),
            SetKind::Verdicts => (wire::set::FLAG_MAP, key_type(set), set.key.len() * REGISTER),
            SetKind::Ipv4Targets => (wire::set::FLAG_MAP, kind::MARK, REGISTER),
        };
        message.put_be32(wire::set::FLAGS, flags | wire::set::FLAG_CONSTANT);
        message.put_be32(wire::set::KEY_TYPE, key_type);
        let bytes = single_length(set).unwrap_or(key_length);
        message.put_be32(wire::set::KEY_LENGTH, length(bytes));
        match set.kind {
            SetKind::Set => {}
            SetKind::Verdicts => {
                message.put_be32(wire::set::DATA_TYPE, wire::set::VERDICT);
                message.put_be32(wire::set::DATA_LENGTH, 0);
            }
            SetKind::Ipv4Targets => {
                let data_type = (kind::IPV4 << 6) | kind::PORT;
                message.put_be32(wire::set::DATA_TYPE, data_type);
                message.put_be32(wire::set::DATA_LENGTH, length(2 * REGISTER));
            }
        }
        message.put_be32(wire::set::ID, id(index));
        if set.kind == SetKind::Ipv4Targets {
            message.put(wire::set::USER_DATA, &MACHINE_ORDER);
        }
    });
}

/// Fills the set. After the chains, which its verdicts may name.
pub(super) fn fill(batch: &mut Batch, table: &Table, set: &Set, index: usize) {
    for chunk in set.elements.chunks(CHUNK) {
        let part = format!("elements of {}", name(table, set));
        batch.put(wire::NEW_SET_ELEMENT, CREATE, table.family, part, |message| {
            message.put_text(wire::set::ELEMENT_TABLE, &table.name);
            message.put_text(wire::set::ELEMENT_SET, &set.name);
            message.put_be32(wire::set::ELEMENT_SET_ID, id(index));
            message.put_nested(wire::set::ELEMENTS, |list| {
                for element in chunk {
                    list.put_nested(wire::LIST_ELEMENT, |item| put(item, element));
                }
            });
        });
    }
}

fn put(item: &mut Message, element: &Element) {
    match element {
        Element::Member(values) => put_key(item, values),
        Element::Verdict(values, verdict) => {
            put_key(item, values);
            item.put_nested(wire::set::ELEMENT_DATA, |data| put_verdict(data, verdict));
        }
        Element::Target(index, target) => {
            put_key(item, &[KeyValue::Index(*index)]);
            item.put_nested(wire::set::ELEMENT_DATA, |data| {
                data.put(wire::data::VALUE, &target_bytes(*target));
            });
        }
    }
}

fn put_key(item: &mut Message, values: &[KeyValue]) {
    let mut bytes = Vec::with_capacity(values.len() * REGISTER);
    for value in values {
        match value {
            KeyValue::Ipv4(address) => bytes.extend(address.octets()),
            KeyValue::Protocol(number) => bytes.push(*number),
            KeyValue::Port(port) => bytes.extend(port.to_be_bytes()),
            // Numbers that the kernel makes are in the machine's byte order.
            KeyValue::Index(index) => bytes.extend(index.to_ne_bytes()),
        }
        if values.len() > 1 {
            bytes.resize(bytes.len().next_multiple_of(REGISTER), 0);
        }
    }
    item.put_nested(wire::set::ELEMENT_KEY, |key| {
        key.put(wire::data::VALUE, &bytes);
    });
}

fn target_bytes(target: SocketAddrV4) -> [u8; 2 * REGISTER] {
    let [a, b, c, d] = target.ip().octets();
    let [high, low] = target.port().to_be_bytes();
    [a, b, c, d, high, low, 0, 0]
}

/// A key of one part has just its own bytes; those of several are padded to registers.
fn single_length(set: &Set) -> Option<usize> {
    match set.key.as_slice() {
        [KeyPart::Protocol] => Some(1),
        [KeyPart::DestinationPort] => Some(2),
        _ => None,
    }
}

/// nft's number for the type of the key: 6 bits for each part.
fn key_type(set: &Set) -> u32 {
    set.key.iter().fold(0, |sum, part| {
        let number = match part {
            KeyPart::Ipv4Source | KeyPart::Ipv4Destination => kind::IPV4,
            KeyPart::Protocol => kind::PROTOCOL,
            KeyPart::DestinationPort => kind::PORT,
        };
        (sum << 6) | number
    })
}

fn name(table: &Table, set: &Set) -> String {
    format!("set {} of {}", set.name, super::table_name(table.family, &table.name))
}

/// By which rules of the same batch mean the set.
pub(super) fn id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
