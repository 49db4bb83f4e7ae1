//! The warehouse.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::Mutex,
};

use crate::http::{answer, say, serve};

/// Flags of this role.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The port it delivers from.
    #[arg(long, default_value_t = 14001)]
    port: u16,
    /// Where deliveries are written down.
    #[arg(long, default_value = "ledger.bookwarehouse:3306")]
    ledger: String,
}

/// The one connection to the ledger, opened when first needed and again after it broke.
type Line = Mutex<Option<BufReader<TcpStream>>>;

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let line: Arc<Line> = Arc::default();
    let ledger = args.ledger;
    serve(args.port, move |request| {
        let (line, ledger) = (Arc::clone(&line), ledger.clone());
        async move {
            match (request.method().as_str(), request.uri().path()) {
                ("GET", "/healthz") => answer(200, "bookwarehouse", "ok"),
                ("POST", "/restock-books") => match write_down(&line, &ledger).await {
                    Ok(total) => {
                        say(&format!("delivered, {total}"));
                        answer(200, "bookwarehouse", total)
                    }
                    Err(error) => answer(502, "bookwarehouse", format!("the ledger did not answer: {error:#}")),
                },
                (method, path) => answer(404, "bookwarehouse", format!("no {method} {path}")),
            }
        }
    })
    .await
}

async fn write_down(line: &Line, ledger: &str) -> anyhow::Result<String> {
    let mut line = line.lock().await;
    // A kept connection may have been closed meanwhile; a fresh one is tried once.
    if let Some(open) = line.as_mut()
        && let Ok(total) = add(open).await
    {
        return Ok(total);
    }
    let stream = TcpStream::connect(ledger).await.with_context(|| format!("connect to {ledger}"))?;
    let mut open = BufReader::new(stream);
    let greeting = read_line(&mut open).await?;
    anyhow::ensure!(greeting.starts_with("LEDGER"), "unexpected greeting {greeting:?}");
    let total = add(&mut open).await?;
    *line = Some(open);
    Ok(total)
}

async fn add(open: &mut BufReader<TcpStream>) -> anyhow::Result<String> {
    open.get_mut().write_all(b"ADD 1\n").await?;
    read_line(open).await
}

async fn read_line(open: &mut BufReader<TcpStream>) -> anyhow::Result<String> {
    let mut text = String::new();
    anyhow::ensure!(open.read_line(&mut text).await? > 0, "the ledger hung up");
    Ok(text.trim().to_owned())
}
