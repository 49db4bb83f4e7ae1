//! HTTP/2 connections: [`leno_http2`] with a socket, and tasks that wait for its streams.
//!
//! One task drives a connection ([`Link::drive`]): it reads all there is, tells the streams, and writes what they have
//! left in the output at once, so that frames of many streams share a system call and a TLS record. The tasks of streams
//! ([`Stream`]) never touch the socket. All of it lives on one worker: nothing is locked.

mod ask;
mod drive;
mod keepalive;
mod link;
mod stream;

pub(crate) use ask::{Answered, Unanswered, ask};
pub(crate) use drive::Driver;
pub(crate) use link::{Link, Over, Request};
pub(crate) use stream::Stream;
