//! The [PROXY protocol], both versions: who called, told before all else on a connection. Bytes in, bytes out.
//!
//! [PROXY protocol]: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt

mod v1;
mod v2;

use std::net::{IpAddr, SocketAddr};

/// The longest header that is read: the longest of version 2.
pub const MAX_LENGTH: usize = 16 + u16::MAX as usize;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// A line of text.
    V1,
    /// Bytes.
    V2,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// In which form.
    pub version: Version,
    /// Who called whom; `None`: whoever sent the header speaks for itself, or does not know.
    pub addresses: Option<Addresses>,
    /// What is told besides, in its order (version 2).
    pub additions: Vec<Addition>,
}

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Addresses {
    /// Who called.
    pub source: SocketAddr,
    /// Whom; of the same family.
    pub destination: SocketAddr,
}

/// Something told besides ("TLV").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// What it is about.
    pub kind: u8,
    /// What it says.
    pub value: Box<[u8]>,
}

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Not enough to tell, or half a header.
    Partial,
    /// No header.
    Absent,
    /// A header of this many bytes.
    Complete(Header, usize),
    /// They begin like a header of this version and are none.
    Broken(Version),
}

/// Reads the first bytes of a connection.
#[must_use]
pub fn read(bytes: &[u8]) -> Read {
    let begins = |signature: &[u8]| {
        let length = bytes.len().min(signature.len());
        bytes.get(..length) == signature.get(..length)
    };
    if begins(v2::SIGNATURE) {
        return if bytes.len() < v2::SIGNATURE.len() { Read::Partial } else { v2::read(bytes) };
    }
    if begins(v1::SIGNATURE) {
        return if bytes.len() < v1::SIGNATURE.len() { Read::Partial } else { v1::read(bytes) };
    }
    Read::Absent
}

/// Writes a header; without addresses it says that who sends it speaks for itself. Version 1 tells no additions, and
/// addresses of two families as unknown ones. Additions beyond what has room are left out.
#[must_use]
pub fn write(version: Version, addresses: Option<Addresses>, additions: &[Addition]) -> Vec<u8> {
    match version {
        Version::V1 => v1::write(addresses),
        Version::V2 => v2::write(addresses, additions),
    }
}

impl Addresses {
    /// Both, if connections have such ends.
    fn checked(self) -> Option<Self> {
        let one = |address: SocketAddr| match address.ip() {
            IpAddr::V4(ip) => !(ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast()),
            IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_multicast()),
        };
        (one(self.source) && one(self.destination)).then_some(self)
    }
}

#[cfg(test)]
mod tests;
