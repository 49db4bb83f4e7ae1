//! Cross-origin requests of browsers ([CORS]).
//!
//! [CORS]: https://fetch.spec.whatwg.org/#http-cors-protocol

use rand::Rng;

use crate::{
    fraction::Fraction,
    matcher::StringMatcher,
    request::RequestHead,
    route::{HeaderAppend, HeaderEdits, HeaderText, HeaderWrite},
};

/// What pages of other origins may do, as one place says it; what it leaves open, the next wider place says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsPolicy {
    /// The origins; empty: not said. A pattern that fits `*` fits all.
    pub origins: Vec<StringMatcher>,
    /// The methods, as the header names them; empty: not said.
    pub methods: Box<str>,
    /// The headers of requests; empty: not said.
    pub headers: Box<str>,
    /// The headers of answers that pages may read; empty: not said.
    pub expose: Box<str>,
    /// How many seconds browsers may remember it; empty: not said.
    pub max_age: Box<str>,
    /// Whether requests may have cookies. Not, unless said.
    pub credentials: Option<bool>,
    /// Whether public pages may ask private networks. Not, unless said.
    pub private_network: Option<bool>,
    /// For how many requests it is looked at; the closest place decides.
    pub enabled: Fraction,
    /// Whether a preflight from another origin goes on to the endpoint (so, unless said); else it is answered without a
    /// permission.
    pub forward_others: Option<bool>,
}

/// What is done with a request from a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preflight {
    /// It goes on; the answer gets these.
    Forward(HeaderEdits),
    /// It asks whether another one may follow: it is answered with these headers.
    Answer(Vec<(&'static str, String)>),
}

/// What is said at all places that count for a request, the closest first.
#[derive(Clone, Copy, Debug)]
struct Said<'a>(&'a [&'a CorsPolicy]);

impl<'a> Said<'a> {
    fn text(self, field: fn(&CorsPolicy) -> &str) -> Option<&'a str> {
        self.0.iter().map(|policy| field(policy)).find(|text| !text.is_empty())
    }

    fn flag(self, field: fn(&CorsPolicy) -> Option<bool>) -> Option<bool> {
        self.0.iter().find_map(|policy| field(policy))
    }

    fn origins(self) -> &'a [StringMatcher] {
        self.0.iter().map(|policy| &policy.origins[..]).find(|origins| !origins.is_empty()).unwrap_or_default()
    }
}

impl CorsPolicy {
    /// What is done with a request; `None`: nothing, it is from no page of another origin that counts. `policies` are
    /// those of all places that say something, the closest first.
    pub fn check<R: RequestHead>(policies: &[&Self], request: &R, random: &mut impl Rng) -> Option<Preflight> {
        let said = Said(policies);
        let origin = request.header("origin").filter(|origin| !origin.is_empty())?;
        if !policies.first()?.enabled.hits(random) {
            return None;
        }
        let preflight = request.method() == "OPTIONS"
            && request.header("access-control-request-method").is_some_and(|method| !method.is_empty());
        let text = std::str::from_utf8(origin).ok()?;
        // Two origins in one request are none.
        let single = request.values("origin").count() == 1;
        let fits = single && said.origins().iter().any(|matcher| matcher.matches(b"*") || matcher.matches(origin));
        let mut headers = Vec::new();
        if fits {
            headers.push(("access-control-allow-origin", text.to_owned()));
        } else if !preflight || said.flag(|policy| policy.forward_others).unwrap_or(true) {
            return None;
        }
        if said.flag(|policy| policy.credentials) == Some(true) {
            headers.push(("access-control-allow-credentials", "true".to_owned()));
        }
        let mut tell = |name, value: Option<&str>| headers.extend(value.map(|value| (name, value.to_owned())));
        if fits {
            tell("access-control-expose-headers", said.text(|policy| &policy.expose));
        }
        if !preflight {
            return Some(Preflight::Forward(overwrite(headers)));
        }
        tell("access-control-allow-methods", said.text(|policy| &policy.methods));
        tell("access-control-allow-headers", said.text(|policy| &policy.headers));
        tell("access-control-max-age", said.text(|policy| &policy.max_age));
        let asks = request.header("access-control-request-private-network") == Some(b"true");
        let allowed = said.flag(|policy| policy.private_network) == Some(true);
        tell("access-control-allow-private-network", (asks && allowed).then_some("true"));
        Some(Preflight::Answer(headers))
    }
}

