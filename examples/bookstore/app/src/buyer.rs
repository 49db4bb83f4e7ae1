//! The buyer, and the thief: the same program under another name.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use clap::Args as ClapArgs;
use hyper::Request;

use crate::http::{Client, answer, say, serve, spawn};

/// Flags of this role.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// What it calls itself: the value of its `client-app` header.
    #[arg(long, default_value = "bookbuyer")]
    name: String,
    /// Where books are sold.
    #[arg(long, default_value = "http://bookstore.bookstore:14001")]
    store: String,
    /// The port of its page.
    #[arg(long, default_value_t = 14001)]
    port: u16,
    /// Milliseconds between two purchases.
    #[arg(long, default_value_t = 200)]
    every: u64,
}

#[derive(Default)]
struct Counts {
    /// Books bought, by the store that sold them.
    bought: BTreeMap<String, u64>,
    /// Requests that were answered 403.
    refused: u64,
    /// Anything else than a book or a refusal.
    failed: u64,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let counts = Arc::new(Mutex::new(Counts::default()));
    spawn(buy_for_ever(args.name.clone(), args.store, args.every, Arc::clone(&counts)));
    serve(args.port, move |request| {
        let page = page(&args.name, &counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner), &request);
        let name = args.name.clone();
        async move { answer(200, &name, page) }
    })
    .await
}

async fn buy_for_ever(name: String, store: String, every: u64, counts: Arc<Mutex<Counts>>) {
    let client = Client::new();
    let headers = [("client-app", name.as_str()), ("user-agent", "leno-http-client/1.1")];
    let mut ticks = tokio::time::interval(Duration::from_millis(every.max(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let outcome = client.send("GET", &format!("{store}/buy-a-book/new"), &headers).await;
        let mut counts = counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match outcome {
            Ok(got) if got.status == 200 => {
                let total = counts.bought.entry(got.identity.clone()).or_default();
                *total += 1;
                say(&format!("bought from {}: {} ({total} from there so far)", got.identity, got.body.trim()));
            }
            Ok(got) if got.status == 403 => {
                counts.refused += 1;
                say(&format!("refused: {}", got.body.trim()));
            }
            Ok(got) => {
                counts.failed += 1;
                say(&format!("failed: {} {}", got.status, got.body.trim()));
            }
            Err(error) => {
                counts.failed += 1;
                say(&format!("failed: {error:#}"));
            }
        }
    }
}

/// The count, as JSON under `/counts` and as a page that refreshes itself elsewhere.
fn page<B>(name: &str, counts: &Counts, request: &Request<B>) -> String {
    let json = serde_json::json!({
        "name": name, "bought": counts.bought, "refused": counts.refused, "failed": counts.failed,
    });
    if request.uri().path() == "/counts" {
        return json.to_string();
    }
    let rows: String = counts.bought.iter().map(|(store, count)| format!("<tr><td>{store}<td>{count}</tr>")).collect();
    format!(
        "<!doctype html><meta http-equiv=refresh content=1><title>{name}</title><h1>{name}</h1>\
         <table border=1 cellpadding=6><tr><th>bought from<th>books</tr>{rows}\
         <tr><td>refused<td>{}</tr><tr><td>failed<td>{}</tr></table>",
        counts.refused, counts.failed
    )
}
