//! The ledger: a TCP service that speaks first, as databases do.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context as _;
use clap::Args as ClapArgs;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::http::{say, spawn};

/// Flags of this role.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The port it listens on.
    #[arg(long, default_value_t = 3306)]
    port: u16,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let address = SocketAddr::from(([0, 0, 0, 0], args.port));
    let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
    let total = Arc::new(AtomicU64::new(0));
    loop {
        let (stream, peer) = listener.accept().await?;
        let total = Arc::clone(&total);
        spawn(async move {
            if let Err(error) = keep(stream, &total).await {
                say(&format!("{peer} left: {error:#}"));
            }
        });
    }
}

async fn keep(mut stream: TcpStream, total: &AtomicU64) -> anyhow::Result<()> {
    stream.write_all(b"LEDGER 1 ready\n").await?;
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let reply = match line.strip_prefix("ADD ").map(str::parse::<u64>) {
            Some(Ok(count)) => format!("{} in the ledger\n", total.fetch_add(count, Ordering::Relaxed) + count),
            Some(Err(_)) | None => format!("ERR {line:?} is not of the form ADD <count>\n"),
        };
        write.write_all(reply.as_bytes()).await?;
    }
    Ok(())
}
