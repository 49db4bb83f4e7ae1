//! The streams of a connection.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::{Expected, window::Window};

/// What of a stream is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coming {
    /// The head of an answer.
    Head,
    /// The body, and trailers.
    Body,
    /// Nothing.
    Nothing,
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream<T> {
    pub(super) user: T,
    /// Whether something can be sent.
    pub(super) sending: bool,
    /// Whether a head was sent on it.
    pub(super) coming: Coming,
    /// How much can be sent; below 0 when the other side took it back.
    pub(super) send_window: i64,
    pub(super) window: Window,
    /// How much of the body is to come, when its head said so.
    pub(super) left: Option<u64>,
    /// What its answer's head is followed by.
    pub(super) expected: Expected,
    /// Whether it counts as open.
    pub(super) counted: bool,
    /// Whether its user looks at it.
    pub(super) held: bool,
}

impl<T> Stream<T> {
    pub(super) fn new(user: T, send_window: i64, window: Window) -> Self {
        Self {
            user,
            sending: true,
            coming: Coming::Body,
            send_window,
            window,
            left: None,
            expected: Expected::default(),
            counted: true,
            held: true,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        !self.sending && self.coming == Coming::Nothing
    }

    pub(super) fn end(&mut self) {
        self.sending = false;
        self.coming = Coming::Nothing;
    }
}

/// Numbers are spread by one multiplication: who chooses them cannot choose many, and gains nothing.
#[derive(Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Streams by their numbers.
#[derive(Debug)]
pub(super) struct Streams<T>(HashMap<u32, Stream<T>, BuildHasherDefault<Spread>>);

impl<T> Default for Streams<T> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<T> Streams<T> {
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Stream<T>> {
        self.0.get_mut(&id)
    }

    pub(super) fn insert(&mut self, id: u32, stream: Stream<T>) {
        self.0.insert(id, stream);
    }

    pub(super) fn remove(&mut self, id: u32) {
        self.0.remove(&id);
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Stream<T>)> {
        self.0.iter_mut().map(|(id, stream)| (*id, stream))
    }
}
