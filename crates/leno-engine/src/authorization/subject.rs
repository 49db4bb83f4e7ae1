//! What is known of a connection that asks to be let in.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use crate::{
    metadata::{Metadata, MetadataMatcher},
    request::RequestHead,
};

/// A connection that asks to be let in.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Whether it came over TLS.
    pub secure: bool,
    /// The names that the caller proved to have, by which rules know it; empty without a certificate.
    pub names: &'a [Box<str>],
    /// The other end of the connection, which nothing that it says can forge.
    pub direct: SocketAddr,
    /// The caller's address: the other end of the connection, or what the PROXY header there says.
    pub source: SocketAddr,
    /// The caller's address as far as proxies before this one are believed.
    pub remote: SocketAddr,
    /// What it dialled.
    pub destination: SocketAddr,
    /// The name that it asked for in its ClientHello (SNI); empty without one.
    pub server_name: &'a str,
    /// What filters found out about its request; `None` for a connection of bytes.
    pub metadata: Option<&'a Metadata>,
}

impl Subject<'_> {
    /// Whether filters found this out.
    pub(super) fn knows(&self, matcher: &MetadataMatcher) -> bool {
        match self.metadata {
            Some(metadata) => matcher.matches(metadata),
            None => matcher.matches(&Metadata::default()),
        }
    }
}

/// The request of a connection whose payload is bytes: it has nothing that a rule could ask for.
#[derive(Clone, Copy, Debug)]
pub struct NoRequest;

impl RequestHead for NoRequest {
    fn method(&self) -> &'static str {
        ""
    }

    fn target(&self) -> &'static str {
        ""
    }

    fn authority(&self) -> &'static str {
        ""
    }

    fn values<'a>(&'a self, _: &'a str) -> impl Iterator<Item = &'a [u8]> {
        std::iter::empty()
    }

    fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        std::iter::empty()
    }

    fn fields<'a>(&'a self, _: &'a str) -> impl Iterator<Item = &'a [u8]> {
        std::iter::empty()
    }
}

/// A range of addresses, e.g. `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// Why a text or pair is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no range of addresses such as 10.0.0.0/8")]
pub struct CidrError(pub String);

impl Cidr {
    /// The addresses that share the first `prefix` bits with `address`.
    ///
    /// # Errors
    /// When the address has fewer bits.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, CidrError> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if prefix > bits {
            return Err(CidrError(format!("{address}/{prefix}")));
        }
        Ok(Self { address, prefix })
    }

    /// How many bits are shared.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether the range holds the address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(range), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                u32::from(range) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(range), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(range) & mask == u128::from(address) & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let wrong = || CidrError(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address = address.parse().map_err(|_| wrong())?;
        Self::new(address, prefix.parse().map_err(|_| wrong())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_shares_their_prefix() {
        for (range, address, held) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("1.2.3.4/32", "1.2.3.5", false),
            ("::/0", "::1", true),
            ("::/0", "1.2.3.4", false),
            ("fd00::/8", "fd12::1", true),
        ] {
            assert_eq!(range.parse::<Cidr>().unwrap().contains(address.parse().unwrap()), held, "{range} {address}");
        }
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129", ""] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
