//! A caller's HTTP/2 connection.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use leno_engine::detect::PREFACE;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};

use super::super::current::Current;
use super::exchange;
use crate::{connection::Connection, io::Io};

/// What is in flight unread, at most: per stream.
pub(in crate::http) const STREAM_WINDOW: u32 = 256 * 1024;
/// And of the whole connection. Another sidecar's callers share it: some that nobody reads stop no others.
pub(in crate::http) const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;
/// How much of an answer waits in memory for a slow caller, per stream.
pub(in crate::http) const SEND_BUFFER: usize = 256 * 1024;
/// Streams that the caller reset and that are remembered: more in a moment is an attack ("rapid reset").
pub(in crate::http) const MAX_RESETS: usize = 100;

/// Serves a connection. `first` was read from it already.
pub(in crate::http) async fn run(connection: Rc<Connection>, mut current: Current, io: Io, first: Vec<u8>) {
    let Some(limits) = current.manager().map(|manager| manager.limits) else { return };
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(limits.max_headers_bytes)
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(Some(MAX_RESETS));
    let time = if limits.headers_timeout.is_zero() { Duration::from_secs(60) } else { limits.headers_timeout };
    let until = Instant::now() + time;
    let Some((io, first)) = timeout_at(until, preface(io, first)).await.ok().flatten() else { return };
    let handshake = builder.handshake::<_, bytes::Bytes>(Replayed { first, at: 0, io });
    let mut streams = match timeout_at(until, handshake).await {
        Ok(Ok(streams)) => streams,
        Ok(Err(error)) => {
            return tracing::debug!(peer = %connection.peer, %error, "HTTP/2 handshake failed");
        }
        Err(_) => return tracing::debug!(peer = %connection.peer, "HTTP/2 handshake took too long"),
    };
    let mut drained = connection.worker.drained.clone();
    let mut ending = false;
    loop {
        let accepted = tokio::select! {
            accepted = streams.accept() => accepted,
            // Says GOAWAY; streams under way go on, and `accept` ends when they have ended.
            () = drained.wait(), if !ending => {
                ending = true;
                streams.graceful_shutdown();
                continue;
            }
            () = idle(limits.idle_timeout), if !ending => {
                // Streams under way are not idle: GOAWAY lets them end.
                ending = true;
                streams.graceful_shutdown();
                continue;
            }
        };
        match accepted {
            Some(Ok((request, respond))) => {
                let Some(manager) = current.manager() else { return };
                let (of, manager) = (Rc::clone(&connection), Arc::clone(manager));
                connection.worker.spawn(exchange::run(of, manager, request, respond));
            }
            Some(Err(error)) => {
                tracing::debug!(peer = %connection.peer, %error, "HTTP/2 connection ended");
                return;
            }
            None => return,
        }
    }
}

/// Reads on until the connection preface is there. What begins otherwise is no HTTP/2: closed, `None`.
async fn preface(mut io: Io, mut first: Vec<u8>) -> Option<(Io, Vec<u8>)> {
    while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
        let mut piece = [0; 4096];
        match io.read(&mut piece).await {
            Ok(count @ 1..) => first.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Ok(0) | Err(_) => return None,
        }
    }
    if first.starts_with(PREFACE) {
        return Some((io, first));
    }
    io.close().await;
    None
}

async fn idle(time: Duration) {
    if time.is_zero() {
        std::future::pending().await
    } else {
        tokio::time::sleep(time).await;
    }
}

/// A stream whose first bytes were read already.
struct Replayed {
    first: Vec<u8>,
    at: usize,
    io: Io,
}

impl AsyncRead for Replayed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let rest = this.first.get(this.at..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, out);
        }
        let length = rest.len().min(out.remaining());
        out.put_slice(rest.get(..length).unwrap_or_default());
        this.at += length;
        if this.at == this.first.len() {
            (this.first, this.at) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replayed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
