//! A request with the target that it is judged by and goes on with.

use std::borrow::Cow;

use leno_engine::{host_rules::HostRules, normalize::Normalized, request::RequestHead};

use super::reply::Reply;
use crate::{
    config::HttpConnectionManager,
    connection::Connection,
    error::{ErrorKind, ProxyError},
};

/// A request whose path is in its normal form.
#[derive(Clone, Debug)]
pub(super) struct Judged<'a, R> {
    request: &'a R,
    /// Its target.
    pub(super) target: Cow<'a, str>,
    /// Its host, where rules say something of hosts.
    authority: Option<Cow<'a, str>>,
}

impl<'a, R: RequestHead> Judged<'a, R> {
    /// Applies the rules.
    ///
    /// # Errors
    /// The answer to a request that does not go on.
    pub(super) fn new(connection: &Connection, manager: &HttpConnectionManager, request: &'a R) -> Result<Self, Reply> {
        let (rules, local) = (manager.paths, connection.original_destination.port());
        let judged = manager.hosts != HostRules::default();
        let connect = judged && request.method() == "CONNECT";
        let authority = judged.then(|| manager.hosts.apply(request.authority(), connect, local));
        let target = match request.method() {
            // Its target is a host.
            "CONNECT" => Normalized::Target(Cow::Borrowed(request.target())),
            _ => rules.apply(request.target()),
        };
        match target {
            Normalized::Target(target) => Ok(Self { request, target, authority }),
            Normalized::Redirect(location) => Err(Reply::redirect(307, location)),
            Normalized::Refused(why) => Err(Reply::from(ProxyError::new(ErrorKind::BadRequest, why))),
        }
    }

    /// The host, when it is another one than the caller named.
    pub(super) fn changed_host(&self) -> Option<&str> {
        self.authority.as_deref().filter(|authority| *authority != self.request.authority())
    }

    /// The target, when it is another one than the caller sent.
    pub(super) fn changed(&self) -> Option<String> {
        match &self.target {
            Cow::Borrowed(_) => None,
            Cow::Owned(target) => Some(target.clone()),
        }
    }
}

impl<R: RequestHead> RequestHead for Judged<'_, R> {
    fn method(&self) -> &str {
        self.request.method()
    }

    fn target(&self) -> &str {
        &self.target
    }

    fn authority(&self) -> &str {
        self.authority.as_deref().unwrap_or_else(|| self.request.authority())
    }

    fn values<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b [u8]> {
        self.request.values(name)
    }

    fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.request.all()
    }
}
