//! A request with the target that it is judged by and goes on with.

use std::borrow::Cow;

use leno_engine::{
    normalize::{Normalized, PathRules},
    request::RequestHead,
};

use super::reply::Reply;
use crate::error::{ErrorKind, ProxyError};

/// A request whose path is in its normal form.
#[derive(Clone, Debug)]
pub(super) struct Judged<'a, R> {
    request: &'a R,
    /// Its target.
    pub(super) target: Cow<'a, str>,
}

impl<'a, R: RequestHead> Judged<'a, R> {
    /// Applies the rules.
    ///
    /// # Errors
    /// The answer to a request that does not go on.
    pub(super) fn new(request: &'a R, rules: PathRules) -> Result<Self, Reply> {
        let target = match request.method() {
            // Its target is a host.
            "CONNECT" => Normalized::Target(Cow::Borrowed(request.target())),
            _ => rules.apply(request.target()),
        };
        match target {
            Normalized::Target(target) => Ok(Self { request, target }),
            Normalized::Redirect(location) => Err(Reply::redirect(307, location)),
            Normalized::Refused(why) => Err(Reply::from(ProxyError::new(ErrorKind::BadRequest, why))),
        }
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
        self.request.authority()
    }

    fn values<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b [u8]> {
        self.request.values(name)
    }

    fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.request.all()
    }
}
