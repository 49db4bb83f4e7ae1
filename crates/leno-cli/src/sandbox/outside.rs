//! The host's network, from inside: the front makes sockets there on request and passes them through a socket pair.
//! A socket stays in the network namespace that it was made in, so what is inside can then connect it as it likes, and
//! the front never waits for anyone.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket},
    sync::Mutex,
    time::timeout,
};

use super::channel::{AsyncChannel, Channel};

/// How long the front may take to make a socket: it is stopped (Ctrl-Z) otherwise.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many connections may wait to be accepted at a port of the host.
const BACKLOG: i32 = 1024;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An unconnected TCP socket of the address's family.
    Tcp,
    /// An unconnected UDP socket of the address's family.
    Udp,
    /// A TCP socket that listens at the address.
    Listen,
}

/// The way to the host's network. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outside {
    asking: Arc<Mutex<Asking>>,
}

#[derive(Debug)]
struct Asking {
    channel: AsyncChannel,
    /// Tells a late answer from the one that is awaited.
    number: u32,
}

impl Outside {
    pub(super) fn new(channel: Channel) -> Self {
        let channel = AsyncChannel::new(channel);
        Self { asking: Arc::new(Mutex::new(Asking { channel, number: 0 })) }
    }

    /// Connects to an address in the host's network. The caller sets a deadline.
    ///
    /// # Errors
    /// Those of `connect(2)`; `BrokenPipe` when the front is gone.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.ask(Kind::Tcp, to).await?;
        socket.set_nonblocking(true)?;
        let socket = TcpSocket::from_std_stream(socket.into());
        socket.connect(to).await
    }

    /// A port of the host.
    ///
    /// # Errors
    /// Those of `bind(2)`; `BrokenPipe` when the front is gone.
    pub async fn listen(&self, at: SocketAddr) -> io::Result<TcpListener> {
        let socket = self.ask(Kind::Listen, at).await?;
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket.into())
    }

    /// A UDP socket in the host's network that talks to this address.
    ///
    /// # Errors
    /// Those of `connect(2)`; `BrokenPipe` when the front is gone.
    pub async fn datagrams(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.ask(Kind::Udp, to).await?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket.into())?;
        socket.connect(to).await?;
        Ok(socket)
    }

    async fn ask(&self, kind: Kind, address: SocketAddr) -> io::Result<Socket> {
        let mut asking = self.asking.lock().await;
        timeout(PATIENCE, asking.ask(kind, address))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the leno process on the host does not answer"))?
    }
}

impl Asking {
    async fn ask(&mut self, kind: Kind, address: SocketAddr) -> io::Result<Socket> {
        self.number = self.number.wrapping_add(1);
        let number = self.number.to_ne_bytes();
        let mut request = number.to_vec();
        request.extend(encode(kind, address));
        self.channel.send(&request).await?;
        loop {
            let answer = self.channel.receive().await?;
            let Some((for_number, code)) = answer.bytes().split_first_chunk::<4>() else {
                continue;
            };
            if *for_number != number {
                continue;
            }
            let code = code.first_chunk::<4>().copied();
            return match (answer.fd, code) {
                (Some(fd), _) => Ok(Socket::from(fd)),
                (None, Some(code)) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(code))),
                (None, None) => Err(io::ErrorKind::InvalidData.into()),
            };
        }
    }
}

/// The front's part: makes sockets until the inside is gone.
pub(super) fn serve(inside: &Channel) {
    while let Ok(Some(request)) = inside.receive() {
        let Some((number, request)) = request.bytes().split_first_chunk::<4>() else {
            return;
        };
        let Some((kind, address)) = decode(request) else {
            return;
        };
        let made = make(kind, address);
        let code = made.as_ref().err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
        let mut answer = number.to_vec();
        answer.extend(code.to_ne_bytes());
        let fd = made.ok();
        if inside.send(&answer, fd.as_ref().map(|fd| fd.as_fd())).is_err() {
            return;
        }
    }
}

fn make(kind: Kind, address: SocketAddr) -> io::Result<OwnedFd> {
    let socket_type = match kind {
        Kind::Tcp | Kind::Listen => Type::STREAM,
        Kind::Udp => Type::DGRAM,
    };
    let socket = Socket::new(Domain::for_address(address), socket_type, None)?;
    if kind == Kind::Listen {
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

fn encode(kind: Kind, address: SocketAddr) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[0] = match kind {
        Kind::Tcp => 0,
        Kind::Udp => 1,
        Kind::Listen => 2,
    };
    bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes[1] = 4;
            bytes[4..8].copy_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            bytes[1] = 6;
            bytes[4..20].copy_from_slice(&ip.octets());
        }
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<(Kind, SocketAddr)> {
    let bytes: [u8; 20] = bytes.try_into().ok()?;
    let kind = match bytes[0] {
        0 => Kind::Tcp,
        1 => Kind::Udp,
        2 => Kind::Listen,
        _ => return None,
    };
    let ip = match bytes[1] {
        4 => IpAddr::V4(Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7])),
        6 => IpAddr::V6(Ipv6Addr::from(*bytes.last_chunk::<16>()?)),
        _ => return None,
    };
    Some((kind, SocketAddr::new(ip, u16::from_be_bytes([bytes[2], bytes[3]]))))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{super::channel::pair, *};

    #[test]
    fn requests_survive_the_way() {
        for address in ["127.0.0.1:80", "[2001:db8::1]:65535"] {
            let address = address.parse().unwrap();
            for kind in [Kind::Tcp, Kind::Udp, Kind::Listen] {
                assert_eq!(decode(&encode(kind, address)), Some((kind, address)));
            }
        }
        assert_eq!(decode(&[9; 20]), None);
        assert_eq!(decode(&[]), None);
    }

    #[tokio::test]
    async fn sockets_come_through_and_so_do_errors() {
        let (front, inside) = pair().unwrap();
        std::thread::spawn(move || serve(&front));
        let outside = Outside::new(inside);
        let listener = outside.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = outside.listen(address).await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        let (client, server) = tokio::join!(outside.connect(address), listener.accept());
        client.unwrap().write_all(b"hello").await.unwrap();
        let mut text = String::new();
        server.unwrap().0.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    }
}
