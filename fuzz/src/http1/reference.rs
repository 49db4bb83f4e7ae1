//! A second opinion: a careless reader of HTTP/1.1 who takes whatever could be meant. What the proxy passes on must mean
//! the same to him, or a message could be smuggled past the one of them.

use leno_http1::Framing;

/// What the careless reader takes for the framing; `None` when he could take it for several.
pub(super) fn framing(head: &[u8]) -> Option<Framing> {
    let mut found = Vec::new();
    for line in head.split(|byte| matches!(byte, b'\n' | b'\r')).skip(1) {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return None;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let name: Vec<u8> = name.iter().filter(|byte| byte.is_ascii_graphic()).map(u8::to_ascii_lowercase).collect();
        let value = String::from_utf8_lossy(value.get(1..).unwrap_or_default()).to_lowercase();
        match name.as_slice() {
            b"content-length" => found.push(Framing::Length(value.trim().parse().ok()?)),
            b"transfer-encoding" if value.contains("chunked") => found.push(Framing::Chunked),
            b"transfer-encoding" => return None,
            _ => {}
        }
    }
    match found.as_slice() {
        [] => Some(Framing::None),
        [one] => Some(*one),
        _ => None,
    }
}

/// The content of a chunked body and how long the body is; `None` when it does not end.
pub(super) fn chunks(body: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut content = Vec::new();
    let mut at = 0;
    loop {
        let (size, next) = line(body, at)?;
        let digits = String::from_utf8_lossy(size);
        let digits = digits.split(';').next().unwrap_or_default().trim().to_owned();
        let size = usize::from_str_radix(&digits, 16).ok()?;
        at = next;
        if size == 0 {
            break;
        }
        content.extend_from_slice(body.get(at..at.checked_add(size)?)?);
        let (rest, next) = line(body, at + size)?;
        if !rest.is_empty() {
            return None;
        }
        at = next;
    }
    loop {
        let (trailer, next) = line(body, at)?;
        at = next;
        if trailer.is_empty() {
            return Some((content, at));
        }
    }
}

/// The line from a place on, and where the next begins.
fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let line = &rest[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), at + end + 1))
}
