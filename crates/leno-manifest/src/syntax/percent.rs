//! Parts of a hundred: `5`, `"0.1"`.

use crate::meta::IntOrString;

/// What a part of a hundred looks like, for messages.
pub const EXPECTED: &str = "0 to 100, at most four digits after the point, in quotes if there is one";

/// The millionths that it means: `"0.1"` is 1000. `None` when it means none.
#[must_use]
pub fn parse(value: &IntOrString) -> Option<u32> {
    let text = match value {
        IntOrString::Int(number) => return u32::try_from(*number).ok().filter(|it| *it <= 100).map(|it| it * 10_000),
        IntOrString::String(text) => text.strip_suffix('%').unwrap_or(text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || fraction.len() > 4 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let millionths = whole.parse::<u32>().ok()? * 10_000 + format!("{fraction:0<4}").parse::<u32>().ok()?;
    Some(millionths).filter(|it| *it <= 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_hundred_are_read_exactly() {
        for (text, millionths) in [("0", 0), ("5", 50_000), ("0.1", 1_000), ("99.9999", 999_999), ("100%", 1_000_000)] {
            assert_eq!(parse(&IntOrString::String(text.into())), Some(millionths), "{text}");
        }
        for text in ["", ".5", "101", "100.1", "-1", "1e1", "0.00001", "+1", "%"] {
            assert_eq!(parse(&IntOrString::String(text.into())), None, "{text}");
        }
        assert_eq!(parse(&IntOrString::Int(50)), Some(500_000));
        assert_eq!(parse(&IntOrString::Int(-1)), None);
        assert_eq!(parse(&IntOrString::Int(101)), None);
    }
}
