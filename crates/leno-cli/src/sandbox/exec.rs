//! Entering a running pod from outside: what `leno exec` does on the host.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::Path,
    process::Command,
};

use rustix::{
    fs::fstat,
    process::{Pid, Signal, WaitOptions, kill_process, waitpid},
};

use super::{capability::Privilege, namespace, signal};

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// The program and its arguments.
    pub command: &'a [OsString],
    /// Its whole environment.
    pub environment: &'a [(String, String)],
    /// Where it runs.
    pub directory: &'a Path,
    /// Whether it may look at and change the pod's network.
    pub privileged: bool,
}

/// Runs `program` in these namespaces (in the order given, see [`super::namespace::Namespaces`]) with this environment and
/// directory, as an application ([`Privilege::Application`]), with the caller's standard streams, and waits for
/// its end; SIGTERM and SIGHUP are passed on. Returns its exit code (128 + signal number when a signal ended it).
///
/// Must be called while the process has one thread.
///
/// # Errors
/// When a namespace cannot be entered or the program cannot be started.
pub fn exec(namespaces: Vec<(String, OwnedFd)>, program: &Program<'_>) -> io::Result<u8> {
    let Some((name, arguments)) = program.command.split_first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    for (name, namespace) in namespaces {
        // As root there is none of its own, and entering one's own is refused.
        if name != "user" || !is_own(&namespace)? {
            namespace::enter(&name, namespace)?;
        }
    }
    std::env::set_current_dir(program.directory)?;
    signal::block()?;
    let mut command = Command::new(name);
    command.args(arguments).env_clear();
    command.envs(program.environment.iter().map(|(name, value)| (name, value)));
    let privilege = if program.privileged { Privilege::Observer } else { Privilege::Application };
    // SAFETY: it makes system calls only.
    unsafe {
        command.pre_exec(move || {
            // The mask would be the program's as well: it could not be ended by SIGTERM.
            signal::unblock()?;
            privilege.assume()
        })
    };
    let child = command.spawn()?;
    let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    wait(process.ok_or(io::ErrorKind::InvalidData)?)
}

/// Whether the process is in that user namespace.
fn is_own(namespace: &OwnedFd) -> io::Result<bool> {
    let own = fstat(File::open("/proc/self/ns/user")?)?;
    let other = fstat(namespace)?;
    Ok((own.st_dev, own.st_ino) == (other.st_dev, other.st_ino))
}

fn wait(process: Pid) -> io::Result<u8> {
    loop {
        if let Some((_, status)) = waitpid(Some(process), WaitOptions::NOHANG)? {
            return Ok(u8::try_from(signal::code(status)).unwrap_or(1));
        }
        let pass_on = match signal::next() {
            libc::SIGTERM => Signal::TERM,
            libc::SIGHUP => Signal::HUP,
            // Ctrl-C reaches the program directly: it is in the terminal's foreground process group.
            _ => continue,
        };
        // It may have ended; that is seen in the next round.
        kill_process(process, pass_on).ok();
    }
}