fn overwrite(headers: Vec<(&'static str, String)>) -> HeaderEdits {
    let write = |(name, value): (&str, String)| HeaderWrite {
        name: name.into(),
        value: HeaderText::Plain(value.into()),
        append: HeaderAppend::Overwrite,
    };
    HeaderEdits { remove: Vec::new(), add: headers.into_iter().map(write).collect() }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;
    use crate::request::SimpleRequest;

    fn policy() -> CorsPolicy {
        CorsPolicy {
            origins: vec![StringMatcher::exact("https://a")],
            methods: "GET,PUT".into(),
            expose: "x-count".into(),
            max_age: "60".into(),
            credentials: Some(true),
            private_network: Some(true),
            enabled: Fraction::ALL,
            ..CorsPolicy::default()
        }
    }

    fn checked(policies: &[&CorsPolicy], request: &SimpleRequest) -> Option<Preflight> {
        CorsPolicy::check(policies, request, &mut StdRng::seed_from_u64(1))
    }

    fn names(headers: &[(&'static str, String)]) -> Vec<String> {
        headers.iter().map(|(name, value)| format!("{}: {value}", name.trim_start_matches("access-control-"))).collect()
    }

    #[test]
    fn preflights_are_answered_and_the_rest_goes_on() {
        let policy = policy();
        let from = |method: &str, origin: &str| SimpleRequest::new(method, "/", "b").with("origin", origin);
        assert_eq!(checked(&[&policy], &SimpleRequest::new("GET", "/", "b")), None);
        assert_eq!(checked(&[&policy], &from("GET", "https://c")), None);
        assert_eq!(checked(&[&policy], &from("GET", "https://a").with("origin", "https://a")), None);
        let Some(Preflight::Forward(edits)) = checked(&[&policy], &from("OPTIONS", "https://a")) else { panic!() };
        let written: Vec<_> = edits.add.iter().map(|write| write.name.trim_start_matches("access-control-")).collect();
        assert_eq!(written, ["allow-origin", "allow-credentials", "expose-headers"]);
        let asks = from("OPTIONS", "https://a")
            .with("access-control-request-method", "PUT")
            .with("access-control-request-private-network", "true");
        let Some(Preflight::Answer(headers)) = checked(&[&policy], &asks) else { panic!() };
        let expected = [
            "allow-origin: https://a",
            "allow-credentials: true",
            "expose-headers: x-count",
            "allow-methods: GET,PUT",
            "max-age: 60",
            "allow-private-network: true",
        ];
        assert_eq!(names(&headers), expected);
    }

    #[test]
    fn what_a_place_leaves_open_the_next_one_says() {
        let (wide, mut close) = (policy(), CorsPolicy { enabled: Fraction::ALL, ..CorsPolicy::default() });
        let asks = SimpleRequest::new("OPTIONS", "/", "b")
            .with("origin", "https://c")
            .with("access-control-request-method", "PUT");
        assert_eq!(checked(&[&close, &wide], &asks), None, "preflights from elsewhere go on");
        close.forward_others = Some(false);
        let Some(Preflight::Answer(headers)) = checked(&[&close, &wide], &asks) else { panic!() };
        assert_eq!(names(&headers), ["allow-credentials: true", "allow-methods: GET,PUT", "max-age: 60"]);
        close.origins = vec![StringMatcher::exact("*")];
        close.credentials = Some(false);
        let Some(Preflight::Answer(headers)) = checked(&[&close, &wide], &asks) else { panic!() };
        assert_eq!(names(&headers)[..2], ["allow-origin: https://c", "expose-headers: x-count"]);
        close.enabled = Fraction::NONE;
        assert_eq!(checked(&[&close, &wide], &asks), None);
        assert_eq!(checked(&[], &asks), None);
    }
}
