//! Ports for processes that a test starts outside of a mesh.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

/// A port that nobody in this process was given before, below those that the kernel gives to connections: proxies share
/// ports with whoever asks, so that a port taken twice would not be noticed.
///
/// # Panics
/// When none is left.
pub fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port < 32_768, "no port is left");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
