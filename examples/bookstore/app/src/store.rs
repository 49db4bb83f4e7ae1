//! The store.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use clap::Args as ClapArgs;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming};

use crate::http::{Client, answer, say, serve};

/// Flags of this role.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// What it calls itself: the value of its `identity` header.
    #[arg(long, default_value = "bookstore")]
    name: String,
    /// The port it sells on.
    #[arg(long, default_value_t = 14001)]
    port: u16,
    /// Where it restocks.
    #[arg(long, default_value = "http://bookwarehouse.bookwarehouse:14001")]
    warehouse: String,
}

struct Store {
    name: String,
    warehouse: String,
    sold: AtomicU64,
    client: Client,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let store =
        Arc::new(Store { name: args.name, warehouse: args.warehouse, sold: AtomicU64::new(0), client: Client::new() });
    serve(args.port, move |request| {
        let store = Arc::clone(&store);
        async move { store.handle(&request).await }
    })
    .await
}

impl Store {
    async fn handle(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/healthz" => answer(200, &self.name, "ok"),
            "/books-bought" => answer(200, &self.name, self.sold.load(Ordering::Relaxed).to_string()),
            "/buy-a-book/new" => self.sell().await,
            path => answer(404, &self.name, format!("no page {path}")),
        }
    }

    async fn sell(&self) -> Response<Full<Bytes>> {
        let number = self.sold.fetch_add(1, Ordering::Relaxed) + 1;
        let restock = format!("{}/restock-books", self.warehouse);
        match self.client.send("POST", &restock, &[("client-app", "bookstore")]).await {
            Ok(got) if got.status == 200 => {
                say(&format!("sold book {number}, {}", got.body.trim()));
                answer(200, &self.name, format!("book {number}"))
            }
            Ok(got) => answer(502, &self.name, format!("the warehouse answered {}: {}", got.status, got.body)),
            Err(error) => answer(502, &self.name, format!("the warehouse did not answer: {error:#}")),
        }
    }
}
