//! The way in: one `clone(2)` makes the namespaces, and the process that leads them becomes PID 1 there.

use std::path::PathBuf;

use super::{control::ControlListener, error::EnterError, outside::Outside};

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

/// The host side.
#[derive(Debug)]
pub struct Front {}

impl Front {
    /// Starts to serve what the inside asks of the host (sockets; accepted control connections), in threads of its own.
    ///
    /// # Errors
    /// When a thread cannot be made.
    pub fn start(&mut self) -> std::io::Result<()> {
        todo!()
    }

    /// Asks the runner to stop in order: SIGTERM. Asking again does no harm.
    pub fn terminate(&self) {
        todo!()
    }

    /// Ends everything inside at once.
    pub fn kill(&self) {
        todo!()
    }

    /// Waits for the end of the inside; the runner's exit code (128 + signal number when a signal ended it).
    /// Cancelling it (`select!`) is fine.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn wait(&self) -> std::io::Result<u8> {
        todo!()
    }
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

/// Makes the sandbox and returns twice, once on each side. SIGTERM is what ends the inside.
///
/// # Errors
/// When the process has more than one thread, when a mesh of that name runs, and when namespaces are forbidden: the text
/// then names the setting to change.
pub fn enter(entry: &Entry) -> Result<Side, EnterError> {
    todo!()
}
