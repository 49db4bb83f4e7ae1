//! Which bytes may stand where.

/// A field's name: a token in lower case.
pub(super) fn name(name: &[u8]) -> Result<(), &'static str> {
    let legal = !name.is_empty() && name.iter().all(|byte| CLASS.get(usize::from(*byte)) == Some(&true));
    if legal { Ok(()) } else { Err("a field's name that is no token in lower case") }
}

/// Bytes of names of fields.
static CLASS: [bool; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn classes() -> [bool; 256] {
    let mut legal = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        legal[byte] = is_token(byte as u8) && !(byte as u8).is_ascii_uppercase();
        byte += 1;
    }
    legal
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// A field's value: no control characters but tabs.
pub(super) fn value(value: &[u8]) -> Result<(), &'static str> {
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err("a field's value that is not legal");
    }
    Ok(())
}

/// A token.
pub(super) fn token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token(*byte))
}

pub(super) fn scheme(text: &[u8]) -> bool {
    let of = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.first().is_some_and(u8::is_ascii_alphabetic) && text.iter().all(of)
}

/// A host with or without a port; user information may not be in it.
pub(super) fn authority(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'@' | b'/' | b'?' | b'#' | b'\\' | b'<' | b'>' | b'"'))
}

/// A path with its query, without a fragment.
pub(super) fn path(text: &[u8]) -> bool {
    let visible = text.iter().all(|byte| *byte > b' ' && *byte != 0x7f && *byte != b'#');
    !text.is_empty() && visible && std::str::from_utf8(text).is_ok()
}

/// Three digits, and none of those that HTTP/2 has no use for.
pub(super) fn status(text: &[u8]) -> Option<u16> {
    let [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = text else { return None };
    let digit = |byte: &u8| u16::from(byte - b'0');
    Some(digit(a) * 100 + digit(b) * 10 + digit(c)).filter(|status| *status != 101)
}

/// Digits alone.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}
