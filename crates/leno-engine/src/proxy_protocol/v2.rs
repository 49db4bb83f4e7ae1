//! Version 2: bytes.
//!
//! ```text
//! signature (12) │ version, command (1) │ family, transport (1) │ length (2) │ addresses │ additions: kind (1), length (2), value
//! ```

use std::net::{IpAddr, SocketAddr};

use super::{Addition, Addresses, Header, Read, Version};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// All before the addresses.
const FIXED: usize = 16;
/// Version 2, "who sends this speaks for itself".
const LOCAL: u8 = 0x20;
/// Version 2, "on behalf of another".
const PROXY: u8 = 0x21;
/// IPv4 over a stream, and IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

pub(super) fn read(bytes: &[u8]) -> Read {
    let Some(&[command, family, high, low]) = bytes.get(12..FIXED) else { return Read::Partial };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if command != LOCAL && command != PROXY {
        return Read::Broken(Version::V2);
    }
    let Some(rest) = bytes.get(FIXED..length) else { return Read::Partial };
    let header = match command {
        LOCAL => Some(Header { version: Version::V2, addresses: None, additions: Vec::new() }),
        _ => told(family, rest),
    };
    header.map_or(Read::Broken(Version::V2), |header| Read::Complete(header, length))
}

/// What is told on behalf of another.
fn told(family: u8, rest: &[u8]) -> Option<Header> {
    let (source, destination, rest) = match family {
        TCP4 => {
            let (source, rest) = rest.split_first_chunk::<4>()?;
            let (destination, rest) = rest.split_first_chunk::<4>()?;
            (IpAddr::from(*source), IpAddr::from(*destination), rest)
        }
        TCP6 => {
            let (source, rest) = rest.split_first_chunk::<16>()?;
            let (destination, rest) = rest.split_first_chunk::<16>()?;
            (IpAddr::from(*source), IpAddr::from(*destination), rest)
        }
        _ => return None,
    };
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let (to, rest) = rest.split_first_chunk::<2>()?;
    let source = SocketAddr::new(source, u16::from_be_bytes(*from));
    let destination = SocketAddr::new(destination, u16::from_be_bytes(*to));
    let addresses = Some(Addresses { source, destination }.checked()?);
    Some(Header { version: Version::V2, addresses, additions: additions(rest)? })
}

/// What is told besides; `None` when it does not end where the header does.
fn additions(mut rest: &[u8]) -> Option<Vec<Addition>> {
    let mut additions = Vec::new();
    while let Some((&kind, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk::<2>()?;
        let (value, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
        additions.push(Addition { kind, value: value.into() });
        rest = after;
    }
    Some(additions)
}

pub(super) fn write(addresses: Option<Addresses>, additions: &[Addition]) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    let Some(Addresses { source, destination }) = addresses else {
        out.extend_from_slice(&[LOCAL, 0, 0, 0]);
        return out;
    };
    let mut rest = Vec::with_capacity(36);
    let family = match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            rest.extend_from_slice(&source.octets());
            rest.extend_from_slice(&destination.octets());
            TCP4
        }
        (source, destination) => {
            let wide = |ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            rest.extend_from_slice(&wide(source));
            rest.extend_from_slice(&wide(destination));
            TCP6
        }
    };
    rest.extend_from_slice(&source.port().to_be_bytes());
    rest.extend_from_slice(&destination.port().to_be_bytes());
    for Addition { kind, value } in additions {
        let Ok(length) = u16::try_from(value.len()) else { continue };
        if rest.len() + 3 + value.len() > usize::from(u16::MAX) {
            break;
        }
        rest.push(*kind);
        rest.extend_from_slice(&length.to_be_bytes());
        rest.extend_from_slice(value);
    }
    out.extend_from_slice(&[PROXY, family]);
    out.extend_from_slice(&u16::try_from(rest.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(&rest);
    out
}
