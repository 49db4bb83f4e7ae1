//! Links, addresses and routes by rtnetlink, in the network namespace of the calling thread.
//!
//! <https://man7.org/linux/man-pages/man7/rtnetlink.7.html>

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use leno_nft::netlink::{
    Message, Socket,
    message::{ACK, CREATE, EXCLUSIVE},
};

/// The loopback interface's index in every namespace.
pub(in crate::sandbox) const LOOPBACK: u32 = 1;

const UP: u32 = 1;
const IPV4: u8 = 2;

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;

const LINK_HARDWARE_ADDRESS: u16 = 1;
const LINK_NAME: u16 = 3;
const LINK_MASTER: u16 = 10;
const LINK_INFO: u16 = 18;
const LINK_NAMESPACE: u16 = 28;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;

const ADDRESS: u16 = 1;
const ADDRESS_LOCAL: u16 = 2;

const ROUTE_DESTINATION: u16 = 1;
const ROUTE_LINK: u16 = 4;
const ROUTE_GATEWAY: u16 = 5;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_STATIC: u8 = 4;
const SCOPE_ANYWHERE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const UNICAST: u8 = 1;

/// A socket to set links up with.
#[derive(Debug)]
pub(in crate::sandbox) struct Links {
    socket: Socket,
}

/// A pair of connected links: one in this namespace, one in another.
#[derive(Debug)]
pub(in crate::sandbox) struct Veth<'a> {
    pub(in crate::sandbox) name: &'a str,
    pub(in crate::sandbox) index: u32,
    /// The bridge that the near end is plugged into.
    pub(in crate::sandbox) bridge: u32,
    pub(in crate::sandbox) peer_name: &'a str,
    pub(in crate::sandbox) peer_index: u32,
    pub(in crate::sandbox) peer_namespace: BorrowedFd<'a>,
}

/// The bridge's own hardware address. Without one it takes the lowest of its ports', and changes it when that port goes:
/// every other pod would then send to an address that nobody has, until its neighbour table forgets it.
const BRIDGE_HARDWARE_ADDRESS: [u8; 6] = [0x02, b'l', b'e', b'n', b'o', 0];

impl Links {
    pub(in crate::sandbox) fn open() -> io::Result<Self> {
        Ok(Self { socket: Socket::route()? })
    }

    fn request(&self, message: Message) -> io::Result<()> {
        self.socket.request(message, &mut |_, _| {})
    }

    pub(in crate::sandbox) fn set_up(&self, index: u32) -> io::Result<()> {
        self.request(Message::new(NEW_LINK, ACK, 1, &link_header(index, UP)))
    }

    /// Makes a bridge, up.
    pub(in crate::sandbox) fn add_bridge(&self, name: &str, index: u32) -> io::Result<()> {
        let mut message = new(NEW_LINK, &link_header(index, UP));
        message.put(LINK_HARDWARE_ADDRESS, &BRIDGE_HARDWARE_ADDRESS);
        message.put_text(LINK_NAME, name);
        message.put_nested(LINK_INFO, |info| {
            info.put_text(INFO_KIND, "bridge");
        });
        self.request(message)
    }

    /// Makes a pair, the near end up.
    pub(in crate::sandbox) fn add_veth(&self, veth: &Veth<'_>) -> io::Result<()> {
        let mut message = new(NEW_LINK, &link_header(veth.index, UP));
        message.put_text(LINK_NAME, veth.name);
        message.put_u32(LINK_MASTER, veth.bridge);
        let namespace = veth.peer_namespace.as_raw_fd().cast_unsigned();
        message.put_nested(LINK_INFO, |info| {
            info.put_text(INFO_KIND, "veth");
            info.put_nested(INFO_DATA, |data| {
                data.put_nested(VETH_PEER, |peer| {
                    peer.put_raw(&link_header(veth.peer_index, 0));
                    peer.put_text(LINK_NAME, veth.peer_name);
                    peer.put_u32(LINK_NAMESPACE, namespace);
                });
            });
        });
        self.request(message)
    }

    /// Takes a link away, and with it its other end. None being there is fine.
    pub(in crate::sandbox) fn delete(&self, index: u32) -> io::Result<()> {
        let message = Message::new(DELETE_LINK, ACK, 1, &link_header(index, 0));
        match self.request(message) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            other => other,
        }
    }

    pub(in crate::sandbox) fn add_address(&self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let [a, b, c, d] = index.to_ne_bytes();
        let mut message = new(NEW_ADDRESS, &[IPV4, prefix, 0, SCOPE_ANYWHERE, a, b, c, d]);
        message.put(ADDRESS_LOCAL, &address.octets());
        message.put(ADDRESS, &address.octets());
        self.request(message)
    }

    /// What has these addresses is directly at that link.
    pub(in crate::sandbox) fn add_link_route(&self, index: u32, destination: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let mut message = new(NEW_ROUTE, &route_header(prefix, SCOPE_LINK));
        message.put(ROUTE_DESTINATION, &destination.octets());
        message.put_u32(ROUTE_LINK, index);
        self.request(message)
    }

    /// Everything else goes through that gateway.
    pub(in crate::sandbox) fn add_default_route(&self, index: u32, gateway: Ipv4Addr) -> io::Result<()> {
        let mut message = new(NEW_ROUTE, &route_header(0, SCOPE_ANYWHERE));
        message.put(ROUTE_GATEWAY, &gateway.octets());
        message.put_u32(ROUTE_LINK, index);
        self.request(message)
    }
}

fn new(kind: u16, header: &[u8]) -> Message {
    Message::new(kind, ACK | CREATE | EXCLUSIVE, 1, header)
}

/// `struct ifinfomsg`: these flags are set, the others stay. Index 0: the kernel chooses one.
fn link_header(index: u32, flags: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&flags.to_ne_bytes());
    header
}

/// `struct rtmsg`.
fn route_header(prefix: u8, scope: u8) -> [u8; 12] {
    [IPV4, prefix, 0, 0, TABLE_MAIN, PROTOCOL_STATIC, scope, UNICAST, 0, 0, 0, 0]
}
