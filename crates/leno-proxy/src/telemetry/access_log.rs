//! The access log: one JSON object a line on standard output.
//!
//! A worker appends to its own buffer and hands the buffer over when it is large or old; a thread of its own writes. When
//! that thread does not keep up, buffers are dropped and their lines counted: the data path never waits for a log.

use std::{
    cell::{Cell, RefCell},
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Notify;

use super::event::{RequestFinished, RequestLog, TcpFinished};
use crate::connection::Connection;

/// Handed over when it has this many bytes.
pub(crate) const BUFFER: usize = 32 * 1024;
/// How many buffers may wait for the writer.
pub(crate) const WAITING: usize = 64;
/// How old a line gets in a worker's buffer.
pub const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// What the writer is given.
#[derive(Debug)]
enum Message {
    /// Lines to write.
    Lines(Vec<u8>),
    /// Says that all before it is written.
    Mark(mpsc::SyncSender<()>),
}

/// The way to the writer; one for the process.
#[derive(Clone, Debug)]
pub struct AccessLog {
    sender: mpsc::SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl AccessLog {
    /// Starts the thread that writes to `out`; it ends when the last handle is dropped.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(mut out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel::<Message>(WAITING);
        let write = move || {
            for message in receiver {
                match message {
                    // A log nobody can read any more (closed pipe) must not end the proxy.
                    Message::Lines(lines) => drop(out.write_all(&lines).and_then(|()| out.flush())),
                    // Who waited may have given up.
                    Message::Mark(done) => drop(done.try_send(())),
                }
            }
        };
        std::thread::Builder::new().name("access-log".into()).spawn(write)?;
        Ok(Self { sender, dropped: Arc::default() })
    }

    /// Waits until all that was handed over is written, at most this long: for the end of the process.
    pub fn finish(&self, within: Duration) {
        let (done, written) = mpsc::sync_channel(1);
        if self.sender.try_send(Message::Mark(done)).is_ok() {
            // Either way it is the end.
            written.recv_timeout(within).ok();
        }
    }

    /// Lines lost because the writer did not keep up.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// A worker's end of it.
    #[must_use]
    pub fn worker(&self) -> WorkerLog {
        WorkerLog {
            log: self.clone(),
            buffer: RefCell::default(),
            lines: Cell::new(0),
            written: Notify::new(),
            second: RefCell::new((0, String::new())),
        }
    }
}

/// A worker's end of the access log.
#[derive(Debug)]
pub struct WorkerLog {
    log: AccessLog,
    /// Lines not handed over yet.
    buffer: RefCell<Vec<u8>>,
    /// How many.
    lines: Cell<u64>,
    /// Told when there is a first line to hand over.
    written: Notify,
    /// The last second that was formatted, and its text without fraction and zone.
    second: RefCell<(u64, String)>,
}

impl WorkerLog {
    /// Hands over what there is.
    pub fn flush(&self) {
        let buffer = self.buffer.take();
        let lines = self.lines.replace(0);
        if !buffer.is_empty() && self.log.sender.try_send(Message::Lines(buffer)).is_err() {
            self.log.dropped.fetch_add(lines, Ordering::Relaxed);
        }
    }

    /// Waits until there is something to hand over.
    pub async fn written(&self) {
        self.written.notified().await;
    }

    /// Logs a request.
    pub(crate) fn request(&self, event: &RequestFinished<'_>, log: &RequestLog<'_>) {
        self.line(|line| {
            common(line, event.connection);
            line.text("protocol", event.protocol.label());
            line.text("method", log.method);
            line.bytes("authority", log.authority);
            line.bytes("path", log.path);
            line.number("response_code", u64::from(event.status));
            line.text("response_flags", event.flags);
            line.text("detail", event.detail);
            line.number("duration_us", micros(event.duration));
            line.number("request_bytes", event.request_bytes);
            line.number("response_bytes", event.response_bytes);
            line.number("retries", u64::from(event.retries));
            line.text("route", log.route);
            upstream(line, event.callee, log.cluster);
            line.bytes("request_id", log.request_id);
            line.bytes("user_agent", log.user_agent);
            line.bytes("traceparent", log.traceparent);
        });
    }

    /// Logs a TCP connection.
    pub(crate) fn tcp(&self, event: &TcpFinished<'_>, cluster: &str) {
        self.line(|line| {
            common(line, event.connection);
            line.text("protocol", "tcp");
            line.text("response_flags", event.flags);
            line.text("detail", event.detail);
            line.number("duration_us", micros(event.duration));
            line.number("sent_bytes", event.sent_bytes);
            line.number("received_bytes", event.received_bytes);
            upstream(line, event.callee, cluster);
        });
    }

    /// Writes one line.
    fn line(&self, write: impl FnOnce(&mut Line<'_>)) {
        let mut buffer = self.buffer.borrow_mut();
        self.start_line(&mut buffer);
        write(&mut Line { out: &mut buffer });
        buffer.extend_from_slice(b"}\n");
        let lines = self.lines.get() + 1;
        self.lines.set(lines);
        if lines == 1 {
            self.written.notify_one();
        }
        let full = buffer.len() >= BUFFER;
        drop(buffer);
        if full {
            self.flush();
        }
    }

    /// Writes the brace and the time, formatting a second only once.
    fn start_line(&self, out: &mut Vec<u8>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (second, text) = &mut *self.second.borrow_mut();
        if *second != now.as_secs() || text.is_empty() {
            *second = now.as_secs();
            *text = rfc3339(now.as_secs());
        }
        // Writing to a Vec cannot fail.
        drop(write!(out, "{{\"time\":\"{text}.{:06}Z\"", now.subsec_micros()));
    }
}

impl Drop for WorkerLog {
    fn drop(&mut self) {
        self.flush();
    }
}

/// A second since the epoch as RFC 3339 without zone.
fn rfc3339(second: u64) -> String {
    let second = i64::try_from(second).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(second).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).map(|text| text.trim_end_matches('Z').to_owned()).unwrap_or_default()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The fields of every line.
fn common(line: &mut Line<'_>, connection: &Connection) {
    line.text("direction", connection.direction.label());
    line.display("peer", connection.peer);
    line.display("original_destination", connection.original_destination);
    line.boolean("mtls", connection.mtls);
    line.text("source_workload", &connection.source.workload);
    line.text("source_namespace", &connection.source.namespace);
    line.text("source_identity", &connection.source.identity);
}

/// The fields of the callee.
fn upstream(line: &mut Line<'_>, callee: &crate::connection::Callee, cluster: &str) {
    line.text("cluster", cluster);
    line.text("destination_service", &callee.service);
    line.text("destination_workload", &callee.workload.workload);
    line.text("destination_pod", &callee.workload.pod);
    line.text("destination_namespace", &callee.workload.namespace);
    line.text("destination_identity", &callee.workload.identity);
    if let Some(address) = callee.address {
        line.display("upstream", address);
    }
    line.boolean("upstream_mtls", callee.mtls);
}

/// One JSON object under way. Empty texts are left out.
struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl Line<'_> {
    fn key(&mut self, key: &str) {
        drop(write!(self.out, ",\"{key}\":"));
    }

    fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.key(key);
            self.quote(value);
        }
    }

    /// Bytes that should be text: what is not UTF-8 becomes U+FFFD.
    fn bytes(&mut self, key: &str, value: &[u8]) {
        self.text(key, &String::from_utf8_lossy(value));
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        drop(write!(self.out, "{value}"));
    }

    fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        drop(write!(self.out, "{value}"));
    }

    fn display(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key);
        drop(write!(self.out, "\"{value}\""));
    }

    fn quote(&mut self, value: &str) {
        // Only an I/O error of the writer or a failing Serialize could fail; a Vec and a str have neither.
        drop(serde_json::to_writer(&mut *self.out, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_empty_text_left_out() {
        let mut out = b"{\"a\":1".to_vec();
        let mut line = Line { out: &mut out };
        line.text("nothing", "");
        line.bytes("path", b"/\"\n\xff");
        line.number("n", 3);
        out.push(b'}');
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value, serde_json::json!({"a": 1, "path": "/\"\n\u{fffd}", "n": 3}));
    }

    #[test]
    fn seconds_are_rfc3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00");
    }
}
