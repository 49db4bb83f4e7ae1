//! What is asked about, and what counts when nobody answers.

use std::{num::NonZeroU32, sync::Arc};

use super::HttpAuthz;
use crate::{filter::GrpcService, fraction::Fraction, matcher::StringMatcher, metadata::MetadataMatcher};

/// A filter that asks a service.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtAuthz {
    /// Who is asked.
    pub service: AuthzService,
    /// Whether requests go on when nobody answers.
    pub failure_allows: bool,
    /// Whether those that do carry `x-envoy-auth-failure-mode-allowed: true`.
    pub failure_tells: bool,
    /// The status of those that do not. Default 403.
    pub status_on_error: u16,
    /// How much of the body the service sees; `None`: nothing.
    pub body: Option<BodySettings>,
    /// Which headers it sees.
    pub headers: HeaderSelection,
    /// Whether the route is chosen anew when the service changed the request.
    pub reroutes: bool,
    /// Whether an answer with illegal changes is answered with 500; else such a change is left out.
    pub validates: bool,
    /// What other filters found out is told under these names.
    pub metadata_namespaces: Vec<Box<str>>,
    /// For how many requests it is asked.
    pub enabled: Fraction,
    /// Only for those of which this was found out.
    pub enabled_metadata: Option<MetadataMatcher>,
    /// Whether those that it is not asked about are refused.
    pub deny_at_disable: bool,
    /// Whether it is told the name that the caller's ClientHello asks for.
    pub tells_server_name: bool,
    /// Whether a header that comes several times is told as several; else as one, with commas.
    pub raw_headers: bool,
    /// Whether what it found out is kept for other filters.
    pub keeps_metadata: bool,
    /// How many bytes of its answer a refused caller gets; `None`: all.
    pub max_denied_body: Option<NonZeroU32>,
    /// Whether the service refuses nothing: what it has against a request, and that it gave no answer, is only told. A body
    /// that is to be held whole and is too large, and `deny_at_disable`, refuse all the same, as they do in Envoy.
    pub shadow: bool,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthzService {
    /// Envoy's service `envoy.service.auth.v3.Authorization`.
    Grpc(GrpcService),
    /// Any server of HTTP: 200 lets a request pass.
    Http(Box<HttpAuthz>),
}

impl AuthzService {
    /// The cluster over which it is reached.
    #[must_use]
    pub fn cluster(&self) -> &str {
        match self {
            Self::Grpc(service) => &service.cluster,
            Self::Http(http) => &http.service.cluster,
        }
    }
}

/// How much of a body the service sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySettings {
    /// So many bytes.
    pub max_bytes: NonZeroU32,
    /// Whether larger bodies are cut; else they are answered with 413.
    pub partial: bool,
    /// Whether it is told as bytes, not as a text.
    pub bytes: bool,
}

/// A name and what is told under it.
pub type Context = (Box<str>, Box<str>);

/// What a route says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuthzRoute {
    /// Told to the service; what a closer place says under the same name counts.
    pub context: Vec<Context>,
    /// How much of the body it sees; `None`: as the filter says.
    pub body: Option<Option<BodySettings>>,
    /// Who is asked instead.
    pub service: Option<AuthzService>,
}

impl AuthzRoute {
    /// What several places say together, the closest first: its settings, and the context of all.
    #[must_use]
    pub fn merged<'a>(places: impl DoubleEndedIterator<Item = &'a Arc<Self>>) -> Option<Self> {
        let mut merged: Option<Self> = None;
        for place in places.rev() {
            let mut next = (**place).clone();
            let before = merged.map(|wider| wider.context).unwrap_or_default();
            let hidden = |name: &str| next.context.iter().any(|(key, _)| **key == *name);
            let kept: Vec<_> = before.into_iter().filter(|(name, _)| !hidden(name)).collect();
            next.context.extend(kept);
            merged = Some(next);
        }
        merged
    }
}

/// Which headers the service sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderSelection {
    /// Those that fit one of these; `None`: all for gRPC, none but a few for HTTP.
    pub allowed: Option<Vec<StringMatcher>>,
    /// And none of these.
    pub disallowed: Vec<StringMatcher>,
}

impl HeaderSelection {
    /// Whether the service sees a header (name in lower case). `unsaid`: what counts where nothing is said.
    #[must_use]
    pub fn sees(&self, name: &str, unsaid: bool) -> bool {
        let fits = |matchers: &[StringMatcher]| matchers.iter().any(|matcher| matcher.matches(name.as_bytes()));
        self.allowed.as_deref().map_or(unsaid, fits) && !fits(&self.disallowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_place_counts_and_all_give_context() {
        let route = |context: &[(&str, &str)], body| {
            let context = context.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            Arc::new(AuthzRoute { context, body, service: None })
        };
        let (close, wide) = (route(&[("a", "1")], None), route(&[("a", "2"), ("b", "3")], Some(None)));
        let merged = AuthzRoute::merged([&close, &wide].into_iter()).unwrap();
        assert_eq!(merged.context, [("a".into(), "1".into()), ("b".into(), "3".into())]);
        assert_eq!(merged.body, None);
        assert_eq!(AuthzRoute::merged(std::iter::empty()), None);
    }

    #[test]
    fn headers_are_seen_as_said() {
        let mut headers = HeaderSelection::default();
        assert!(headers.sees("x", true) && !headers.sees("x", false));
        headers.allowed = Some(vec![StringMatcher::exact("x")]);
        assert!(headers.sees("x", false) && !headers.sees("y", true));
        headers.disallowed = vec![StringMatcher::exact("x")];
        assert!(!headers.sees("x", true));
    }
}
