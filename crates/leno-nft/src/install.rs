//! Tables into the kernel, in the network namespace of the calling thread.

use std::io;

use crate::{
    Error, Family, Table,
    encode::{self, Batch},
    netlink::Socket,
};

/// Puts the table in the place of the one of the same family and name, at once: no packet sees half of it. Connections
/// that are open keep the way that they took.
///
/// # Errors
/// When the kernel refuses a part of it; what was in force before still is.
pub fn replace(table: &Table) -> Result<(), Error> {
    send(&encode::replace(table))
}

/// Takes the table of this family and name away, if there is one.
///
/// # Errors
/// When the kernel refuses.
pub fn delete(family: Family, name: &str) -> Result<(), Error> {
    send(&encode::delete(family, name))
}

fn send(batch: &Batch) -> Result<(), Error> {
    let socket = Socket::netfilter().map_err(Error::Socket)?;
    match socket.batch(batch.bytes(), batch.last()) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(refusal)) => {
            Err(Error::Refused { part: batch.part(refusal.sequence).to_owned(), source: refusal.error })
        }
        Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
            Err(Error::TooLarge { bytes: batch.bytes().len() })
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Error::Refused { part: batch.part(0).to_owned(), source: error })
        }
        Err(error) => Err(Error::Socket(error)),
    }
}
