//! An endpoint that is sent what comes through a tunnel, in bytes: CONNECT ends here ([`ConnectConfig`]).
//!
//! [`ConnectConfig`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction-upgradeconfig-connectconfig

use std::{
    cell::RefCell,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use leno_http2::Head;
use tokio::io::AsyncWrite as _;

use crate::{h2::Over, http_buffer::Buffer, io::Io};

/// A connection to an endpoint.
pub(super) struct Raw(RefCell<State>);

struct State {
    io: Io,
    input: Buffer,
    /// Whether the answer was told.
    answered: bool,
    /// Whether the endpoint says no more.
    ended: bool,
}

impl Raw {
    pub(super) fn new(io: Io) -> Self {
        Self(RefCell::new(State { io, input: Buffer::default(), answered: false, ended: false }))
    }

    /// Whoever is connected has the answer.
    pub(super) fn poll_answer(&self) -> Poll<Result<Head, Over>> {
        let mut state = self.0.borrow_mut();
        match std::mem::replace(&mut state.answered, true) {
            false => Poll::Ready(Ok(Head::answer(200, std::iter::empty()))),
            true => Poll::Ready(Err(Over::Broken)),
        }
    }

    /// What the endpoint says; `None` at its end.
    pub(super) fn poll_data(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Over>> {
        let State { io, input, ended, .. } = &mut *self.0.borrow_mut();
        if *ended {
            return Poll::Ready(Ok(None));
        }
        match ready!(input.poll_read(io, cx)) {
            Ok(1..) => {}
            Ok(0) => *ended = true,
            Err(_) => return Poll::Ready(Err(Over::Broken)),
        }
        let bytes = Bytes::copy_from_slice(input.filled());
        input.consume(bytes.len());
        input.release();
        Poll::Ready(Ok((!bytes.is_empty()).then_some(bytes)))
    }

    /// Whether it said all.
    pub(super) fn is_end(&self) -> bool {
        self.0.borrow().ended
    }

    /// Passes on all of a piece; `end`: nothing follows it.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>, data: &mut Bytes, end: bool) -> Poll<Result<(), Over>> {
        let io = &mut self.0.borrow_mut().io;
        while !data.is_empty() {
            match ready!(Pin::new(&mut *io).poll_write(cx, data)) {
                Ok(count @ 1..) => data.advance(count),
                Ok(0) | Err(_) => return Poll::Ready(Err(Over::Broken)),
            }
        }
        let left = match end {
            true => Pin::new(io).poll_shutdown(cx),
            false => Pin::new(io).poll_flush(cx),
        };
        left.map_err(|_| Over::Broken)
    }
}
