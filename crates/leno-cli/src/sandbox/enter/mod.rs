//! The way in: one `clone(2)` makes the namespaces, and the process that it makes becomes PID 1 there.
//!
//! ```text
//! leno up (front) ──clone──► PID 1: own session, dies with the front ──► identity, new root ──fork──► PID 2: runner
//!       ◄──────────────────────── ready, or what went wrong ──────────────────────────────────────────┘
//! ```
//!
//! Nothing is executed anew: a process that is not user 0 would lose its capabilities by that.

mod front;
mod identity;
mod reaper;
mod refusal;
mod root;

use std::{fs, io, os::unix::net::UnixListener, path::PathBuf};

use rustix::{
    process::{Pid, getegid, geteuid},
    thread::{CapabilitySet, capabilities},
};

pub use front::Front;
pub(super) use root::OWN;

use super::{
    channel::{self, Channel},
    control::{self, ControlListener},
    error::EnterError,
    outside::Outside,
};

/// What [`enter`] needs to know.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The mesh's name: at most one mesh of a name runs for each user.
    pub mesh: String,
}

/// In which process one is after [`enter`].
#[derive(Debug)]
pub enum Side {
    /// In the process that the user started, on the host.
    Front(Front),
    /// In the new process, inside. Standard streams are those of the front; Ctrl-C does not reach it.
    Inside(Inside),
}

/// The inner side: what the runner has to work with. Capabilities are complete within the sandbox; a single thread.
#[derive(Debug)]
pub struct Inside {
    /// An empty directory, mode 0700, in memory, that never exists on the host.
    pub directory: PathBuf,
    /// This very program, also when its file on the host has been replaced since.
    pub executable: PathBuf,
    /// Where this program's file is on the host.
    pub executable_on_host: PathBuf,
    /// Where other `leno` commands arrive.
    pub control: ControlListener,
    /// The way to the host's network.
    pub outside: Outside,
}

/// A step of the inner side that failed.
#[derive(Debug)]
struct Failure {
    what: &'static str,
    error: io::Error,
}

/// Says what was attempted.
trait Attempt<T> {
    fn attempt(self, what: &'static str) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Attempt<T> for Result<T, E> {
    fn attempt(self, what: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure { what, error: error.into() })
    }
}

/// The ends of what connects the two sides.
struct Ends {
    sockets: Channel,
    control: Channel,
    /// Carries the one message that says how it went.
    ready: Channel,
}

/// Makes the sandbox and returns twice, once on each side. SIGTERM is what ends the inside.
///
/// # Errors
/// When the process has more than one thread, when a mesh of that name runs, and when namespaces are forbidden: the text
/// then names the setting to change.
pub fn enter(entry: &Entry) -> Result<Side, EnterError> {
    if fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() != 1) {
        return Err(EnterError::Threads);
    }
    let listener = control::listen(&entry.mesh).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => EnterError::AlreadyRunning(entry.mesh.clone()),
        _ => io_error("open the control socket", source),
    })?;
    let executable = std::env::current_exe().map_err(|source| io_error("find this program's file", source))?;
    let (front, inside) = ends().map_err(|source| io_error("connect the two sides", source))?;
    let identity = Identity::current();
    match clone(identity.user_namespace) {
        Err(source) => Err(refusal::explain("making namespaces", source)),
        Ok(None) => {
            drop((front, listener));
            Ok(Side::Inside(inner(inside, &identity, executable)))
        }
        Ok(Some(process)) => {
            drop(inside);
            outer(process, front, listener)
        }
    }
}

/// Who one is on the host.
struct Identity {
    uid: u32,
    gid: u32,
    /// Whether a user namespace is needed to get the capabilities.
    user_namespace: bool,
}

impl Identity {
    fn current() -> Self {
        let privileged = capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN));
        Self { uid: geteuid().as_raw(), gid: getegid().as_raw(), user_namespace: !privileged }
    }
}

fn ends() -> io::Result<(Ends, Ends)> {
    let (sockets, inner_sockets) = channel::pair()?;
    let (control, inner_control) = channel::pair()?;
    let (ready, inner_ready) = channel::pair()?;
    let front = Ends { sockets, control, ready };
    let inside = Ends { sockets: inner_sockets, control: inner_control, ready: inner_ready };
    Ok((front, inside))
}

/// `None` in the new process.
fn clone(user_namespace: bool) -> io::Result<Option<Pid>> {
    let mut flags = libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::SIGCHLD;
    if user_namespace {
        flags |= libc::CLONE_NEWUSER;
    }
    // SAFETY: without CLONE_VM this is a fork; the process has one thread, so no lock is held by anyone else.
    let process = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match i32::try_from(process) {
        Ok(0) => Ok(None),
        Ok(process) if process > 0 => Ok(Pid::from_raw(process)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The front: waits for the word from inside.
fn outer(process: Pid, ends: Ends, listener: UnixListener) -> Result<Side, EnterError> {
    let front = Front::new(process, ends.sockets, ends.control, listener)
        .map_err(|source| io_error("watch the sandbox", source))?;
    let Ok(Some(word)) = ends.ready.receive() else {
        return Err(io_error("start the sandbox", io::ErrorKind::BrokenPipe.into()));
    };
    let Some((code, what)) = word.bytes().split_first_chunk::<4>() else {
        return Err(io_error("start the sandbox", io::ErrorKind::InvalidData.into()));
    };
    match i32::from_ne_bytes(*code) {
        0 => Ok(Side::Front(front)),
        code => {
            front.kill();
            let source = io::Error::from_raw_os_error(code);
            Err(refusal::explain(&String::from_utf8_lossy(what), source))
        }
    }
}

/// Everything inside up to the runner. Returns in the runner only: PID 1 stays in [`reaper::reap`].
fn inner(ends: Ends, identity: &Identity, executable_on_host: PathBuf) -> Inside {
    let made = identity::take(identity, &ends.ready).and_then(|()| root::make());
    let root = match made {
        Ok(root) => root,
        Err(failure) => give_up(&ends.ready, &failure),
    };
    match reaper::fork() {
        Err(error) => give_up(&ends.ready, &Failure { what: "start the runner", error }),
        Ok(Some(runner)) => {
            drop(ends);
            reaper::reap(runner)
        }
        Ok(None) => {
            // An error means that the front is gone, which ends this process as well.
            ends.ready.send(&0i32.to_ne_bytes(), None).ok();
            Inside {
                directory: root.directory,
                executable: root.executable.unwrap_or_else(|| executable_on_host.clone()),
                executable_on_host,
                control: ControlListener::new(ends.control),
                outside: Outside::new(ends.sockets),
            }
        }
    }
}

/// Tells the front what went wrong, and ends.
fn give_up(ready: &Channel, failure: &Failure) -> ! {
    let code = failure.error.raw_os_error().unwrap_or(libc::EIO);
    let mut word = code.to_ne_bytes().to_vec();
    word.extend(failure.what.as_bytes());
    word.truncate(channel::MESSAGE);
    ready.send(&word, None).ok();
    reaper::end(1)
}

fn io_error(what: &str, source: io::Error) -> EnterError {
    EnterError::Io { what: what.to_owned(), source }
}
