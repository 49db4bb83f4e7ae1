//! What tokens a request must have, and whether it has them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Jwks, JwtFailure, Keys, Location, Provider, Token};
use crate::{
    request::RequestHead,
    route::{HeaderAppend, HeaderEdits, HeaderText, HeaderWrite, RouteMatch},
};

/// Which requests must have which tokens.
#[derive(Clone, Debug)]
pub struct JwtAuthn {
    /// The issuers.
    pub providers: Vec<Provider>,
    /// The rules; the first that fits decides. Without one nothing is demanded.
    pub rules: Vec<JwtRule>,
    /// Requirements that routes refer to by name.
    pub named: Vec<(Box<str>, Requirement)>,
    /// Whether browsers may ask whether they may, without a token.
    pub passes_preflight: bool,
    /// Whether callers are not told what is wrong.
    pub silent: bool,
}

impl PartialEq for JwtAuthn {
    /// Never: keys have no equality. Two configurations are two.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// What is demanded of some requests.
#[derive(Clone, Debug, PartialEq)]
pub struct JwtRule {
    /// Which.
    pub matches: RouteMatch,
    /// What; `None`: nothing.
    pub requires: Option<Requirement>,
}

/// Tokens that a request must have. Providers are by their place in the list.
#[derive(Clone, Debug, PartialEq)]
pub enum Requirement {
    /// One of this issuer; for these instead of whom its tokens must be for.
    Provider(usize, Option<Vec<Box<str>>>),
    /// One of these; the second says whether a request without any, or with one that does not hold, passes as well.
    Any(Vec<Self>, Demand),
    /// All of these.
    All(Vec<Self>),
    /// None, but those that are there are verified.
    Optional(Demand),
}

/// What is demanded where a token is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// It must be there.
    #[default]
    Present,
    /// What is there must hold.
    Valid,
    /// Nothing.
    Nothing,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It passes, changed so.
    Passed(Box<Verified>),
    /// It does not.
    Failed(JwtFailure),
    /// The keys of this provider must be known first.
    Wanted(usize),
}

/// What a request that passes becomes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// Changes to its headers.
    pub edits: HeaderEdits,
    /// Its new target, if a token stood in the old one.
    pub target: Option<String>,
    /// What other filters find.
    pub metadata: Map<String, Value>,
    /// Whether the route is chosen anew.
    pub reroutes: bool,
}

/// The keys of a provider, as far as they are known.
#[derive(Clone, Debug)]
pub enum KeySet {
    /// These.
    Known(Arc<Jwks>),
    /// They cannot be had.
    Failed,
    /// They have not been fetched.
    Unknown,
}

/// A request that is looked at.
struct Look<'a, R, K> {
    authn: &'a JwtAuthn,
    request: &'a R,
    keys: K,
    now: u64,
    verified: Verified,
}

/// Why a requirement is not fulfilled.
enum Lack {
    Failure(JwtFailure),
    Wanted(usize),
}

impl JwtAuthn {
    /// What is demanded of a request. `number` is the request's, drawn at random.
    pub fn requirement<R: RequestHead>(&self, request: &R, number: u64) -> Option<&Requirement> {
        self.rules.iter().find(|rule| rule.matches.fits(request, number))?.requires.as_ref()
    }

    /// A requirement by its name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Requirement> {
        self.named.iter().find(|(own, _)| **own == *name).map(|(_, requirement)| requirement)
    }

    /// Takes away headers that only this filter may write.
    #[must_use]
    pub fn cleaned<R: RequestHead>(&self, request: &R) -> HeaderEdits {
        let mut remove: Vec<Box<str>> = Vec::new();
        for name in self.providers.iter().flat_map(Provider::own_headers) {
            if request.header(name).is_some() && !remove.iter().any(|known| **known == *name) {
                remove.push(name.into());
            }
        }
        HeaderEdits { remove, add: Vec::new() }
    }

    /// Looks at a request. `keys` tells what is known of a provider's keys, `now` is in seconds since the epoch.
    pub fn check<R: RequestHead>(
        &self,
        requirement: &Requirement,
        request: &R,
        keys: impl Fn(usize) -> KeySet,
        now: u64,
    ) -> Verdict {
        let mut look = Look { authn: self, request, keys, now, verified: Verified::default() };
        match look.fulfils(requirement) {
            Ok(()) => Verdict::Passed(Box::new(look.verified)),
            Err(Lack::Failure(failure)) => Verdict::Failed(failure),
            Err(Lack::Wanted(provider)) => Verdict::Wanted(provider),
        }
    }
}

