//! What plain scalars mean: YAML 1.1, as the YAML reader of `kubectl` (go-yaml v2) takes it.

use crate::Content;

/// What a scalar written without quotes means.
#[must_use]
pub fn resolve(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            return Content::Bool(true, text.to_owned());
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            return Content::Bool(false, text.to_owned());
        }
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Content::String(text.to_owned());
    }
    if let Some(value) = integer(text) {
        return Content::Int(value, text.to_owned());
    }
    match float(text) {
        Some(value) => Content::Float(value, text.to_owned()),
        None => Content::String(text.to_owned()),
    }
}

/// A whole number: decimal, `0x`, `0b`, `0o`, or octal by a leading `0`; `_` may stand between digits.
fn integer(text: &str) -> Option<i128> {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let radix = |prefix: &str, radix| lower.strip_prefix(prefix).map(|digits| (digits.to_owned(), radix));
    let (digits, radix) = radix("0x", 16)
        .or_else(|| radix("0b", 2))
        .or_else(|| radix("0o", 8))
        .or_else(|| radix("0", 8).filter(|(digits, _)| !digits.is_empty()))
        .unwrap_or((lower.clone(), 10));
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    // 64 bits are all that JSON readers take; a longer row of digits is read as a float.
    let value = i128::from(u64::from_str_radix(&digits, radix).ok()?);
    Some(if negative { -value } else { value })
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`; infinity and not-a-number have no place in JSON and stay text.
fn float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|text| text.strip_prefix(['-', '+']).unwrap_or(text));
    let sound = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|text| !text.is_empty() && digits(text));
    if !sound {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_kubectl_takes_them_for() {
        let int = |text: &str, value| (text.to_owned(), Content::Int(value, text.into()));
        for (text, content) in [
            int("5", 5),
            int("-5", -5),
            int("0x1F", 31),
            int("0755", 493),
            int("0o17", 15),
            int("1_000", 1000),
            int("0", 0),
            ("1.5".into(), Content::Float(1.5, "1.5".into())),
            ("1e3".into(), Content::Float(1000.0, "1e3".into())),
            (".5".into(), Content::Float(0.5, ".5".into())),
            ("off".into(), Content::Bool(false, "off".into())),
            ("~".into(), Content::Null),
        ] {
            assert_eq!(resolve(&text), content, "{text}");
        }
        for text in ["1.2.3", "10.0.0.1", "24h", "-", "+", ".", "1e", "0x", "0b2", "true1", "-a", "089x", ".inf", "10m"]
        {
            assert_eq!(resolve(text), Content::String(text.into()), "{text}");
        }
    }
}
