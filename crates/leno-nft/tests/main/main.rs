//! Bytes against golden ones, and tables in real network namespaces, as root and as an ordinary user, looked at with the
//! real `nft` where it is installed.

mod golden;
mod kernel;
mod netns;
mod sample;
