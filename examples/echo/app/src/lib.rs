//! An echo service that tells what it saw and who it is, and a client that keeps count: for the tests, and for people
//! who want to look at what a sidecar does.
//!
//! | port kind | answers |
//! |---|---|
//! | HTTP (`--http`) | HTTP/1.1, HTTP/2 with prior knowledge, gRPC (any method; messages come back), WebSocket (`/ws`) |
//! | TCP (`--tcp`) | every byte comes back |
//! | TCP, server first (`--server-first`) | a greeting, then every byte |

#![forbid(unsafe_code)]

mod grpc;
mod http;
pub mod load;
mod tcp;

use std::time::Duration;

use clap::Subcommand;
use hyper::StatusCode;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer, for ever.
    Serve(Serve),
    /// Call a URL again and again and print the count of answers, by status and by pod, as JSON when told to stop.
    Load(load::Args),
}

/// Ports to answer on.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// What it calls itself in every answer.
    #[arg(long, env = "POD_NAME", default_value = "echo")]
    name: String,
    /// The address to listen on.
    #[arg(long, default_value = "0.0.0.0")]
    bind: std::net::IpAddr,
    /// A port for HTTP; may be given again.
    #[arg(long)]
    http: Vec<u16>,
    /// How many milliseconds it thinks before each answer over HTTP.
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// A port for TCP; may be given again.
    #[arg(long)]
    tcp: Vec<u16>,
    /// A port for TCP where the service speaks first; may be given again.
    #[arg(long)]
    server_first: Vec<u16>,
    /// Answer every HTTP request that asks for no status with this one, as a version that is broken does.
    #[arg(long, value_name = "CODE", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    status: u16,
}

/// Does what the command says until SIGTERM.
///
/// # Errors
/// When a port cannot be opened.
pub fn run(command: Command) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        match command {
            Command::Serve(args) => tokio::select! {
                result = serve(args) => result,
                _ = terminate.recv() => Ok(()),
            },
            Command::Load(args) => load::run(args, terminate).await,
        }
    })
}

async fn serve(args: Serve) -> anyhow::Result<()> {
    let mut servers = tokio::task::JoinSet::new();
    for port in args.http {
        let says = http::Says {
            name: args.name.clone(),
            delay: Duration::from_millis(args.delay),
            status: StatusCode::from_u16(args.status)?,
        };
        servers.spawn(http::serve((args.bind, port).into(), says));
    }
    for port in args.tcp {
        servers.spawn(tcp::serve((args.bind, port).into(), None));
    }
    for port in args.server_first {
        servers.spawn(tcp::serve((args.bind, port).into(), Some(format!("HELLO from {}\n", args.name))));
    }
    anyhow::ensure!(!servers.is_empty(), "give at least one of --http, --tcp, --server-first");
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    Ok(())
}

/// Runs something beside the rest.
#[expect(clippy::disallowed_methods, reason = "an application, not the mesh: it has nothing to drain")]
fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}

/// One line on standard output.
#[expect(clippy::print_stdout, reason = "the application's log")]
fn say(line: &str) {
    println!("{line}");
}
