//! Gathers changes of the mesh, so that a burst of them is one push.

use std::{sync::Arc, time::Duration};

use leno_ca::Settings;
use leno_model::Snapshot;
use leno_runtime::Drained;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{certificate, discovery::Mesh};

/// A change is applied when none has followed it for this long.
const QUIET: Duration = Duration::from_millis(10);
/// But no later than this after the first.
const LONGEST: Duration = Duration::from_millis(100);

/// Where changes come from and go to.
pub(crate) struct Push {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) settings: watch::Sender<Settings>,
}

/// Applies changes until the control plane stops.
pub(crate) async fn run(mut push: Push, mut drained: Drained) {
    loop {
        let gathered = async { push.snapshots.changed().await.is_ok() && gather(&mut push.snapshots).await };
        let more = tokio::select! {
            more = gathered => more,
            () = drained.wait() => return,
        };
        let snapshot = Arc::clone(&push.snapshots.borrow_and_update());
        push.settings.send_if_modified(|settings| {
            let new = certificate::settings(&snapshot);
            let changed = *settings != new;
            *settings = new;
            changed
        });
        push.mesh.update(snapshot);
        if !more {
            return;
        }
    }
}

/// Waits until the changes pause; `false` when there will be no more.
async fn gather<T>(changes: &mut watch::Receiver<T>) -> bool {
    let latest = Instant::now() + LONGEST;
    loop {
        let pause = (Instant::now() + QUIET).min(latest);
        match timeout_at(pause, changes.changed()).await {
            Err(_) => return true,
            Ok(Ok(())) if Instant::now() >= latest => return true,
            Ok(Ok(())) => {}
            Ok(Err(_)) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use leno_runtime::task;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_push_and_a_stream_of_changes_is_not_put_off_for_ever() {
        let (changes, mut seen) = watch::channel(0);
        changes.send_replace(1);
        seen.changed().await.unwrap();
        let started = Instant::now();
        assert!(gather(&mut seen).await);
        assert_eq!(started.elapsed(), QUIET);

        let restless = task::spawn(async move {
            for n in 0..100 {
                changes.send_replace(n);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let started = Instant::now();
        assert!(gather(&mut seen).await);
        assert!(started.elapsed() >= LONGEST && started.elapsed() <= LONGEST + QUIET, "{:?}", started.elapsed());
        restless.abort();
    }
}
