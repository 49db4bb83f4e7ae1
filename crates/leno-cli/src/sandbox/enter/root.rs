//! A root directory of our own: a file system in memory with the host's directories mounted in it, and one more, which
//! is therefore never seen on the host.
//!
//! ```text
//! /            tmpfs
//! /usr /home … the host's, with all that is mounted in them
//! /proc        of the new PID namespace, where that is allowed
//! /.leno/run   the runner's private directory
//! /.leno/bin   this program
//! ```

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, symlink},
    path::{Path, PathBuf},
};

use rustix::{
    mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change, unmount,
    },
    process::pivot_root,
};

use super::{Attempt as _, Failure};

/// Our own directory.
pub(crate) const OWN: &str = "/.leno";
/// Where the host's root is for a moment.
const HOST: &str = "/.leno/host";
/// A directory that every Linux has, to put the new root on before it is the root.
const STAGING: [&str; 4] = ["/tmp", "/run", "/var", "/usr"];

/// What was made.
pub(super) struct Root {
    pub(super) directory: PathBuf,
    /// `None` when the program's file has been deleted.
    pub(super) executable: Option<PathBuf>,
}

/// Makes the new root and moves into it, staying in the same directory.
pub(super) fn make() -> Result<Root, Failure> {
    let here = std::env::current_dir();
    let recursive = MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM;
    mount_change("/", recursive).attempt("separate the mounts")?;
    let staging = STAGING.into_iter().find(|path| Path::new(path).is_dir());
    let staging = staging.ok_or(io::ErrorKind::NotFound).attempt("find a place to mount")?;
    mount("leno", staging, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=0755"))
        .attempt("mount a file system in memory")?;
    let old = format!("{staging}{HOST}");
    directory(&old, 0o700).attempt("make a directory")?;
    pivot_root(staging, &old).attempt("change the root directory")?;
    std::env::set_current_dir("/").attempt("enter the new root directory")?;
    fill().attempt("mount the host's directories")?;
    let executable = bind_executable();
    proc().attempt("mount /proc")?;
    unmount(HOST, UnmountFlags::DETACH).attempt("unmount the host's root directory")?;
    let run = format!("{OWN}/run");
    directory(&run, 0o700).attempt("make a directory")?;
    if let Ok(here) = here {
        // Not being there any more is the user's to see, when something is looked for in it.
        std::env::set_current_dir(here).ok();
    }
    Ok(Root { directory: run.into(), executable })
}

/// Everything in the host's root directory, in ours.
fn fill() -> io::Result<()> {
    for entry in fs::read_dir(HOST)? {
        let entry = entry?;
        let target = Path::new("/").join(entry.file_name());
        if entry.file_name() == "proc" || target == Path::new(OWN) {
            continue;
        }
        let kind = entry.file_type()?;
        let mounted = if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, &target)
        } else if kind.is_dir() {
            fs::create_dir(&target).and_then(|()| Ok(mount_bind_recursive(entry.path(), &target)?))
        } else {
            File::create(&target).and_then(|_| Ok(mount_bind(entry.path(), &target)?))
        };
        // What the user cannot reach (a directory of root's, a stale network mount) is not there, that is all.
        mounted.ok();
    }
    Ok(())
}

/// This program, held by a mount: its file on the host may be replaced while it runs.
fn bind_executable() -> Option<PathBuf> {
    let target = PathBuf::from(format!("{OWN}/bin/leno"));
    directory(&format!("{OWN}/bin"), 0o755).ok()?;
    File::create(&target).ok()?;
    mount_bind(format!("{HOST}/proc/self/exe"), &target).ok()?;
    Some(target)
}

/// Where parts of the host's `/proc` are hidden, as in containers, the kernel forbids a fresh one: then it is the
/// host's, in which processes have other numbers.
fn proc() -> io::Result<()> {
    fs::create_dir("/proc")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).or_else(|_| mount_bind_recursive(format!("{HOST}/proc"), "/proc"))?;
    Ok(())
}

fn directory(path: &str, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)
}
