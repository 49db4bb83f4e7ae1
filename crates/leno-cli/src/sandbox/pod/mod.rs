//! A pod: a network namespace with an address on the bridge, a mount namespace with its own `/etc/resolv.conf` and
//! `/etc/hosts`, and a host name of its own.
//!
//! No process holds these namespaces; file descriptors do. PR_SET_PDEATHSIG is not used for the processes of a pod: it
//! follows the *thread* that forked, and threads of a runtime come and go. PID 1 of the sandbox answers for their end.

mod etc;
mod process;

pub(super) use self::etc::whole_names;
use std::{
    ffi::{CString, OsStr},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use leno_proxy::redirect::{self, Redirect};
use rustix::{
    process::{chdir, setsid},
    system::sethostname,
    thread::UnshareFlags,
};
use socket2::{Domain, Socket, Type};
use tokio::{
    net::{TcpSocket, TcpStream},
    process::Command,
    task::spawn_blocking,
};

use super::{
    capability::Privilege,
    error::{Doing as _, SandboxError},
    namespace::{self, Namespaces, in_network, in_new},
    network::{self, Network},
};

/// What a pod is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSettings {
    /// Its namespace: short names are looked up there first.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its host name: the pod's `hostname`, else its name.
    pub hostname: String,
    /// Its `subdomain`, if any: `hostname.subdomain.namespace.svc.cluster.local` is then its full name in `/etc/hosts`.
    pub subdomain: Option<String>,
    /// Its address, not used by any other pod.
    pub address: Ipv4Addr,
    /// More lines of `/etc/hosts` (`hostAliases`).
    pub host_aliases: Vec<(IpAddr, Vec<String>)>,
}

impl PodSettings {
    fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// A pod's place. Dropping it without [`Pod::destroy`] leaves link and processes to the end of the sandbox. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Pod {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    settings: PodSettings,
    network: Network,
    /// Where its files of `/etc` are.
    directory: PathBuf,
    namespaces: Own,
}

/// The namespaces that are the pod's alone.
#[derive(Debug)]
struct Own {
    network: OwnedFd,
    mount: OwnedFd,
    host_name: OwnedFd,
}

impl Own {
    fn current() -> io::Result<Self> {
        Ok(Self {
            network: namespace::current("net")?,
            mount: namespace::current("mnt")?,
            host_name: namespace::current("uts")?,
        })
    }
}

/// Makes a pod. Blocking, some milliseconds.
pub(super) fn create(network: Network, settings: PodSettings) -> Result<Pod, SandboxError> {
    let directory = etc::write(&settings).doing(|| format!("write the files of pod {}", settings.id()))?;
    let flags = UnshareFlags::NEWNET | UnshareFlags::NEWNS | UnshareFlags::NEWUTS;
    let made = in_new(flags, || {
        sethostname(settings.hostname.as_bytes())?;
        let prepared = network::prepare();
        etc::mount(&directory)?;
        Ok((prepared, Own::current()?))
    });
    let (prepared, namespaces) = made.doing(|| format!("make the namespaces of pod {}", settings.id()))?;
    prepared?;
    network.plug(settings.address, namespaces.network.as_fd())?;
    in_network(namespaces.network.as_fd(), || network::attach(settings.address))
        .doing(|| format!("enter the network of pod {}", settings.id()))??;
    Ok(Pod { place: Arc::new(Place { settings, network, directory, namespaces }) })
}

impl Pod {
    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.place.settings.address
    }

    /// A command that will run in the pod: in its namespaces, in a session of its own (so that a signal to the process
    /// group `-pid` reaches all of the container), with no new privileges, in `directory`. The caller adds arguments,
    /// environment (it inherits nothing: `env_clear` has been called) and standard streams, and may spawn it from any
    /// thread. `program` without a slash is looked up in the `PATH` that the caller sets.
    ///
    /// `Command::current_dir` must not be used: the mount namespace is entered after it takes effect.
    #[must_use]
    pub fn command(&self, privilege: Privilege, program: &OsStr, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        let place = Arc::clone(&self.place);
        let directory = CString::new(directory.as_os_str().as_bytes());
        let enter = move || match &directory {
            Ok(directory) => place.enter(privilege, directory),
            Err(_) => Err(io::ErrorKind::InvalidInput.into()),
        };
        // SAFETY: `enter` makes system calls only: it neither allocates nor takes a lock, and what it holds was made
        // before the fork.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// Writes the packet rules that lead the pod's traffic through its sidecar. Call before anything runs in the pod.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub async fn redirect(&self, redirect: &Redirect) -> Result<(), SandboxError> {
        let redirect = redirect.clone();
        let install = move |place: &Place| {
            let network = place.namespaces.network.as_fd();
            in_network(network, || redirect::install(&redirect))
        };
        let id = self.place.settings.id();
        self.blocking(install)
            .await
            .doing(|| format!("enter the network of pod {id}"))?
            .map_err(|source| SandboxError::Redirect { pod: id, source })
    }

    /// A connection from inside the pod, as the kubelet's probes make it: to the pod's address it comes from the pod
    /// itself, so no sidecar rule applies. The caller sets a deadline.
    ///
    /// # Errors
    /// Those of `connect(2)`.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let make = move || Socket::new(Domain::for_address(to), Type::STREAM, None);
        let socket = in_network(self.place.namespaces.network.as_fd(), make)??;
        socket.set_nonblocking(true)?;
        TcpSocket::from_std_stream(socket.into()).connect(to).await
    }

    /// Its namespaces, for `leno exec`: to be sent to another process of the same user.
    ///
    /// # Errors
    /// When the process may open no more files.
    pub fn namespaces(&self) -> io::Result<Namespaces> {
        let own = &self.place.namespaces;
        Ok(Namespaces {
            fds: vec![
                ("user", namespace::current("user")?),
                ("pid", namespace::current("pid")?),
                ("net", own.network.try_clone()?),
                ("uts", own.host_name.try_clone()?),
                ("mnt", own.mount.try_clone()?),
            ],
        })
    }

    /// Kills what still runs in it and takes its link away. Doing it again does no harm.
    pub async fn destroy(&self) {
        self.blocking(|place| {
            if let Err(error) = process::kill_all(place.namespaces.network.as_fd()) {
                tracing::warn!(pod = place.settings.id(), %error, "end the pod's processes");
            }
            if let Err(error) = place.network.unplug(place.settings.address) {
                tracing::warn!(pod = place.settings.id(), %error, "take the pod's link away");
            }
            etc::remove(&place.directory);
        })
        .await;
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Place) -> T + Send + 'static) -> T {
        let place = Arc::clone(&self.place);
        match spawn_blocking(move || work(&place)).await {
            Ok(done) => done,
            // It is never cancelled.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

impl Place {
    /// Between fork and exec.
    fn enter(&self, privilege: Privilege, directory: &CString) -> io::Result<()> {
        setsid()?;
        namespace::enter("net", &self.namespaces.network)?;
        namespace::enter("uts", &self.namespaces.host_name)?;
        namespace::enter("mnt", &self.namespaces.mount)?;
        chdir(directory.as_c_str())?;
        privilege.assume()
    }
}
