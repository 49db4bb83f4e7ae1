//! One role of the bookstore scene.

use clap::Parser;

#[derive(Parser)]
#[command(name = "bookstore", about = "The bookstore scene, one role a process")]
struct Cli {
    #[command(subcommand)]
    role: bookstore::Role,
}

fn main() -> anyhow::Result<()> {
    bookstore::run(Cli::parse().role)
}
