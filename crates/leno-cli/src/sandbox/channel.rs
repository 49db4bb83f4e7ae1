//! Messages with file descriptors, over a pair of sockets that keeps messages apart.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::retry_on_intr,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    },
};
use tokio::{io::unix::AsyncFd, sync::OnceCell};

/// No message is longer.
pub(super) const MESSAGE: usize = 64;

/// One end.
#[derive(Debug)]
pub(super) struct Channel {
    fd: OwnedFd,
}

/// A message.
#[derive(Debug)]
pub(super) struct Received {
    bytes: [u8; MESSAGE],
    length: usize,
    /// The descriptor that came with it.
    pub(super) fd: Option<OwnedFd>,
}

impl Received {
    /// What it says.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Both ends. Closed in programs that are executed.
pub(super) fn pair() -> io::Result<(Channel, Channel)> {
    let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Channel { fd: one }, Channel { fd: other }))
}

impl Channel {
    /// Sends a message; waits while the other side is behind.
    pub(super) fn send(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        Ok(retry_on_intr(|| send(self.fd.as_fd(), bytes, fd, SendFlags::NOSIGNAL))?)
    }

    /// Waits for a message; `None` when the other side is gone.
    pub(super) fn receive(&self) -> io::Result<Option<Received>> {
        Ok(retry_on_intr(|| receive(self.fd.as_fd(), RecvFlags::CMSG_CLOEXEC))?)
    }

    /// Whether the other side is gone.
    pub(super) fn is_closed(&self) -> bool {
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        matches!(receive(self.fd.as_fd(), flags), Ok(None))
    }
}

/// One end, in a runtime.
#[derive(Debug)]
pub(super) struct AsyncChannel {
    channel: Channel,
    /// Made on first use, for the channel is older than the runtime.
    registered: OnceCell<AsyncFd<OwnedFd>>,
}

impl AsyncChannel {
    /// To be used in a runtime later.
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel, registered: OnceCell::new() }
    }

    async fn fd(&self) -> io::Result<&AsyncFd<OwnedFd>> {
        self.registered
            .get_or_try_init(|| async {
                let fd = self.channel.fd.try_clone()?;
                // SAFETY: the descriptor is owned, and always the same.
                Ok(unsafe { AsyncFd::register(fd) }?)
            })
            .await
    }

    /// Sends a message.
    pub(super) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            let mut ready = self.fd().await?.writable().await?;
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            let sent = ready.try_io(|fd| Ok(send(fd.as_fd(), bytes, None, flags)?));
            if let Ok(sent) = sent {
                return sent;
            }
        }
    }

    /// Waits for a message.
    ///
    /// # Errors
    /// `BrokenPipe` when the other side is gone.
    pub(super) async fn receive(&self) -> io::Result<Received> {
        loop {
            let mut ready = self.fd().await?.readable().await?;
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
            if let Ok(received) = ready.try_io(|fd| Ok(receive(fd.as_fd(), flags)?)) {
                return received?.ok_or_else(|| io::ErrorKind::BrokenPipe.into());
            }
        }
    }
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], fd: Option<BorrowedFd<'_>>, flags: SendFlags) -> rustix::io::Result<()> {
    let fds = fd.map(|fd| [fd]);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if let Some(fds) = &fds {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags)?;
    Ok(())
}

fn receive(socket: BorrowedFd<'_>, flags: RecvFlags) -> rustix::io::Result<Option<Received>> {
    let mut bytes = [0; MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
    if message.bytes == 0 {
        return Ok(None);
    }
    let fd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok(Some(Received { bytes, length: message.bytes, fd }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_carry_descriptors_and_the_end_is_noticed() {
        let (front, inside) = pair().unwrap();
        assert!(!inside.is_closed());
        let file = std::fs::File::open("/dev/null").unwrap();
        front.send(b"one", Some(file.as_fd())).unwrap();
        front.send(b"two", None).unwrap();
        let inside = AsyncChannel::new(inside);
        let first = inside.receive().await.unwrap();
        assert_eq!((first.bytes(), first.fd.is_some()), (&b"one"[..], true));
        let second = inside.receive().await.unwrap();
        assert_eq!((second.bytes(), second.fd.is_none()), (&b"two"[..], true));
        drop(front);
        assert_eq!(inside.receive().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(inside.send(b"three").await.is_err());
    }
}
