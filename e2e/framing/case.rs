//! The cases: each ends with a second request, so that it shows where the first one is thought to end.

/// Bytes that are sent on one connection.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What is odd about them.
    pub(crate) name: &'static str,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Case {
    /// The bytes, to be read by people.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The request after the odd one; its method is told apart from all others.
const AFTER: &str = "DELETE /after HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// A POST with these header lines and this body.
fn post(name: &'static str, lines: &str, body: &str) -> Case {
    raw(name, &format!("POST /odd HTTP/1.1\r\nHost: x\r\n{lines}\r\n{body}"))
}

fn raw(name: &'static str, text: &str) -> Case {
    Case { name, bytes: format!("{text}{AFTER}").into_bytes() }
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut all = legal();
    all.extend(lengths());
    all.extend(codings());
    all.extend(chunks());
    all.extend(heads());
    all
}

/// Nothing odd: everybody reads them alike.
fn legal() -> Vec<Case> {
    vec![
        post("a length", "Content-Length: 3\r\n", "abc"),
        post("no body", "", ""),
        post("an empty body", "Content-Length: 0\r\n", ""),
        post("chunks", CHUNKED, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
        post("no chunks", CHUNKED, "0\r\n\r\n"),
        post("large digits", CHUNKED, "A\r\n0123456789\r\n0\r\n\r\n"),
        post("trailers", CHUNKED, "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"),
        post("a coding in capitals", "TRANSFER-ENCODING: CHUNKED\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        raw("a body of a GET", "GET /odd HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        raw("an absolute target", "POST http://x/odd HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        raw("line ends before the request", "\r\nPOST /odd HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        post("no space after the colon", "Content-Length:3\r\n", "abc"),
        post("spaces around a length", "Content-Length:   3  \r\n", "abc"),
    ]
}

fn lengths() -> Vec<Case> {
    vec![
        post("two equal lengths", "Content-Length: 3\r\nContent-Length: 3\r\n", "abc"),
        post("two lengths", "Content-Length: 3\r\nContent-Length: 5\r\n", "abcde"),
        post("two lengths, the longer first", "Content-Length: 5\r\nContent-Length: 3\r\n", "abcde"),
        post("two equal lengths in a list", "Content-Length: 3, 3\r\n", "abc"),
        post("two lengths in a list", "Content-Length: 3, 5\r\n", "abcde"),
        post("a signed length", "Content-Length: +3\r\n", "abc"),
        post("a negative length", "Content-Length: -3\r\n", "abc"),
        post("a length with zeros", "Content-Length: 003\r\n", "abc"),
        post("a hexadecimal length", "Content-Length: 0x3\r\n", "abc"),
        post("a length with an end", "Content-Length: 3;a\r\n", "abc"),
        post("a length of two parts", "Content-Length: 3 3\r\n", "abc"),
        post("a length with a fraction", "Content-Length: 3.0\r\n", "abc"),
        post("an empty length", "Content-Length:\r\n", ""),
        post("a length beyond all", "Content-Length: 99999999999999999999\r\n", "abc"),
        post("a length that overflows to three", "Content-Length: 18446744073709551619\r\n", "abc"),
        post("a space before the colon", "Content-Length : 3\r\n", "abc"),
        post("a tab before the colon", "Content-Length\t: 3\r\n", "abc"),
        post("a space before the name", " Content-Length: 3\r\n", "abc"),
        post("a folded length", "Content-Length:\r\n 3\r\n", "abc"),
        post("a length that the connection takes away", "Connection: content-length\r\nContent-Length: 3\r\n", "abc"),
        post("a length with an underscore", "Content_Length: 3\r\n", ""),
        post("a length with a vertical tab", "Content-Length:\x0b3\r\n", "abc"),
    ]
}

fn codings() -> Vec<Case> {
    let body = "3\r\nabc\r\n0\r\n\r\n";
    vec![
        post("a length and chunks", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", body),
        post("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 13\r\n", body),
        post("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", body),
        post("chunked twice in a list", "Transfer-Encoding: chunked, chunked\r\n", body),
        post("another coding before", "Transfer-Encoding: gzip, chunked\r\n", body),
        post("another coding after", "Transfer-Encoding: chunked, gzip\r\n", body),
        post("identity and chunked", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", body),
        post("identity", "Transfer-Encoding: identity\r\nContent-Length: 3\r\n", "abc"),
        post("an unknown coding", "Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n", "abc"),
        post("a coding with a tab", "Transfer-Encoding:\tchunked\r\n", body),
        post("a coding with a vertical tab", "Transfer-Encoding: \x0bchunked\r\nContent-Length: 3\r\n", "abc"),
        post("a coding in quotes", "Transfer-Encoding: \"chunked\"\r\nContent-Length: 3\r\n", "abc"),
        post("a coding with a comma before", "Transfer-Encoding: ,chunked\r\n", body),
        post("a coding with a comma after", "Transfer-Encoding: chunked,\r\n", body),
        post("a coding with a parameter", "Transfer-Encoding: chunked;q=1\r\n", body),
        post("a space before the colon of a coding", "Transfer-Encoding : chunked\r\nContent-Length: 3\r\n", "abc"),
        post("a folded coding", "Transfer-Encoding:\r\n chunked\r\nContent-Length: 3\r\n", "abc"),
        post("an empty coding", "Transfer-Encoding:\r\nContent-Length: 3\r\n", "abc"),
        post(
            "a coding that the connection takes away",
            "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
            body,
        ),
        raw(
            "chunks over HTTP/1.0",
            &format!("POST /odd HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}"),
        ),
    ]
}

fn chunks() -> Vec<Case> {
    let chunked = |name, body| post(name, CHUNKED, body);
    vec![
        chunked("a chunk extension", "3;a=b\r\nabc\r\n0\r\n\r\n"),
        chunked("a chunk extension with a line end in quotes", "3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n"),
        chunked("a chunk extension with a bare line end", "3;a\nabc\r\n0\r\n\r\n"),
        chunked("a size with zeros", "0003\r\nabc\r\n0\r\n\r\n"),
        chunked("a size with a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
        chunked("a signed size", "+3\r\nabc\r\n0\r\n\r\n"),
        chunked("a negative size", "-3\r\nabc\r\n0\r\n\r\n"),
        chunked("a size with a space before", " 3\r\nabc\r\n0\r\n\r\n"),
        chunked("a size with a space after", "3 \r\nabc\r\n0\r\n\r\n"),
        chunked("a size that overflows to three", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        chunked("an empty size", "\r\nabc\r\n0\r\n\r\n"),
        chunked("a size with a bare line end", "3\nabc\r\n0\r\n\r\n"),
        chunked("data with a bare line end", "3\r\nabc\n0\r\n\r\n"),
        chunked("data with a bare carriage return", "3\r\nabc\r0\r\n\r\n"),
        chunked("data that is too long", "3\r\nabcd\r\n0\r\n\r\n"),
        chunked("an end with bare line ends", "3\r\nabc\r\n0\n\n"),
        chunked("trailers that change the length", "3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n"),
        chunked("a trailer without a colon", "3\r\nabc\r\n0\r\nodd\r\n\r\n"),
        chunked("a last chunk of many zeros", "3\r\nabc\r\n0000\r\n\r\n"),
    ]
}

fn heads() -> Vec<Case> {
    let with = |name, text: &str| raw(name, text);
    vec![
        with("bare line ends", "POST /odd HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc"),
        with("one bare line end", "POST /odd HTTP/1.1\r\nHost: x\nContent-Length: 3\r\n\r\nabc"),
        with("a bare carriage return", "POST /odd HTTP/1.1\r\nHost: x\rContent-Length: 3\r\n\r\nabc"),
        with("a zero byte", "POST /odd HTTP/1.1\r\nHost: x\r\nX: a\0b\r\nContent-Length: 3\r\n\r\nabc"),
        with("a line without a colon", "POST /odd HTTP/1.1\r\nHost: x\r\nodd\r\nContent-Length: 3\r\n\r\nabc"),
        with("an empty name", "POST /odd HTTP/1.1\r\nHost: x\r\n: odd\r\nContent-Length: 3\r\n\r\nabc"),
        with("two hosts", "POST /odd HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 3\r\n\r\nabc"),
        with("no host", "POST /odd HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"),
        with("two spaces in the request line", "POST  /odd HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        with("a tab in the request line", "POST\t/odd\tHTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        with("a space in the target", "POST /odd x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        with("no version", "POST /odd\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        with("another version", "POST /odd HTTP/1.2\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        with("a version of three digits", "POST /odd HTTP/1.10\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        with("a folded header", "POST /odd HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\nContent-Length: 3\r\n\r\nabc"),
        with("a fold after the request line", "POST /odd HTTP/1.1\r\n X: a\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        with("an asterisk", "POST * HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        with("a name with a high byte", "POST /odd HTTP/1.1\r\nHost: x\r\nXé: 1\r\nContent-Length: 3\r\n\r\nabc"),
    ]
}