impl<R: RequestHead, K: Fn(usize) -> KeySet> Look<'_, R, K> {
    fn fulfils(&mut self, requirement: &Requirement) -> Result<(), Lack> {
        match requirement {
            Requirement::Provider(provider, audiences) => self.of(*provider, audiences.as_deref()),
            Requirement::All(all) => all.iter().try_for_each(|one| self.fulfils(one)),
            Requirement::Any(any, demand) => {
                let mut failure = JwtFailure::Missing;
                for one in any {
                    match self.fulfils(one) {
                        Err(Lack::Failure(other)) => failure = failure.or(other),
                        passed => return passed,
                    }
                }
                forgive(failure, *demand)
            }
            Requirement::Optional(demand) => match self.any() {
                Err(Lack::Failure(failure)) => forgive(failure, *demand),
                looked => looked,
            },
        }
    }

    /// Whether all tokens at the places of a provider are its own and hold, and there is one.
    fn of(&mut self, place: usize, audiences: Option<&[Box<str>]>) -> Result<(), Lack> {
        let authn = self.authn;
        let Some(provider) = authn.providers.get(place) else { return Err(Lack::Failure(JwtFailure::Issuer)) };
        let mut found = false;
        for location in &provider.locations {
            let Some(text) = location.find(self.request) else { continue };
            found = true;
            let verified = Token::read(&text).map_err(Lack::Failure).and_then(|token| {
                provider.check(&token, audiences, self.now).map_err(Lack::Failure)?;
                self.verify(place, &token)?;
                Ok(token)
            });
            match verified {
                Ok(token) => self.accept(provider, location, &token),
                Err(Lack::Failure(failure)) => return Err(self.note(provider, failure)),
                Err(wanted) => return Err(wanted),
            }
        }
        if found { Ok(()) } else { Err(self.note(provider, JwtFailure::Missing)) }
    }

    /// Whether every token, wherever one may stand, is of one of the issuers and holds.
    fn any(&mut self) -> Result<(), Lack> {
        let authn = self.authn;
        let mut failure = None;
        let mut found = false;
        let mut looked: Vec<&Location> = Vec::new();
        for location in authn.providers.iter().flat_map(|provider| &provider.locations) {
            if looked.contains(&location) {
                continue;
            }
            looked.push(location);
            let Some(text) = location.find(self.request) else { continue };
            found = true;
            match self.issued(location, &text) {
                Err(Lack::Failure(other)) => failure = Some(other),
                Err(wanted) => return Err(wanted),
                Ok(()) => {}
            }
        }
        match failure {
            Some(failure) => Err(Lack::Failure(failure)),
            None if found => Ok(()),
            None => Err(Lack::Failure(JwtFailure::Missing)),
        }
    }

    /// Whether a token at a place is of an issuer that has tokens there, and holds.
    fn issued(&mut self, location: &Location, text: &str) -> Result<(), Lack> {
        let authn = self.authn;
        let token = Token::read(text).map_err(Lack::Failure)?;
        let issuers = authn.providers.iter().enumerate();
        let mut issuers = issuers.filter(|(_, provider)| *provider.issuer == *token.issuer);
        let issuer = issuers.find(|(_, provider)| provider.locations.contains(location));
        let (place, provider) = issuer.ok_or(Lack::Failure(JwtFailure::Issuer))?;
        provider.check(&token, None, self.now).map_err(Lack::Failure)?;
        self.verify(place, &token)?;
        self.accept(provider, location, &token);
        Ok(())
    }

    fn verify(&self, place: usize, token: &Token<'_>) -> Result<(), Lack> {
        let local = self.authn.providers.get(place).map(|provider| &provider.keys);
        let keys = match local {
            Some(Keys::Local(keys)) => KeySet::Known(Arc::clone(keys)),
            Some(Keys::Remote(_)) | None => (self.keys)(place),
        };
        match keys {
            KeySet::Known(keys) => keys.verify(token).map_err(Lack::Failure),
            KeySet::Failed => Err(Lack::Failure(JwtFailure::Fetch)),
            KeySet::Unknown => Err(Lack::Wanted(place)),
        }
    }

    /// Notes what becomes of the request.
    fn accept(&mut self, provider: &Provider, location: &Location, token: &Token<'_>) {
        let headers = provider.headers(token);
        let verified = &mut self.verified;
        verified.reroutes |= provider.reroutes && (!provider.claims.is_empty() || provider.payload_metadata.is_some());
        for (name, value) in headers {
            let value = HeaderText::Plain(value.into());
            verified.edits.add.push(HeaderWrite { name, value, append: HeaderAppend::Append });
        }
        if let Some(key) = &provider.payload_metadata {
            verified.metadata.insert(key.to_string(), provider.payload(token));
        }
        if let Some(key) = &provider.header_metadata {
            verified.metadata.insert(key.to_string(), Value::Object(token.header.clone()));
        }
        if provider.forwards {
            return;
        }
        if let Location::Header(name, _) = location {
            verified.edits.remove.push(name.clone());
        }
        let target = verified.target.as_deref().unwrap_or_else(|| self.request.target());
        if let Some(stripped) = location.stripped(target) {
            verified.target = Some(stripped);
        }
    }

    /// Notes why a token does not hold.
    fn note(&mut self, provider: &Provider, failure: JwtFailure) -> Lack {
        if let Some(key) = &provider.failure_metadata {
            let code = failure as u8;
            self.verified.metadata.insert(key.to_string(), json!({ "code": code, "message": failure.to_string() }));
        }
        Lack::Failure(failure)
    }
}

