//! Sets and maps: many alternatives looked up at once.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::Verdict;

/// A part of a packet that sets are keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPart {
    /// The IPv4 source address.
    Ipv4Source,
    /// The IPv4 destination address.
    Ipv4Destination,
    /// The transport protocol's number.
    Protocol,
    /// The destination port.
    DestinationPort,
}

/// What a set is keyed by: up to four parts of a packet together. A packet must have them: a rule first tells IPv4 from
/// IPv6, where that matters, and the protocol.
pub type Key = Vec<KeyPart>;

/// What a set says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetKind {
    /// That it is there.
    Set,
    /// Where the packet goes.
    Verdicts,
    /// An IPv4 address and a port. The key is a number, not part of a packet: [`Set::key`] is empty.
    Ipv4Targets,
}

/// A value of a key's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyValue {
    /// An address.
    Ipv4(Ipv4Addr),
    /// A protocol's number.
    Protocol(u8),
    /// A port.
    Port(u16),
    /// The index in a map of targets.
    Index(u32),
}

/// One element of a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// The key is there.
    Member(Vec<KeyValue>),
    /// Where packets with this key go.
    Verdict(Vec<KeyValue>, Verdict),
    /// The target of this index.
    Target(u32, SocketAddrV4),
}

/// A named set or map of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Set {
    /// Its name, at most 31 bytes for old kernels' sake.
    pub name: String,
    /// What it says of a key.
    pub kind: SetKind,
    /// What it is keyed by.
    pub key: Key,
    /// Its elements, each of the set's kind, with a value for each part of the key.
    pub elements: Vec<Element>,
}
