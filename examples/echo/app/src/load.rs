//! A client that keeps count.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{signal::unix::Signal, task::JoinSet};

/// How to call.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The URL.
    url: String,
    /// Loops that call side by side.
    #[arg(long, default_value_t = 1)]
    clients: usize,
    /// Milliseconds that a loop waits between two calls.
    #[arg(long, default_value_t = 0)]
    every: u64,
    /// Calls of each loop; 0 is without end.
    #[arg(long, default_value_t = 0)]
    count: u64,
    /// A header, `name: value`; may be given again.
    #[arg(long, short = 'H')]
    header: Vec<String>,
    /// Speak HTTP/2.
    #[arg(long)]
    http2: bool,
    /// Open a connection for every call.
    #[arg(long)]
    no_keepalive: bool,
}

#[derive(Default)]
struct Counts {
    answers: u64,
    statuses: BTreeMap<String, u64>,
    pods: BTreeMap<String, u64>,
    /// The first few errors, whole.
    errors: Vec<String>,
}

/// Errors that are kept whole; the rest is only counted.
const KEPT_ERRORS: usize = 10;

/// Calls until the count is reached or SIGTERM comes, then prints the counts.
pub(crate) async fn run(args: Args, mut terminate: Signal) -> anyhow::Result<()> {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.http2_only(args.http2);
    if args.no_keepalive {
        builder.pool_max_idle_per_host(0);
    }
    let client: Client<HttpConnector, Full<Bytes>> = builder.build_http();
    let started = Instant::now();
    let counts = Arc::new(Mutex::new(Counts::default()));
    let args = Arc::new(args);
    let mut loops = JoinSet::new();
    for _ in 0..args.clients {
        loops.spawn(call_again(Arc::clone(&args), client.clone(), Arc::clone(&counts)));
    }
    tokio::select! {
        () = async { while loops.join_next().await.is_some() {} } => (),
        _ = terminate.recv() => (),
    }
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let json = serde_json::json!({
        "answers": counts.answers, "statuses": counts.statuses, "pods": counts.pods, "errors": counts.errors,
        "seconds": started.elapsed().as_secs_f64(),
    });
    crate::say(&json.to_string());
    Ok(())
}

async fn call_again(args: Arc<Args>, client: Client<HttpConnector, Full<Bytes>>, counts: Arc<Mutex<Counts>>) {
    let mut left = args.count;
    loop {
        let outcome = call(&args, &client).await;
        {
            let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts.answers += 1;
            let status = match outcome {
                Ok((status, pod)) => {
                    *counts.pods.entry(pod).or_default() += 1;
                    status.to_string()
                }
                Err(error) => {
                    if counts.errors.len() < KEPT_ERRORS {
                        counts.errors.push(format!("{error:#}"));
                    }
                    "error".into()
                }
            };
            *counts.statuses.entry(status).or_default() += 1;
        }
        if args.count > 0 {
            left -= 1;
            if left == 0 {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(args.every)).await;
    }
}

async fn call(args: &Args, client: &Client<HttpConnector, Full<Bytes>>) -> anyhow::Result<(u16, String)> {
    let mut request = Request::get(&args.url);
    for header in &args.header {
        let (name, value) = header.split_once(':').ok_or_else(|| anyhow::anyhow!("{header:?} is not name: value"))?;
        request = request.header(name.trim(), value.trim());
    }
    let exchange = async {
        let response = client.request(request.body(Full::default())?).await?;
        let status = response.status().as_u16();
        let pod = response.headers().get("x-pod").and_then(|pod| pod.to_str().ok()).unwrap_or("-").to_owned();
        // The whole body counts as part of the answer: a connection that breaks in the middle is an error.
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        anyhow::Ok((status, pod))
    };
    tokio::time::timeout(Duration::from_secs(10), exchange).await?
}
