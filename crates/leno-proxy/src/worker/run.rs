//! A worker's thread from start to end.

use std::{io, rc::Rc, sync::Arc, thread, time::Duration};

use leno_api::explain::{Explanation, Question};
use leno_runtime::Drained;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{mpsc, oneshot},
    time::{Instant, interval, sleep},
};

use super::{Shared, Worker, porch::Porch};
use crate::{
    dns, explain, health,
    listener::{
        accept::{self, Door},
        destination,
    },
    settings::Entrance,
    telemetry::{Totals, access_log::FLUSH_EVERY},
};

/// How long a draining worker goes on accepting though nothing is under way: those who dial it may not have heard yet
/// that it is going.
const LINGER: Duration = Duration::from_millis(500);
/// How often idle destinations are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// How long an explanation may take: it waits for configuration as a request does.
const EXPLAINED: Duration = Duration::from_secs(30);
/// Questions that may wait for an answer.
const COMMANDS: usize = 16;

/// What the control thread asks of a worker.
#[derive(Debug)]
pub enum Command {
    /// What has it counted?
    Totals(oneshot::Sender<Totals>),
    /// What would become of this?
    Explain(Box<Question>, oneshot::Sender<Result<Explanation, String>>),
}

/// The control thread's handle on a worker.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

impl Handle {
    /// What the worker has counted; `None` when it does not answer in time.
    pub async fn totals(&self) -> Option<Totals> {
        let (sender, receiver) = oneshot::channel();
        let ask = async {
            self.commands.send(Command::Totals(sender)).await.ok()?;
            receiver.await.ok()
        };
        tokio::time::timeout(Duration::from_secs(2), ask).await.ok().flatten()
    }

    /// What would become of a request; `None` when the worker does not answer in time.
    pub async fn explain(&self, question: Question) -> Option<Result<Explanation, String>> {
        let (sender, receiver) = oneshot::channel();
        let ask = async {
            self.commands.send(Command::Explain(Box::new(question), sender)).await.ok()?;
            receiver.await.ok()
        };
        tokio::time::timeout(EXPLAINED, ask).await.ok().flatten()
    }
}

/// Starts a worker's thread; returns once its sockets listen. The thread ends when the process drains.
///
/// # Errors
/// When no thread can be started or a port is taken.
pub async fn start(id: usize, shared: Arc<Shared>, drained: Drained) -> io::Result<Handle> {
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let (started, listening) = oneshot::channel();
    thread::Builder::new().name(format!("worker-{id}")).spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(error))),
        };
        runtime.block_on(async {
            let worker = Worker::new(id, shared, drained);
            match listen(&worker) {
                // Nobody waits only if the process is ending.
                Ok(()) => drop(started.send(Ok(()))),
                Err(error) => return drop(started.send(Err(error))),
            }
            work(worker, receiver).await;
        });
    })?;
    listening.await.map_err(|_| io::Error::other("the worker ended while it started"))??;
    Ok(Handle { commands })
}

/// Opens the sockets and starts to accept.
fn listen(worker: &Rc<Worker>) -> io::Result<()> {
    let accept = |listener, door| drop(tokio::task::spawn_local(accept::run(Rc::clone(worker), listener, door)));
    match &worker.shared.settings.entrance {
        Entrance::Redirected { outbound, inbound } => {
            for (port, door) in [(*outbound, Door::Outbound), (*inbound, Door::Inbound)] {
                accept::listen(port)?.into_iter().for_each(|listener| accept(listener, door.clone()));
            }
        }
        Entrance::Bound(doors) => {
            if worker.id == 0 {
                drop(tokio::task::spawn_local(health::watch_all(Rc::clone(worker))));
                drop(tokio::task::spawn_local(dns::watch_all(Rc::clone(worker))));
            }
            let mut porch = Porch::new(worker, doors);
            porch.follow()?;
            drop(tokio::task::spawn_local(porch.keep()));
        }
    }
    Ok(())
}

/// Answers the control thread and tidies up until the process drains; then waits for what is under way.
async fn work(worker: Rc<Worker>, mut commands: mpsc::Receiver<Command>) {
    let log = tokio::task::spawn_local(flush_log(Rc::clone(&worker)));
    let mut drained = worker.drained.clone();
    let mut sweep = interval(SWEEP);
    loop {
        tokio::select! {
            () = drained.wait() => break,
            Some(command) = commands.recv() => answer(&worker, command),
            _ = sweep.tick() => worker.destinations.sweep(destination::IDLE),
        }
    }
    worker.set_draining();
    let started = Instant::now();
    while worker.tasks() > 0 || started.elapsed() < LINGER {
        tokio::select! {
            Some(command) = commands.recv() => answer(&worker, command),
            () = sleep(Duration::from_millis(20)) => {}
        }
    }
    log.abort();
    worker.access_log.flush();
}

/// Answers a question.
fn answer(worker: &Rc<Worker>, command: Command) {
    match command {
        // Who asked may have given up.
        Command::Totals(reply) => drop(reply.send(worker.telemetry.totals())),
        Command::Explain(question, reply) => {
            let asked = Rc::clone(worker);
            worker.spawn(async move { drop(reply.send(explain::explain(asked, *question).await)) });
        }
    }
}

/// Hands over lines of the access log soon after they are written.
async fn flush_log(worker: Rc<Worker>) {
    loop {
        worker.access_log.written().await;
        sleep(FLUSH_EVERY).await;
        worker.access_log.flush();
    }
}
