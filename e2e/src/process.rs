//! Processes that a test starts outside of a mesh.

use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use crate::wait;

/// A process that ends with the test.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts it and waits until it listens at this port of the loopback.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(command: &mut Command, port: u16) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let running = Self(child.expect("it starts"));
        wait::until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok(), |listens| *listens);
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
