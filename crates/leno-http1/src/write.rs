//! New heads, mostly copied from old ones.

use crate::{
    Field,
    field::{list, same},
};

/// Fields that concern one connection only ([RFC 9110, 7.6.1]). `Transfer-Encoding` and `Content-Length` are not among
/// them: the body is passed on as it is framed.
///
/// [RFC 9110, 7.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
#[must_use]
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    match name.len() {
        7 => same(name, "upgrade"),
        10 => same(name, "connection") || same(name, "keep-alive"),
        16 => same(name, "proxy-connection"),
        _ => false,
    }
}

/// The names that `Connection` lists: these fields concern one connection only as well. Those that frame the body are
/// never among them, whatever it says: without them the next server would take the body for another message.
pub fn connection_options<'a>(bytes: &'a [u8], fields: &'a [Field]) -> impl Iterator<Item = &'a [u8]> {
    let connection = fields.iter().filter(|field| same(field.name.of_bytes(bytes), "connection"));
    let options = connection.flat_map(|field| list(field.value.of_bytes(bytes)));
    options.filter(|option| !same(option, "content-length") && !same(option, "transfer-encoding"))
}

/// Copies the fields that `keep` keeps, in blocks. `fields_start` is where the fields begin in `bytes`, `head_end` where
/// the head ends.
pub fn fields(
    out: &mut Vec<u8>,
    bytes: &[u8],
    fields: &[Field],
    head_end: usize,
    mut keep: impl FnMut(&[u8], &[u8]) -> bool,
) {
    // Lines are contiguous: a line ends where the next begins, the last before the empty line.
    let last_end = head_end.saturating_sub(2);
    let mut block: Option<usize> = None;
    for (number, field) in fields.iter().enumerate() {
        if keep(field.name.of_bytes(bytes), field.value.of_bytes(bytes)) {
            block.get_or_insert(field.name.start());
        } else if let Some(start) = block.take() {
            out.extend_from_slice(bytes.get(start..field.name.start()).unwrap_or_default());
        }
        if number + 1 == fields.len()
            && let Some(start) = block.take()
        {
            out.extend_from_slice(bytes.get(start..last_end).unwrap_or_default());
        }
    }
}

/// Writes a request line.
pub fn request_line(out: &mut Vec<u8>, method: &[u8], target: &[u8]) {
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Writes a status line.
pub fn status_line(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    number(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Writes a field.
pub fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes a piece of a body, as a chunk or as it is.
pub fn piece(out: &mut Vec<u8>, data: &[u8], chunked: bool) {
    if chunked {
        out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    }
    out.extend_from_slice(data);
    if chunked {
        out.extend_from_slice(b"\r\n");
    }
}

/// Ends a head.
pub fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Writes a decimal number.
pub fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut written = 0;
    for place in digits.iter_mut().rev() {
        // The remainder is below ten.
        *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        written += 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - written..).unwrap_or_default());
}

/// The usual reason phrase of a status; empty for those without.
#[must_use]
pub fn reason(status: u16) -> &'static [u8] {
    match status {
        100 => b"Continue",
        101 => b"Switching Protocols",
        200 => b"OK",
        204 => b"No Content",
        301 => b"Moved Permanently",
        302 => b"Found",
        303 => b"See Other",
        307 => b"Temporary Redirect",
        308 => b"Permanent Redirect",
        400 => b"Bad Request",
        401 => b"Unauthorized",
        403 => b"Forbidden",
        404 => b"Not Found",
        408 => b"Request Timeout",
        413 => b"Content Too Large",
        426 => b"Upgrade Required",
        429 => b"Too Many Requests",
        431 => b"Request Header Fields Too Large",
        500 => b"Internal Server Error",
        501 => b"Not Implemented",
        502 => b"Bad Gateway",
        503 => b"Service Unavailable",
        504 => b"Gateway Timeout",
        505 => b"HTTP Version Not Supported",
        _ => b"",
    }
}
