//! The application's own metrics, which leave the pod through the sidecar: its port may be closed to plaintext.

use std::{net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use http::{Request, header::HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use leno_runtime::task;
use tokio::net::TcpStream;

/// The most that is taken from the application.
pub(crate) const MAX: usize = 16 * 1024 * 1024;
/// How long it may take.
pub(crate) const WITHIN: Duration = Duration::from_secs(5);

/// Where the application shows its metrics.
#[derive(Clone, Debug)]
pub struct Application {
    /// Its port on loopback.
    pub port: u16,
    /// The path.
    pub path: String,
}

impl Application {
    /// Its metrics.
    ///
    /// # Errors
    /// Why they could not be had.
    pub async fn scrape(&self) -> Result<String, String> {
        match tokio::time::timeout(WITHIN, self.fetch()).await {
            Ok(page) => page.map_err(|error| format!("127.0.0.1:{}{}: {error}", self.port, self.path)),
            Err(_) => Err(format!("127.0.0.1:{}{}: took longer than {WITHIN:?}", self.port, self.path)),
        }
    }

    async fn fetch(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = task::spawn(connection);
        let request =
            Request::get(&self.path).header(HOST, format!("127.0.0.1:{}", self.port)).body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(format!("answered {}", response.status()).into());
        }
        let body = Limited::new(response.into_body(), MAX).collect().await?.to_bytes();
        driver.abort();
        // OpenMetrics ends with a mark that must not come in the middle of a page.
        let text = String::from_utf8(body.into())?;
        Ok(text.trim_end().trim_end_matches("# EOF").trim_end().to_owned() + "\n")
    }
}
