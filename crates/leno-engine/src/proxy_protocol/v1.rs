//! Version 1: a line of text.

use std::net::{IpAddr, SocketAddr};

use super::{Addresses, Header, Read, Version};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";
/// The longest line, its end included.
const LONGEST: usize = 107;

pub(super) fn read(bytes: &[u8]) -> Read {
    let window = bytes.get(..LONGEST.min(bytes.len())).unwrap_or_default();
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LONGEST { Read::Partial } else { Read::Broken(Version::V1) };
    };
    let line = window.get(..end).and_then(|line| std::str::from_utf8(line).ok());
    match line.ok_or(Wrong).and_then(addresses) {
        Ok(addresses) => {
            let header = Header { version: Version::V1, addresses, additions: Vec::new() };
            Read::Complete(header, end + 2)
        }
        Err(Wrong) => Read::Broken(Version::V1),
    }
}

/// A line is not as it should be.
struct Wrong;

/// The addresses of a line; `None` when it says that they are unknown.
fn addresses(line: &str) -> Result<Option<Addresses>, Wrong> {
    let mut words = line.split(' ').filter(|word| !word.is_empty()).skip(1);
    let mut word = || words.next().ok_or(Wrong);
    let family = word()?;
    if family == "UNKNOWN" {
        // Whatever follows is to be ignored.
        return Ok(None);
    }
    let (source, destination, from, to) = (word()?, word()?, word()?, word()?);
    if word().is_ok() {
        return Err(Wrong);
    }
    let end = |address, port| Some(SocketAddr::new(ip(family, address)?, self::port(port)?));
    let (source, destination) = end(source, from).zip(end(destination, to)).ok_or(Wrong)?;
    Addresses { source, destination }.checked().map(Some).ok_or(Wrong)
}

fn ip(family: &str, text: &str) -> Option<IpAddr> {
    match family {
        "TCP4" => text.parse().ok().map(IpAddr::V4),
        "TCP6" => text.parse().ok().map(IpAddr::V6),
        _ => None,
    }
}

/// Digits and nothing else.
fn port(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

pub(super) fn write(addresses: Option<Addresses>) -> Vec<u8> {
    let line = match addresses {
        Some(Addresses { source, destination }) if source.is_ipv4() == destination.is_ipv4() => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (source.port(), destination.port());
            format!("PROXY {family} {} {} {from} {to}\r\n", source.ip(), destination.ip())
        }
        Some(_) | None => "PROXY UNKNOWN\r\n".to_owned(),
    };
    line.into_bytes()
}