/// Whether a failure counts.
fn forgive(failure: JwtFailure, demand: Demand) -> Result<(), Lack> {
    match (demand, failure) {
        (Demand::Nothing, _) | (Demand::Valid, JwtFailure::Missing) => Ok(()),
        (Demand::Present | Demand::Valid, failure) => Err(Lack::Failure(failure)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

    use super::*;
    use crate::{
        filter::HttpService,
        jwt::{ClaimToHeader, RemoteKeys},
        request::SimpleRequest,
        resilience::Backoff,
    };

    fn provider(name: &str, issuer: &str, location: Location) -> Provider {
        let key = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(name) });
        let keys = Jwks::read(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
        Provider {
            name: name.into(),
            issuer: issuer.into(),
            audiences: vec![],
            subjects: None,
            must_expire: false,
            max_lifetime: None,
            skew: Duration::from_secs(60),
            keys: Keys::Local(Arc::new(keys)),
            locations: vec![location],
            forwards: false,
            payload_header: None,
            claims: vec![ClaimToHeader { header: "x-sub".into(), path: vec!["sub".into()] }],
            payload_metadata: Some("claims".into()),
            header_metadata: None,
            failure_metadata: None,
            word_lists: vec![],
            reroutes: true,
        }
    }

    fn authn() -> JwtAuthn {
        let header = |name: &str| Location::Header(name.into(), "".into());
        let providers = vec![provider("a", "issuer-a", header("x-a")), provider("b", "issuer-b", header("x-b"))];
        JwtAuthn { providers, rules: vec![], named: vec![], passes_preflight: false, silent: false }
    }

    fn token(key: &str, claims: &Value) -> String {
        let key = EncodingKey::from_secret(key.as_bytes());
        encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
    }

    fn failure(authn: &JwtAuthn, requirement: &Requirement, headers: &[(&str, &str)]) -> Option<JwtFailure> {
        let mut request = SimpleRequest::new("GET", "/", "a");
        for (name, value) in headers {
            request = request.with(name, value);
        }
        match authn.check(requirement, &request, |_| KeySet::Unknown, 1000) {
            Verdict::Passed(_) => None,
            Verdict::Failed(failure) => Some(failure),
            Verdict::Wanted(place) => panic!("wants the keys of {place}"),
        }
    }

    #[test]
    fn requirements_are_combined() {
        let authn = authn();
        let a = token("a", &json!({ "iss": "issuer-a" }));
        let b = token("b", &json!({ "iss": "issuer-b" }));
        let forged = token("x", &json!({ "iss": "issuer-a" }));
        let (a, b, forged) = (("x-a", &*a), ("x-b", &*b), ("x-a", &*forged));
        let of = |place| Requirement::Provider(place, None);
        let any = |demand| Requirement::Any(vec![of(0), of(1)], demand);
        let all = Requirement::All(vec![of(0), of(1)]);
        for (requirement, headers, expected) in [
            (of(0), &[a][..], None),
            (of(0), &[], Some(JwtFailure::Missing)),
            (of(0), &[forged], Some(JwtFailure::Signature)),
            (of(0), &[("x-a", b.1)], Some(JwtFailure::Issuer)),
            (any(Demand::Present), &[b], None),
            (any(Demand::Present), &[forged], Some(JwtFailure::Signature)),
            (any(Demand::Present), &[], Some(JwtFailure::Missing)),
            (any(Demand::Valid), &[], None),
            (any(Demand::Valid), &[forged], Some(JwtFailure::Signature)),
            (any(Demand::Nothing), &[forged], None),
            (all.clone(), &[a, b], None),
            (all, &[a], Some(JwtFailure::Missing)),
            (Requirement::Optional(Demand::Valid), &[], None),
            (Requirement::Optional(Demand::Valid), &[a, b], None),
            (Requirement::Optional(Demand::Valid), &[forged], Some(JwtFailure::Signature)),
            (Requirement::Optional(Demand::Nothing), &[forged, b], None),
        ] {
            assert_eq!(failure(&authn, &requirement, headers), expected, "{requirement:?} {headers:?}");
        }
    }

    #[test]
    fn times_and_audiences_count() {
        let mut authn = authn();
        let of = |audiences: Option<&str>| Requirement::Provider(0, audiences.map(|it| vec![it.into()]));
        let with = |claims: &Value| {
            let mut all = json!({ "iss": "issuer-a" });
            all.as_object_mut().unwrap().extend(claims.as_object().cloned().unwrap());
            token("a", &all)
        };
        let check = |authn: &JwtAuthn, audiences, claims| failure(authn, &of(audiences), &[("x-a", &with(&claims))]);
        assert_eq!(check(&authn, None, json!({ "exp": 940 })), None);
        assert_eq!(check(&authn, None, json!({ "exp": 939 })), Some(JwtFailure::Expired));
        assert_eq!(check(&authn, None, json!({ "nbf": 1060 })), None);
        assert_eq!(check(&authn, None, json!({ "nbf": 1061 })), Some(JwtFailure::NotYet));
        assert_eq!(check(&authn, Some("shop"), json!({ "aud": ["x", "https://shop/"] })), None);
        assert_eq!(check(&authn, Some("shop"), json!({ "aud": "x" })), Some(JwtFailure::Audience));
        authn.providers[0].max_lifetime = Some(Duration::from_secs(100));
        assert_eq!(check(&authn, None, json!({ "exp": 1100 })), None);
        assert_eq!(check(&authn, None, json!({ "exp": 1101 })), Some(JwtFailure::Lifetime));
        assert_eq!(check(&authn, None, json!({})), Some(JwtFailure::Lifetime));
    }

    #[test]
    fn claims_become_headers_and_what_others_find() {
        let authn = authn();
        let text = token("a", &json!({ "iss": "issuer-a", "sub": "me" }));
        let request = SimpleRequest::new("GET", "/", "a").with("x-a", &text).with("x-sub", "forged");
        assert_eq!(authn.cleaned(&request).remove, ["x-sub".into()]);
        let verdict = authn.check(&Requirement::Provider(0, None), &request, |_| KeySet::Failed, 0);
        let Verdict::Passed(verified) = verdict else { panic!("{verdict:?}") };
        assert_eq!(verified.edits.remove, ["x-a".into()]);
        assert_eq!(verified.edits.add[0].value, HeaderText::Plain("me".into()));
        assert_eq!(verified.metadata["claims"]["sub"], "me");
        assert!(verified.reroutes);
    }

    #[test]
    fn keys_that_are_not_known_are_wanted() {
        let mut authn = authn();
        let service = HttpService { cluster: "c".into(), host: "h".into(), path: "/".into(), timeout: None };
        let lifetime = Duration::from_secs(1);
        let remote = RemoteKeys { service, lifetime, ahead: None, retries: 0, backoff: Backoff::default() };
        authn.providers[0].keys = Keys::Remote(Arc::new(remote));
        let request = SimpleRequest::new("GET", "/", "a").with("x-a", &token("a", &json!({ "iss": "issuer-a" })));
        let requirement = Requirement::Provider(0, None);
        let check = |keys: KeySet| authn.check(&requirement, &request, |_| keys.clone(), 0);
        assert!(matches!(check(KeySet::Unknown), Verdict::Wanted(0)));
        assert!(matches!(check(KeySet::Failed), Verdict::Failed(JwtFailure::Fetch)));
    }
}
