//! The bookstore scene: a buyer and a thief, two versions of a store, a warehouse and its ledger.
//!
//! ```text
//! bookbuyer ──► bookstore (v1 | v2) ──► bookwarehouse ──► ledger (TCP, speaks first)
//! bookthief ──►     (refused)
//! ```
//!
//! None of them knows that there is a mesh.

#![forbid(unsafe_code)]

pub mod buyer;
mod http;
pub mod ledger;
pub mod store;
pub mod warehouse;

use clap::Subcommand;

/// What one process of the scene plays.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Buys (or tries to steal) books for ever and shows its count on a page.
    Buyer(buyer::Args),
    /// Sells books and asks the warehouse to restock.
    Store(store::Args),
    /// Restocks and writes every delivery into the ledger.
    Warehouse(warehouse::Args),
    /// Keeps the count of deliveries; a TCP service that speaks first.
    Ledger(ledger::Args),
}

/// Plays a role until SIGTERM.
///
/// # Errors
/// When its port cannot be opened.
pub fn run(role: Role) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            result = play(role) => result,
            _ = terminate.recv() => Ok(()),
        }
    })
}

async fn play(role: Role) -> anyhow::Result<()> {
    match role {
        Role::Buyer(args) => buyer::run(args).await,
        Role::Store(args) => store::run(args).await,
        Role::Warehouse(args) => warehouse::run(args).await,
        Role::Ledger(args) => ledger::run(args).await,
    }
}
