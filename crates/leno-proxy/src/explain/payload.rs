//! What ends a chain: requests, or bytes.

use std::rc::Rc;

use leno_api::explain::{Branch, Explanation, Payload as Asked};

use super::{endpoint, refusal};
use crate::{
    config::{TcpProxy, Terminal, Wanted},
    connection::Connection,
    error::{ErrorKind, ProxyError},
    http, tcp,
};

pub(super) async fn explain(
    connection: &Rc<Connection>,
    terminal: &Terminal,
    asked: &Asked,
    told: &mut Explanation,
) -> Result<(), ProxyError> {
    match (terminal, asked) {
        (Terminal::Http(manager), Asked::Http(request)) => {
            http::explain(connection, manager, request, told).await;
            Ok(())
        }
        (Terminal::Http(_), Asked::Tls { .. } | Asked::Bytes) => {
            Err(ProxyError::new(ErrorKind::BadRequest, "HTTP is spoken here, and these bytes are none"))
        }
        (Terminal::Tcp(proxy), _) => bytes(connection, proxy, told).await,
    }
}

/// Where bytes go.
async fn bytes(connection: &Rc<Connection>, proxy: &TcpProxy, told: &mut Explanation) -> Result<(), ProxyError> {
    let sum: f64 = proxy.clusters.iter().map(|weighted| f64::from(weighted.weight)).sum();
    for weighted in proxy.clusters.iter().filter(|weighted| weighted.weight > 0) {
        let mut branch = Branch {
            cluster: weighted.cluster.name().to_string(),
            share: f64::from(weighted.weight) * 100.0 / sum,
            ..Branch::default()
        };
        if !proxy.idle_timeout.is_zero() {
            branch.settings.push(format!("closed when nothing moves for {:?}", proxy.idle_timeout));
        }
        match tcp::exchange::cluster(Some(&weighted.cluster)).await {
            Ok(cluster) => endpoint::place(connection, &cluster, &Wanted::default(), &mut branch).await,
            Err(error) => branch.refusals.push(refusal(&error)),
        }
        told.branches.push(branch);
    }
    if told.branches.is_empty() {
        // The same error as a connection meets.
        tcp::exchange::cluster(None).await.map(drop)?;
    }
    Ok(())
}
