//! Bytes come back.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::{
    io::{self, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Echoes every connection; a server that speaks first says `greeting` before it listens.
pub(crate) async fn serve(address: SocketAddr, greeting: Option<String>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let greeting = greeting.clone().unwrap_or_default();
        crate::spawn(async move {
            if let Err(error) = echo(stream, &greeting).await {
                crate::say(&format!("tcp: {error}"));
            }
        });
    }
}

async fn echo(mut stream: TcpStream, greeting: &str) -> io::Result<()> {
    stream.write_all(greeting.as_bytes()).await?;
    let (mut read, mut write) = stream.split();
    io::copy(&mut read, &mut write).await?;
    write.shutdown().await
}
