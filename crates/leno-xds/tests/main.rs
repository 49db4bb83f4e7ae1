//! Client and server against each other, in one process, over loopback TCP.

mod delta;
mod raw;
mod world;
