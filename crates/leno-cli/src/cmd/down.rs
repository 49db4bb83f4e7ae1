//! `leno down`.

use std::process::ExitCode;

use clap::Args;

use crate::{
    cli::Global,
    client::{Client, block_on},
    output::{Output, line},
};

/// Past every event that has happened.
const NOW: u64 = u64::MAX;

/// Stop a running mesh in order, and wait until nothing of it is left
#[derive(Debug, Args)]
pub(crate) struct Down {}

impl Down {
    pub(crate) fn run(self, global: &Global, output: &Output) -> anyhow::Result<ExitCode> {
        block_on(async {
            let client = Client::new(&global.mesh);
            // Only what comes from now on is of interest.
            let mut events = client.events(NOW).await?;
            client.shutdown().await?;
            while let Ok(Some(event)) = events.next().await {
                if output.json {
                    output.record(&event);
                } else if let Some(line) = line::of(&event) {
                    output.note(&line);
                }
            }
            // The last process ends right after the last event.
            client.gone().await;
            Ok(ExitCode::SUCCESS)
        })
    }
}
