//! Lengths of time, as Kubernetes writes them: `24h`, `1h30m`, `1.5s`, `500ms` (Go's syntax).

use std::time::Duration;

/// What a length of time looks like, for messages.
pub const EXPECTED: &str = "a length of time such as 24h, 90m, 1h30m or 500ms";

/// The length of time that a text means; `None` when it means none, or one that is negative or too long to hold.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = 0_u128;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let nanoseconds: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.checked_add(scaled(number, nanoseconds)?)?;
        rest = after;
    }
    // Go's limit: 292 years.
    let total = i64::try_from(total).ok()?;
    Some(Duration::from_nanos(total.unsigned_abs()))
}

/// What a length of time of the Gateway API looks like, for messages.
pub const EXPECTED_GATEWAY: &str = "a length of time such as 10s, 1m30s or 500ms";

/// The length of time that a text of the Gateway API means: one to four whole numbers of at most five digits with their
/// units `h`, `m`, `s`, `ms` ([GEP-2257]); `None` when it means none.
///
/// [GEP-2257]: https://gateway-api.sigs.k8s.io/geps/gep-2257/
#[must_use]
pub fn parse_gateway(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (Duration::ZERO, text);
    for _ in 0..4 {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let number: u64 = number.parse().ok().filter(|_| number.len() <= 5)?;
        total += match unit {
            "h" => Duration::from_secs(number * 3600),
            "m" => Duration::from_secs(number * 60),
            "s" => Duration::from_secs(number),
            "ms" => Duration::from_millis(number),
            _ => return None,
        };
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
    None
}

/// A decimal number times a unit.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > 20 || fraction.len() > 20 {
        return None;
    }
    let digits = |text: &str| {
        if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() }
    };
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction = digits(fraction)?.checked_mul(unit)? / scale;
    digits(whole)?.checked_mul(unit)?.checked_add(fraction)
}

/// The length of time as people write it; zero parts left out.
#[must_use]
pub fn shown(duration: Duration) -> String {
    let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 && nanoseconds == 0 {
        return "0s".into();
    }
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let mut out: String = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if nanoseconds > 0 {
        out.push_str(&format!("{nanoseconds}ns"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_the_gateway_api_are_few_whole_numbers() {
        for (text, milliseconds) in [("0s", 0), ("10s", 10_000), ("1h30m", 5_400_000), ("1m2s3ms", 62_003)] {
            assert_eq!(parse_gateway(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "10", "1.5s", "s", "-1s", "100000s", "1s1s1s1s1s", "1us", "1 s"] {
            assert_eq!(parse_gateway(text), None, "{text}");
        }
    }

    #[test]
    fn durations_read_as_go_reads_them() {
        for (text, milliseconds) in [
            ("24h", 86_400_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1500),
            ("500ms", 500),
            ("0", 0),
            (".5s", 500),
            ("+1m", 60_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "24", "1d", "-1h", "h", ".h", "1..5s", "1h30", "99999999999h", "1 h", "+"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(shown(Duration::from_secs(5400)), "1h30m");
        assert_eq!(shown(Duration::ZERO), "0s");
    }
}
