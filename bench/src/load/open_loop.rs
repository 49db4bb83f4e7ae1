//! An open loop: requests are due at fixed times, whether those before them are answered or not.
//!
//! A client that waits for an answer before it asks again does not ask while a proxy stands still, and so does not see
//! it. Here the latency of a request counts from when it was due, as `wrk2` does it.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    num::NonZeroU64,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Outcome, percentile};

/// How long answers may be late at the end.
const REST: Duration = Duration::from_secs(2);

/// A kept connection: one request at a time, the others wait.
struct Connection {
    stream: TcpStream,
    /// When the request under way was due.
    under_way: Option<Instant>,
    /// When those that wait were due.
    waiting: VecDeque<Instant>,
    /// What has come of the answer.
    answer: Vec<u8>,
}

/// Asks for `path` so many times a second over so many connections.
pub(super) fn run(port: u16, path: &str, rate: u32, connections: usize, seconds: u64) -> anyhow::Result<Outcome> {
    // A sleep of this thread ends when it should, not up to 50 µs later.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: open-loop\r\n\r\n");
    let opened: anyhow::Result<Vec<_>> = (0..connections).map(|_| Connection::open(port)).collect();
    let mut opened = opened?;
    let gap = Duration::from_secs(1) / rate;
    let start = Instant::now() + Duration::from_millis(20);
    let total = usize::try_from(u64::from(rate) * seconds)?;
    let mut latencies = Vec::with_capacity(total);
    let (mut due, mut sent) = (start, 0);
    while latencies.len() < total {
        let now = Instant::now();
        while sent < total && due <= now {
            let connection = opened.get_mut(sent % connections).context("a connection")?;
            connection.ask(due, &request)?;
            sent += 1;
            due += gap;
        }
        let until = if sent < total { due } else { due + REST };
        anyhow::ensure!(now < until, "{} of {total} requests were not answered", total - latencies.len());
        for index in readable(&opened, until)? {
            let connection = opened.get_mut(index).context("a connection")?;
            if let Some(latency) = connection.read(&request)? {
                latencies.push(latency);
            }
        }
    }
    let took = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "requests are few")]
    let units = total as f64;
    let at = |share| percentile(&mut latencies.clone(), share);
    Ok(Outcome { units, rate: units / took, p50: at(0.5), p99: at(0.99), p999: at(0.999) })
}

/// The connections that have something to read, at the latest when it is time.
fn readable(connections: &[Connection], until: Instant) -> anyhow::Result<Vec<usize>> {
    let wait = until.saturating_duration_since(Instant::now());
    let wait = Timespec { tv_sec: i64::try_from(wait.as_secs())?, tv_nsec: wait.subsec_nanos().into() };
    let mut asked: Vec<_> =
        connections.iter().map(|connection| PollFd::new(&connection.stream, PollFlags::IN)).collect();
    poll(&mut asked, Some(&wait))?;
    Ok(asked.iter().enumerate().filter(|(_, polled)| !polled.revents().is_empty()).map(|(index, _)| index).collect())
}

impl Connection {
    fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, under_way: None, waiting: VecDeque::new(), answer: Vec::new() })
    }

    /// Sends a request that was due then, or has it wait for the one under way.
    fn ask(&mut self, due: Instant, request: &str) -> anyhow::Result<()> {
        if self.under_way.is_some() {
            self.waiting.push_back(due);
            return Ok(());
        }
        self.under_way = Some(due);
        // It is small and nothing else is on its way: the socket has room.
        self.stream.write_all(request.as_bytes()).context("the connection broke")
    }

    /// Reads what came; the latency in microseconds, when the answer is complete.
    fn read(&mut self, request: &str) -> anyhow::Result<Option<f64>> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => anyhow::bail!("the connection was closed"),
            Ok(count) => self.answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        if !is_complete(&self.answer)? {
            return Ok(None);
        }
        self.answer.clear();
        let due = self.under_way.take().context("an answer without a request")?;
        let latency = due.elapsed().as_secs_f64() * 1e6;
        if let Some(next) = self.waiting.pop_front() {
            self.ask(next, request)?;
        }
        Ok(Some(latency))
    }
}

/// Whether an answer is there as a whole. It must be a success with a length.
pub(super) fn is_complete(answer: &[u8]) -> anyhow::Result<bool> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(false) };
    let head = std::str::from_utf8(answer.get(..end).unwrap_or_default())?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "an answer that is no success: {head}");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Ok(answer.len() >= end + 4 + length.context("an answer without a length")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_length() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert!(is_complete(answer).unwrap());
        for cut in 0..answer.len() {
            assert!(!is_complete(&answer[..cut]).unwrap_or(true), "{cut}");
        }
        assert!(is_complete(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").is_err());
    }
}
