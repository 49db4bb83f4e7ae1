//! Ranges of addresses: `10.0.0.0/8`, `fd00::/8`.

use std::net::IpAddr;

/// What a range looks like, for messages.
pub const EXPECTED: &str = "a range of addresses such as 10.0.0.0/8";

/// The range that a text means, its address cut to the range's start; `None` when it means none.
#[must_use]
pub fn parse(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    if length.is_empty() || length.len() > 3 || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length: u8 = length.parse().ok()?;
    let start = match address {
        IpAddr::V4(address) if length <= 32 => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) if length <= 128 => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
        IpAddr::V4(_) | IpAddr::V6(_) => return None,
    };
    Some((start, length))
}

/// Whether a range is a part of another one.
#[must_use]
pub fn within((start, length): (IpAddr, u8), (whole, shared): (IpAddr, u8)) -> bool {
    start.is_ipv4() == whole.is_ipv4()
        && length >= shared
        && parse(&format!("{start}/{shared}")).is_some_and(|(cut, _)| cut == whole)
}

/// The range in its plain form: `10.1.2.3/8` is `10.0.0.0/8`.
#[must_use]
pub fn normal(text: &str) -> Option<String> {
    parse(text).map(|(start, length)| format!("{start}/{length}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_may_be_within_another() {
        let within = |part, whole| within(parse(part).unwrap(), parse(whole).unwrap());
        assert!(within("10.1.0.0/16", "10.0.0.0/8") && within("10.0.0.0/8", "10.0.0.0/8"));
        assert!(!within("10.0.0.0/8", "10.1.0.0/16") && !within("11.0.0.0/16", "10.0.0.0/8"));
        assert!(!within("::/64", "0.0.0.0/0"));
    }

    #[test]
    fn ranges_are_cut_to_their_start() {
        assert_eq!(normal("10.1.2.3/8").unwrap(), "10.0.0.0/8");
        assert_eq!(normal("0.0.0.0/0").unwrap(), "0.0.0.0/0");
        assert_eq!(normal("10.1.2.3/32").unwrap(), "10.1.2.3/32");
        assert_eq!(normal("fd00::1/8").unwrap(), "fd00::/8");
        assert_eq!(normal("::/0").unwrap(), "::/0");
        for text in ["", "10.0.0.1", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "::/129", "a/8"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
