//! Ports for processes that a test starts outside of a mesh.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

/// The ports that are given: below those that the kernel gives to connections.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that nobody in this process was given before: proxies share ports with whoever asks, so that a port taken twice
/// would not be noticed. Where it begins hangs on the process, so that two that run at the same time hardly meet.
///
/// # Panics
/// When none is left.
pub fn free() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 16).unwrap_or_default() * (COUNT / 16);
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        assert!(given < COUNT, "no port is left");
        let port = FIRST + (start + given) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
