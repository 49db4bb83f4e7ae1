//! What rules are made of: conditions, which a packet meets or not, and actions.

use std::net::{IpAddr, SocketAddr};

use crate::{Key, Prefix};

/// Whether a condition wants a thing to be so or not to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// It is.
    Is,
    /// It is not.
    IsNot,
}

/// Transport protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// Its IP protocol number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

/// Where a packet goes next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// On its way; no further rule of this hook's chain is asked.
    Accept,
    /// Nowhere.
    Drop,
    /// Back to the calling chain, or to the base chain's policy.
    Return,
    /// Through that chain, then back.
    Jump(String),
    /// Through that chain, not back.
    Goto(String),
}

/// What the sender of a refused packet is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// A TCP reset. Only for TCP.
    TcpReset,
    /// ICMP (or ICMPv6): nothing listens at that port.
    PortUnreachable,
    /// ICMP (or ICMPv6): there is no such host.
    HostUnreachable,
    /// ICMP (or ICMPv6): forbidden by an administrator.
    Prohibited,
}

/// One part of a rule. Conditions and actions are taken in order; the first condition that is not met ends the rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// The packet's mark.
    Mark(Op, u32),
    /// The interface that it came in by; a name that ends with `*` means all that start so.
    InputInterface(Op, String),
    /// The interface that it goes out by; a name that ends with `*` means all that start so.
    OutputInterface(Op, String),
    /// The user that owns the socket (output only).
    SocketUser(Op, u32),
    /// The transport protocol.
    Protocol(Op, Transport),
    /// The source address. A packet of the other IP version never meets it.
    Source(Op, Prefix),
    /// The destination address. A packet of the other IP version never meets it.
    Destination(Op, Prefix),
    /// The destination port; after a [`Expr::Protocol`].
    DestinationPort(Op, u16),
    /// The destination port lies in this range, both ends included; after a [`Expr::Protocol`].
    DestinationPorts(Op, u16, u16),
    /// The connection's destination was rewritten.
    IsDestinationRewritten,
    /// The key is in the set of this name.
    InSet(Op, Key, String),
    /// Where to go is what the verdict map of this name says of the key; nothing when the key is not in it.
    VerdictMap(Key, String),
    /// Counts packets and bytes.
    Counter,
    /// Sets the packet's mark.
    SetMark(u32),
    /// Where the packet goes.
    Verdict(Verdict),
    /// The connection goes to this port of this machine (nat chains).
    Redirect(u16),
    /// The connection goes to this address and port (nat chains); port 0 keeps the port.
    Dnat(SocketAddr),
    /// The connection goes to one of the first `count` IPv4 addresses and ports of the address map of this name,
    /// chosen at random with equal chances (nat chains). The map's keys are 0 to `count - 1`.
    DnatRandom {
        /// The map's name; its kind is [`crate::SetKind::Ipv4Targets`].
        map: String,
        /// How many targets there are; not 0.
        count: u32,
    },
    /// The connection's source becomes this machine's address on the outgoing interface (postrouting nat chains).
    Masquerade,
    /// The packet is refused, and its sender told.
    Reject(Reject),
}

impl Expr {
    /// TCP packets.
    #[must_use]
    pub fn tcp() -> Self {
        Self::Protocol(Op::Is, Transport::Tcp)
    }

    /// UDP packets.
    #[must_use]
    pub fn udp() -> Self {
        Self::Protocol(Op::Is, Transport::Udp)
    }

    /// Accepts the packet.
    #[must_use]
    pub fn accept() -> Self {
        Self::Verdict(Verdict::Accept)
    }

    /// Packets to this one address.
    #[must_use]
    pub fn to(address: impl Into<IpAddr>) -> Self {
        Self::Destination(Op::Is, Prefix::host(address.into()))
    }
}
