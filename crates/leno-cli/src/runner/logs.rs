//! The output of containers: bounded, kept for the running and the previous instance of each, followed by readers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use leno_model::WorkloadName;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
};

/// How much output of one instance is kept; the oldest lines go first.
const KEEP: usize = 4 << 20;
/// A line longer than this is cut in two.
const LONGEST_LINE: usize = 64 << 10;

/// The output of one run of one container, as lines.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Mutex<Lines>,
    /// The sequence number after the newest line, for readers that follow; `u64::MAX` once the output has ended.
    end: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<Bytes>,
    /// The sequence number of `lines[0]`.
    first: u64,
    bytes: usize,
}

/// What follows the last line of a log that has ended.
const ENDED: u64 = u64::MAX;

impl Default for Log {
    fn default() -> Self {
        Self { lines: Mutex::default(), end: watch::Sender::new(0) }
    }
}

impl Log {
    /// Adds a line, which ends in a newline.
    pub(crate) fn push(&self, line: Bytes) {
        let end = {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.bytes += line.len();
            lines.lines.push_back(line);
            while lines.bytes > KEEP {
                let Some(oldest) = lines.lines.pop_front() else { break };
                lines.bytes -= oldest.len();
                lines.first += 1;
            }
            lines.first + lines.lines.len() as u64
        };
        self.end.send_if_modified(|value| *value != ENDED && std::mem::replace(value, end) != end);
    }

    /// Says that nothing more will come.
    pub(crate) fn finish(&self) {
        self.end.send_replace(ENDED);
    }

    /// The lines from number `from` on, and the number after the last of them.
    pub(crate) fn since(&self, from: u64) -> (Vec<Bytes>, u64) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = usize::try_from(from.saturating_sub(lines.first)).unwrap_or(usize::MAX);
        (lines.lines.iter().skip(skip).cloned().collect(), lines.first + lines.lines.len() as u64)
    }

    /// The number of the line from which the last `tail` lines follow.
    pub(crate) fn tail(&self, tail: u64) -> u64 {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        (lines.first + lines.lines.len() as u64).saturating_sub(tail)
    }

    /// Waits until there is a line of this number or a later one; false when the output has ended before it.
    pub(crate) async fn wait(&self, next: u64) -> bool {
        let mut end = self.end.subscribe();
        let reached = end.wait_for(|end| *end > next).await.map(|end| *end);
        match reached {
            Ok(ENDED) => self.since(next).1 > next,
            Ok(_) => true,
            Err(_) => false,
        }
    }

    /// Reads a container's output into the log until it ends.
    pub(crate) async fn drain(&self, mut output: impl AsyncRead + Unpin) {
        let mut pending = Vec::new();
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count @ 1..) = output.read(&mut buffer).await {
            pending.extend_from_slice(&buffer[..count]);
            self.split(&mut pending);
        }
        if !pending.is_empty() {
            pending.push(b'\n');
            self.split(&mut pending);
        }
    }

    /// Takes the whole lines out of `pending`.
    fn split(&self, pending: &mut Vec<u8>) {
        let mut start = 0;
        while let Some(length) = pending[start..].iter().position(|byte| *byte == b'\n') {
            self.push(Bytes::copy_from_slice(&pending[start..=start + length]));
            start += length + 1;
        }
        pending.drain(..start);
        if pending.len() > LONGEST_LINE {
            let mut line = std::mem::take(pending);
            line.push(b'\n');
            self.push(line.into());
        }
    }
}

/// The logs of every container of the mesh.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    containers: Mutex<BTreeMap<Whose, Instances>>,
}

/// A pod and the name of its container.
type Whose = (WorkloadName, String);

#[derive(Clone, Debug, Default)]
struct Instances {
    current: Arc<Log>,
    previous: Option<Arc<Log>>,
}

impl Logs {
    /// The log of a run that begins now; what was current becomes the previous one.
    pub(crate) fn begin(&self, pod: &WorkloadName, container: &str) -> Arc<Log> {
        let log = Arc::new(Log::default());
        let mut containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        let instances = Instances { current: Arc::clone(&log), previous: None };
        let before = containers.insert((pod.clone(), container.to_owned()), instances.clone());
        if let Some(before) = before {
            before.current.finish();
            let previous = Some(before.current);
            containers.insert((pod.clone(), container.to_owned()), Instances { previous, ..instances });
        }
        log
    }

    /// The log of the newest run, or of the one before it.
    pub(crate) fn of(&self, pod: &WorkloadName, container: &str, previous: bool) -> Option<Arc<Log>> {
        let containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        let instances = containers.get(&(pod.clone(), container.to_owned()))?;
        if previous { instances.previous.clone() } else { Some(Arc::clone(&instances.current)) }
    }

    /// Forgets a pod that is gone.
    pub(crate) fn forget(&self, pod: &WorkloadName) {
        let mut containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        containers.retain(|(name, _), instances| {
            if name == pod {
                instances.current.finish();
            }
            name != pod
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn output_becomes_lines_and_the_last_needs_no_newline() {
        let log = Log::default();
        log.drain(&b"one\ntwo\nthree"[..]).await;
        assert_eq!(log.since(0).0, [&b"one\n"[..], b"two\n", b"three\n"]);
        assert_eq!(log.since(log.tail(1)).0, [&b"three\n"[..]]);
    }

    #[tokio::test]
    async fn old_lines_make_room_for_new_ones() {
        let log = Log::default();
        let line = Bytes::from(vec![b'x'; 1 << 20]);
        for _ in 0..6 {
            log.push(line.clone());
        }
        let (lines, end) = log.since(0);
        assert_eq!((lines.len(), end), (4, 6));
    }

    #[tokio::test]
    async fn a_reader_that_follows_sees_each_line_once_and_then_the_end() {
        let log = Arc::new(Log::default());
        log.push("a\n".into());
        assert!(log.wait(0).await);
        let (_, next) = log.since(0);
        log.push("b\n".into());
        log.finish();
        assert!(log.wait(next).await);
        let (lines, next) = log.since(next);
        assert_eq!(lines, [&b"b\n"[..]]);
        assert!(!log.wait(next).await);
    }

    #[test]
    fn the_run_before_stays_readable() {
        let logs = Logs::default();
        let pod = WorkloadName::new("shop", "cart-0");
        logs.begin(&pod, "app").push("first\n".into());
        assert!(logs.of(&pod, "app", true).is_none());
        logs.begin(&pod, "app").push("second\n".into());
        assert_eq!(logs.of(&pod, "app", true).unwrap().since(0).0, [&b"first\n"[..]]);
        assert_eq!(logs.of(&pod, "app", false).unwrap().since(0).0, [&b"second\n"[..]]);
    }
}
