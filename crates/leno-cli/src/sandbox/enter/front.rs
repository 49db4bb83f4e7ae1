//! The host side.

use std::{
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixListener,
    },
    sync::OnceLock,
    thread,
};

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use tokio::io::{Interest, unix::AsyncFd};

use crate::sandbox::{channel::Channel, control, outside, signal};

/// The host side.
#[derive(Debug)]
pub struct Front {
    process: Pid,
    /// The same process, by a number that cannot come to mean another.
    handle: OwnedFd,
    /// What serves the inside, until it is started.
    services: Option<Services>,
    ended: OnceLock<u8>,
}

#[derive(Debug)]
struct Services {
    sockets: Channel,
    control: Channel,
    listener: UnixListener,
}

impl Front {
    pub(super) fn new(process: Pid, sockets: Channel, control: Channel, listener: UnixListener) -> io::Result<Self> {
        Ok(Self {
            process,
            handle: pidfd_open(process, PidfdFlags::empty())?,
            services: Some(Services { sockets, control, listener }),
            ended: OnceLock::new(),
        })
    }

    /// Starts to serve what the inside asks of the host (sockets; accepted control connections), in threads of its own.
    /// Starting again does nothing.
    ///
    /// # Errors
    /// When a thread cannot be made.
    pub fn start(&mut self) -> io::Result<()> {
        let Some(services) = self.services.take() else {
            return Ok(());
        };
        let Services { sockets, control, listener } = services;
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        named("leno-outside").spawn(move || outside::serve(&sockets))?;
        named("leno-control").spawn(move || control::serve(&listener, &control))?;
        Ok(())
    }

    /// Asks the runner to stop in order: SIGTERM. Asking again does no harm.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends everything inside at once.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // An error means that it has ended already.
        pidfd_send_signal(&self.handle, signal).ok();
    }

    /// Waits for the end of the inside; the runner's exit code (128 + signal number when a signal ended it).
    /// Cancelling it (`select!`) is fine, and so is waiting again.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn wait(&self) -> io::Result<u8> {
        loop {
            if let Some(code) = self.ended()? {
                return Ok(code);
            }
            // SAFETY: the descriptor is open as long as it is borrowed, and always the same.
            let handle = unsafe { AsyncFd::register_with_interest(self.handle.as_fd(), Interest::READABLE) }?;
            drop(handle.readable().await?);
        }
    }

    fn ended(&self) -> io::Result<Option<u8>> {
        if let Some(code) = self.ended.get() {
            return Ok(Some(*code));
        }
        let Some((_, status)) = waitpid(Some(self.process), WaitOptions::NOHANG)? else {
            return Ok(None);
        };
        let code = u8::try_from(signal::code(status)).unwrap_or(1);
        Ok(Some(*self.ended.get_or_init(|| code)))
    }
}
