//! The process that the user started: it shows what happens inside and passes on the wish to stop.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use leno_api::runner::{Event, Happening, MeshView};
use leno_runtime::signal::Stop;
use tokio::time::{Instant, MissedTickBehavior};

use crate::{
    client::{Client, EventReader},
    output::{Output, line, live},
    sandbox::Front,
};

/// How often the live view is drawn.
const REDRAW: Duration = Duration::from_millis(500);

/// The exit code after everything was ended at once, as a shell shows the end by SIGINT.
const INTERRUPTED: u8 = 130;

/// Shows a mesh until it ends.
pub(crate) struct Watch {
    front: Front,
    client: Client,
    output: Output,
    live: Option<live::Live>,
    /// The view that was drawn last.
    shown: Vec<String>,
    /// When the mesh must be ready; `None` once it is.
    deadline: Option<Instant>,
    timeout: Duration,
    failed: bool,
    stopping: u32,
}

impl Watch {
    /// What shows this mesh.
    pub(crate) fn new(front: Front, mesh: &str, output: Output, timeout: Duration) -> Self {
        Self {
            front,
            client: Client::new(mesh),
            output,
            live: output.is_live().then(live::Live::default),
            shown: Vec::new(),
            deadline: (!timeout.is_zero()).then(|| Instant::now() + timeout),
            timeout,
            failed: false,
            stopping: 0,
        }
    }

    /// Until the mesh ends.
    ///
    /// # Errors
    /// When the inside cannot be watched.
    pub(crate) async fn run(mut self) -> anyhow::Result<ExitCode> {
        let mut signals = Stop::new().context("listen for signals")?;
        self.front.start().context("serve the inside")?;
        let mut events = None;
        let mut redraw = tokio::time::interval(REDRAW);
        redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let code = loop {
            let deadline = self.deadline;
            tokio::select! {
                code = self.front.wait() => break code.context("wait for the inside")?,
                _ = signals.wait() => self.stop(),
                event = next(&self.client, &mut events) => self.tell(&event),
                _ = redraw.tick(), if self.live.is_some() => self.draw().await,
                () = until(deadline) => self.late().await,
            }
        };
        self.rest(&mut events).await;
        if let Some(live) = &mut self.live {
            live.clear();
        }
        if self.stopping > 1 {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        if self.failed && code == 0 {
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::from(code))
    }

    /// The first wish to stop is passed on; the second ends everything at once.
    fn stop(&mut self) {
        self.stopping += 1;
        if self.stopping == 1 { self.front.terminate() } else { self.front.kill() }
    }

    /// What happened right before the end.
    async fn rest(&mut self, events: &mut Option<EventReader>) {
        let Some(reader) = events else { return };
        while let Ok(Ok(Some(event))) = tokio::time::timeout(Duration::from_millis(200), reader.next()).await {
            self.tell(&event);
        }
    }

    fn tell(&mut self, event: &Event) {
        match &event.what {
            Happening::Ready { .. } => self.deadline = None,
            Happening::Stopping => self.stopping = self.stopping.max(1),
            _ => {}
        }
        if self.output.json {
            self.output.record(event);
            return;
        }
        let Some(line) = line::of(event) else { return };
        match &mut self.live {
            Some(live) if is_news(event) => live.draw(&[line], &self.shown),
            Some(_) => {}
            None if self.output.quiet && !is_trouble(event) => {}
            None => self.output.line(&line),
        }
    }

    async fn draw(&mut self) {
        let view = tokio::time::timeout(REDRAW, self.client.get::<MeshView>("/v1/mesh")).await;
        if let (Some(live), Ok(Ok(view))) = (&mut self.live, view) {
            self.shown = live::view(&view);
            live.draw(&[], &self.shown);
        }
    }

    /// The mesh is not ready in time: says which pods are not, and stops it.
    async fn late(&mut self) {
        self.deadline = None;
        self.failed = true;
        let text = self.client.unready(self.timeout).await;
        if let Some(live) = &mut self.live {
            live.clear();
        }
        self.output.error(&text);
        self.front.terminate();
    }
}

/// The next event, from a connection that is made when there is none. Never ends when there will be none any more.
async fn next(client: &Client, events: &mut Option<EventReader>) -> Event {
    let reader = match events {
        Some(reader) => reader,
        None => match client.events(0).await {
            Ok(reader) => events.insert(reader),
            Err(_) => return std::future::pending().await,
        },
    };
    match reader.next().await {
        Ok(Some(event)) => event,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Whether an event is worth a line above the live view, which shows pods and services itself.
fn is_news(event: &Event) -> bool {
    match &event.what {
        Happening::Pod(view) => !view.message.is_empty(),
        Happening::Control { ready, .. } => !ready,
        Happening::Ready { .. }
        | Happening::Published { .. }
        | Happening::Object(_)
        | Happening::Invalid { .. }
        | Happening::Mended
        | Happening::Warning { .. }
        | Happening::Stopping
        | Happening::Stopped => true,
    }
}

/// Whether an event is told even to those who want to be left alone.
fn is_trouble(event: &Event) -> bool {
    matches!(
        event.what,
        Happening::Invalid { .. } | Happening::Warning { .. } | Happening::Control { ready: false, .. }
    )
}
