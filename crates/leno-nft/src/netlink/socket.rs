//! The socket: requests out, verdicts in.

use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    io::retry_on_intr,
    net::{
        AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv,
        send, socket_with, sockopt,
    },
};

use super::{Message, message::HEADER};

/// The type of a message that says how a request went.
const NLMSG_ERROR: u16 = 2;
/// The type of the message that ends a list.
const NLMSG_DONE: u16 = 3;
/// How much an answer may have; the kernel's own messages stay well below.
const BUFFER: usize = 64 * 1024;
/// How much the kernel shall take at once, as far as it allows.
const SEND_BUFFER: usize = 4 * 1024 * 1024;

/// A request that the kernel refused.
#[derive(Debug)]
pub struct Refusal {
    /// The sequence number of the request.
    pub sequence: u32,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)
    }
}

/// What takes the messages that the kernel answers with: their type, and their payload after the common header.
pub type Each<'a> = dyn FnMut(u16, &[u8]) + 'a;

/// A netlink socket of the network namespace in which the calling thread was when it was opened.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// The socket for nftables.
    ///
    /// # Errors
    /// When the kernel has no netfilter or no more files may be opened.
    pub fn netfilter() -> io::Result<Self> {
        Self::open(Some(rustix::net::netlink::NETFILTER))
    }

    /// The socket for links, addresses and routes.
    ///
    /// # Errors
    /// When no more files may be opened.
    pub fn route() -> io::Result<Self> {
        // Protocol 0 of netlink.
        Self::open(None)
    }

    fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        bind(&fd, &SocketAddrNetlink::new(0, 0))?;
        // Large rulesets need more than the default; what is not allowed shows as EMSGSIZE later.
        sockopt::set_socket_send_buffer_size(&fd, SEND_BUFFER).ok();
        sockopt::set_socket_send_buffer_size_force(&fd, SEND_BUFFER).ok();
        Ok(Self { fd })
    }

    /// Sends one request, which must carry [`super::message::ACK`], and waits for how it went; what the kernel answers besides is
    /// given to `each` (type and payload).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn request(&self, message: Message, each: &mut Each<'_>) -> io::Result<()> {
        let sequence = message.sequence();
        let bytes = message.finish();
        self.send(&bytes)?;
        self.wait(sequence, each)?.map_or(Ok(()), |refusal| Err(refusal.error))
    }

    /// Sends a batch of finished messages in one go. The message numbered `last` must be the only one with [`super::message::ACK`].
    ///
    /// # Errors
    /// The outer error when the socket fails, the inner one when the kernel refuses a message.
    pub fn batch(&self, bytes: &[u8], last: u32) -> io::Result<Result<(), Refusal>> {
        self.send(bytes)?;
        Ok(self.wait(last, &mut |_, _| {})?.map_or(Ok(()), Err))
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = retry_on_intr(|| send(self.fd.as_fd(), bytes, SendFlags::empty()))?;
        if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Reads until request `sequence` is confirmed or any is refused.
    fn wait(&self, sequence: u32, each: &mut Each<'_>) -> io::Result<Option<Refusal>> {
        let mut buffer = vec![0u8; BUFFER];
        loop {
            let (received, _) = retry_on_intr(|| recv(self.fd.as_fd(), buffer.as_mut_slice(), RecvFlags::empty()))?;
            let mut rest = &buffer[..received];
            while let Some((reply, after)) = split(rest) {
                rest = after;
                match reply.kind {
                    NLMSG_ERROR => match error_code(reply.payload) {
                        0 if reply.sequence == sequence => return Ok(None),
                        0 => {}
                        code => {
                            return Ok(Some(Refusal {
                                sequence: reply.sequence,
                                error: io::Error::from_raw_os_error(-code),
                            }));
                        }
                    },
                    NLMSG_DONE if reply.sequence == sequence => return Ok(None),
                    kind => each(kind, reply.payload),
                }
            }
        }
    }
}

/// A message from the kernel.
struct Reply<'a> {
    kind: u16,
    sequence: u32,
    payload: &'a [u8],
}

/// The first message of `bytes`, and the rest.
fn split(bytes: &[u8]) -> Option<(Reply<'_>, &[u8])> {
    let header = bytes.first_chunk::<HEADER>()?;
    let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let reply = Reply {
        kind: u16::from_ne_bytes([header[4], header[5]]),
        sequence: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
        payload: bytes.get(HEADER..length)?,
    };
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    Some((reply, rest))
}

fn error_code(payload: &[u8]) -> i32 {
    payload.first_chunk::<4>().map_or(-libc::EBADMSG, |code| i32::from_ne_bytes(*code))
}

/// The attributes of `bytes`: type and payload, for reading answers.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        let payload = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, payload))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_split_and_short_ones_end_the_list() {
        let mut bytes = Message::new(2, 0, 9, &0i32.to_ne_bytes()).finish();
        bytes.extend_from_slice(&[1, 2, 3]);
        let (reply, rest) = split(&bytes).unwrap();
        assert_eq!((reply.kind, reply.sequence), (2, 9));
        assert_eq!((error_code(reply.payload), rest), (0, &[1, 2, 3][..]));
        assert!(split(rest).is_none());
    }

    #[test]
    fn attributes_of_an_answer_are_listed() {
        let mut message = Message::new(16, 0, 1, &[]);
        message.put_text(3, "lo").put_u32(4, 1500);
        let bytes = message.finish();
        let found: Vec<_> = attributes(&bytes[HEADER..]).collect();
        assert_eq!(found, [(3, &b"lo\0"[..]), (4, &1500u32.to_ne_bytes()[..])]);
    }
}
