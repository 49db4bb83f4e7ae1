//! A server that writes down which requests reach it.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// The requests that reached a backend: method and body; of one that is not complete, what came of it.
pub(crate) type Reading = Vec<(String, String)>;

/// A server that writes down which requests reach it.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    /// Where it listens.
    pub(crate) port: u16,
    read: Arc<Mutex<Reading>>,
}

impl Backend {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let backend = Self { port, read: Arc::default() };
        let own = backend.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                thread::spawn(move || own.serve(stream));
            }
        });
        backend
    }

    /// What came since it was asked the last time.
    pub(crate) fn take(&self) -> Reading {
        std::mem::take(&mut *self.read.lock().expect("no panic"))
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut input = Vec::new();
        loop {
            let end = find(&mut stream, &mut input, b"\r\n\r\n")? + 4;
            let head = String::from_utf8_lossy(&input[..end]).into_owned();
            input.drain(..end);
            let method = head.split(' ').next().unwrap_or_default().to_owned();
            let place = {
                let mut read = self.read.lock().expect("no panic");
                read.push((method, String::new()));
                read.len() - 1
            };
            let lower = head.to_ascii_lowercase();
            let header = |name: &str| lower.split("\r\n").find_map(|line| line.strip_prefix(name)).map(str::trim);
            if header("transfer-encoding:").is_some_and(|codings| codings.contains("chunked")) {
                self.chunks(place, &mut stream, &mut input)?;
            } else if let Some(length) = header("content-length:").and_then(|length| length.parse().ok()) {
                self.bytes(place, &mut stream, &mut input, length)?;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
        }
    }

    /// Notes the next so many bytes as content of a request.
    fn bytes(&self, place: usize, stream: &mut TcpStream, input: &mut Vec<u8>, length: usize) -> Option<()> {
        let mut left = length;
        while left > 0 {
            if input.is_empty() {
                more(stream, input)?;
            }
            let piece: Vec<_> = input.drain(..left.min(input.len())).collect();
            left -= piece.len();
            let mut read = self.read.lock().expect("no panic");
            if let Some((_, body)) = read.get_mut(place) {
                body.push_str(&String::from_utf8_lossy(&piece));
            }
        }
        Some(())
    }

    fn chunks(&self, place: usize, stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<()> {
        loop {
            let line = find(stream, input, b"\r\n")?;
            let size = String::from_utf8_lossy(&input[..line]).into_owned();
            input.drain(..line + 2);
            let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).ok()?;
            if size == 0 {
                return trailers(stream, input);
            }
            self.bytes(place, stream, input, size)?;
            let line = find(stream, input, b"\r\n")?;
            input.drain(..line + 2);
        }
    }
}

/// Takes trailers, to an empty line.
fn trailers(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<()> {
    loop {
        let line = find(stream, input, b"\r\n")?;
        input.drain(..line + 2);
        if line == 0 {
            return Some(());
        }
    }
}

/// Where these bytes begin, once they are there; `None` at the end.
fn find(stream: &mut TcpStream, input: &mut Vec<u8>, wanted: &[u8]) -> Option<usize> {
    loop {
        if let Some(at) = input.windows(wanted.len()).position(|part| part == wanted) {
            return Some(at);
        }
        more(stream, input)?;
    }
}

fn more(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    let length = stream.read(&mut piece).ok().filter(|length| *length > 0)?;
    input.extend_from_slice(&piece[..length]);
    Some(())
}
