//! The stream of a connection, whatever carries it: one enum, so that nothing above is generic over it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{client, server};

/// The stream of a connection.
#[derive(Debug)]
pub enum Io {
    /// Plain TCP.
    Plain(Socket),
    /// TLS, accepted.
    Accepted(Box<server::TlsStream<Socket>>),
    /// TLS, dialled.
    Dialed(Box<client::TlsStream<Socket>>),
}

/// How many bytes that a refused caller still sends are read, so that it gets to see the answer.
pub(crate) const LINGER_BYTES: usize = 256 * 1024;

impl Io {
    /// Ends a connection so that the other side sees all that was written: says that no more will come, then reads for a
    /// moment, at most `linger`, what is still under way. Closing at once may reset the connection and lose the answer.
    pub async fn close(mut self, linger: Duration) {
        if self.shutdown().await.is_err() || linger.is_zero() {
            return;
        }
        let rest = async {
            // Not within the future: every connection would have room for it as long as it lives.
            let mut piece = vec![0; 4096];
            let mut read = 0;
            while read <= LINGER_BYTES {
                match self.read(&mut piece).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => read += count,
                }
            }
        };
        drop(tokio::time::timeout(linger, rest).await);
    }
}

/// Reads this long or longer, filled to the brim, mean that more is waiting: read ahead from now on.
const BULK: usize = 4 * 1024;
/// The first size of the read-ahead buffer.
const AHEAD_MIN: usize = 16 * 1024;
/// The largest size of the read-ahead buffer: four records.
const AHEAD_MAX: usize = 64 * 1024;

/// A TCP stream whose first bytes may have been looked at already, and that reads ahead when small reads come up full
/// (rustls asks for 4 KiB at a time, which would be four system calls a record).
#[derive(Debug)]
pub struct Socket {
    /// The connection.
    stream: TcpStream,
    /// Bytes read and not yet taken: `ahead[start..end]`. Empty while the connection is idle.
    ahead: Vec<u8>,
    /// Where they start.
    start: usize,
    /// Where they end.
    end: usize,
    /// How much to read ahead; 0: nothing.
    chunk: usize,
}

impl Socket {
    /// A stream nothing was read from yet.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new(), start: 0, end: 0, chunk: 0 }
    }

    /// The connection itself. Reading from it directly loses what was read ahead.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What was read and not yet taken.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        self.ahead.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads more into the buffer without taking anything; 0 at the end of the stream. Cancelling it loses nothing.
    ///
    /// # Errors
    /// When reading fails, or when `limit` bytes are buffered already.
    pub async fn peek_more(&mut self, limit: usize) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_peek_more(cx, limit)).await
    }

    /// As [`Self::peek_more`].
    ///
    /// # Errors
    /// When reading fails, or when `limit` bytes are buffered already.
    pub fn poll_peek_more(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
        if self.start > 0 {
            self.ahead.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end >= limit {
            return Poll::Ready(Err(io::Error::other("too many bytes to look at")));
        }
        if self.ahead.len() < limit {
            self.ahead.resize(limit, 0);
        }
        self.poll_fill(cx)
    }

    /// Takes bytes that were looked at.
    pub fn skip(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
        if self.start == self.end {
            (self.ahead, self.start, self.end) = (Vec::new(), 0, 0);
        }
    }

    /// Reads once into the free end of the buffer.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let free = self.ahead.get_mut(self.end..).unwrap_or_default();
        let mut buffer = ReadBuf::new(free);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let read = buffer.filled().len();
        self.end += read;
        Poll::Ready(Ok(read))
    }

    /// Moves what was read ahead to the caller, and gives the buffer back once it is empty and traffic is small.
    fn take(&mut self, out: &mut ReadBuf<'_>) {
        let length = out.remaining().min(self.end - self.start);
        out.put_slice(self.ahead.get(self.start..self.start + length).unwrap_or_default());
        self.start += length;
        if self.start == self.end {
            let small = self.end < BULK;
            (self.start, self.end) = (0, 0);
            if small || self.chunk == 0 {
                self.ahead = Vec::new();
                self.chunk = 0;
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.start < this.end {
            this.take(out);
            return Poll::Ready(Ok(()));
        }
        let wanted = out.remaining();
        if this.chunk <= wanted {
            ready!(Pin::new(&mut this.stream).poll_read(cx, out))?;
            if (BULK..AHEAD_MIN).contains(&wanted) && out.remaining() == 0 {
                this.chunk = AHEAD_MIN;
            }
            return Poll::Ready(Ok(()));
        }
        if this.ahead.len() < this.chunk {
            this.ahead = vec![0; this.chunk];
        }
        let read = match this.poll_fill(cx) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                // Nothing is coming: an idle connection holds no buffer.
                this.ahead = Vec::new();
                return Poll::Pending;
            }
        };
        if read == this.chunk && this.chunk < AHEAD_MAX {
            this.chunk *= 2;
        }
        this.take(out);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Io {
    /// The TCP connection underneath.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket.stream(),
            Self::Accepted(tls) => tls.get_ref().0.stream(),
            Self::Dialed(tls) => tls.get_ref().0.stream(),
        }
    }

    /// Whether bytes are protected by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Accepted(_) | Self::Dialed(_) => true,
        }
    }

    /// The protocol that ALPN settled on.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) => None,
            Self::Accepted(tls) => tls.get_ref().1.alpn_protocol(),
            Self::Dialed(tls) => tls.get_ref().1.alpn_protocol(),
        }
    }
}

/// Calls the method of whichever stream it is.
macro_rules! each {
    ($io:expr, $method:ident $(, $argument:expr)*) => {
        match $io.get_mut() {
            Io::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Io::Accepted(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
            Io::Dialed(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, poll_read, cx, out)
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, poll_write, cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, poll_write_vectored, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, poll_shutdown, cx)
    }
}
