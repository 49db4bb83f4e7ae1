//! A DNS server that knows two names: `one.test` is at 127.0.0.1, `two.test` at 127.0.0.1 and 127.0.0.2.

use std::{net::UdpSocket, thread};

/// Starts it; gives its port.
pub(super) fn start() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut bytes = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            if let Some(answer) = answer(&bytes[..length]) {
                socket.send_to(&answer, from).ok();
            }
        }
    });
    port
}

/// The answer to a question ([RFC 1035, 4.1]).
///
/// [RFC 1035, 4.1]: https://www.rfc-editor.org/rfc/rfc1035#section-4.1
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let (kind, end) = (*question.get(at + 1)?, at + 4);
    let addresses: &[[u8; 4]] = match (labels.join(".").as_str(), kind) {
        ("one.test", 1) => &[[127, 0, 0, 1]],
        ("two.test", 1) => &[[127, 0, 0, 1], [127, 0, 0, 2]],
        _ => &[],
    };
    let known = matches!(labels.join(".").as_str(), "one.test" | "two.test");
    let mut out = question.get(..2)?.to_vec();
    // An answer, recursion available; no such name where it is not known.
    out.extend_from_slice(&[0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0]);
    out.push(u8::try_from(addresses.len()).ok()?);
    out.extend_from_slice(&[0, 0, 0, 0]);
    out.extend_from_slice(question.get(12..end)?);
    for address in addresses {
        out.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        out.extend_from_slice(address);
    }
    Some(out)
}
