//! Processes that a test starts outside of a mesh.

use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::wait;

/// Raises this process's limit of open files to the most that it may have. A login has 1,024 of them, and a test that
/// plays many backends needs more.
///
/// # Panics
/// When the system does not let it.
pub fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("it is below the most");
}

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
