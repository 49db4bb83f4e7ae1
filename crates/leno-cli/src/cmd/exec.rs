//! `leno exec`.

use std::{
    ffi::OsString,
    io::{IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use leno_api::runner::{ExecContext, Refused};
use leno_model::WorkloadName;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::{
    cli::Global,
    client::{self, Client, block_on, query},
    cmd::find_pod,
    sandbox,
};

/// The most that a head or a context may be.
const LARGEST: usize = 1 << 20;

/// Run a command in a pod: in its network, with its names and with the environment of its container
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// The pod: its name, `NAMESPACE/NAME`, or the name of its Deployment
    pod: String,
    /// The container whose environment it gets; the pod's first one when not given
    #[arg(long, short)]
    container: Option<String>,
    /// The namespace; any when not given
    #[arg(long, short)]
    namespace: Option<String>,
    /// Let it look at and change the pod's network (tcpdump, nft, ip); programs of the pod itself may not
    #[arg(long)]
    privileged: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Exec {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let client = Client::new(&global.mesh);
        let pod = block_on(find_pod(&client, self.namespace.as_deref(), &self.pod))?;
        // From here on without a runtime: namespaces can be entered only while there is one thread.
        let mut stream = client::connect(&global.mesh)?;
        request(&mut stream, &pod, self.container.as_deref())?;
        let (context, fds) = receive(&mut stream)?;
        if fds.len() != context.namespaces.len() {
            bail!("{} namespaces are announced and {} received", context.namespaces.len(), fds.len());
        }
        let namespaces = context.namespaces.into_iter().zip(fds).collect();
        let program = sandbox::exec::Program {
            command: &self.command,
            environment: &context.environment,
            directory: Path::new(&context.directory),
            privileged: self.privileged,
        };
        let code = sandbox::exec::exec(namespaces, &program)
            .with_context(|| format!("run {} in pod {pod}", self.command[0].display()))?;
        Ok(ExitCode::from(code))
    }
}

fn request(stream: &mut UnixStream, pod: &WorkloadName, container: Option<&str>) -> anyhow::Result<()> {
    let container = container.map(|name| format!("?container={}", query(name))).unwrap_or_default();
    let WorkloadName { namespace, name } = pod;
    write!(
        stream,
        "POST /v1/exec/{namespace}/{name}{container} HTTP/1.1\r\nhost: leno\r\nconnection: upgrade\r\n\
         upgrade: leno-exec\r\ncontent-length: 0\r\n\r\n"
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() > LARGEST || stream.read(&mut byte)? == 0 {
            bail!("the mesh does not answer");
        }
        head.push(byte[0]);
    }
    if head.starts_with(b"HTTP/1.1 101") {
        // Says that the head has been read, so that what carries the descriptors is not taken for a part of it.
        stream.write_all(&[0])?;
        return Ok(());
    }
    let mut body = Vec::new();
    let length = content_length(&head).unwrap_or(LARGEST).min(LARGEST);
    stream.take(length as u64).read_to_end(&mut body)?;
    match serde_json::from_slice::<Refused>(&body) {
        Ok(refused) => bail!(refused.message),
        Err(_) => bail!("the mesh answers {}", String::from_utf8_lossy(&head).lines().next().unwrap_or_default()),
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
}

fn receive(stream: &mut UnixStream) -> anyhow::Result<(ExecContext, Vec<OwnedFd>)> {
    let (mut text, mut fds) = (Vec::new(), Vec::new());
    while !text.ends_with(b"\n") {
        let mut buffer = vec![0; 64 << 10];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let slices = &mut [IoSliceMut::new(&mut buffer)];
        let received = recvmsg(&*stream, slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if received.bytes == 0 || text.len() > LARGEST {
            bail!("the mesh's answer is cut off");
        }
        text.extend_from_slice(&buffer[..received.bytes]);
    }
    Ok((serde_json::from_slice(&text).context("the mesh's answer is not understood")?, fds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_refusal_is_found() {
        assert_eq!(content_length(b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\n"), Some(12));
        assert_eq!(content_length(b"HTTP/1.1 404 Not Found\r\n\r\n"), None);
    }
}
