//! Values with parts that are filled in ([command operators]): `%REQ(x-user)%` and the like.
//!
//! [command operators]: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#command-operators

mod own;

use std::net::{IpAddr, SocketAddr};

pub use own::OwnAnswer;

use crate::request::RequestHead;

/// A value with parts that are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Operator(Operator, Option<usize>),
}

/// What is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    /// The caller's address, with its port or without, or the port alone.
    Remote(Part),
    /// The address that was called.
    Local(Part),
    /// The identity that the caller proved.
    PeerIdentity,
    /// The name that the caller's ClientHello asks for.
    ServerName,
    /// What is spoken.
    Protocol,
    /// The route's name.
    Route,
    /// The cluster's name.
    Cluster,
    /// A header of the request, or another one where that is not there.
    Request(Box<str>, Option<Box<str>>),
    /// The same of the answer.
    Answer(Box<str>, Option<Box<str>>),
    /// The answer's status.
    Status,
    /// What the proxy's own answer says.
    Body,
    /// Why it is the proxy's own.
    Flags,
}

/// What may be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fillable {
    /// What is known of the request.
    Request,
    /// That, and what is known of any answer.
    Answer,
    /// That, and what is known of an answer of the proxy's own.
    OwnAnswer,
}

/// What an operator stands for.
enum Filled {
    Value(String),
    /// It is about the request, and not there.
    Missing,
    /// It is about the answer.
    Later,
}

/// A part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Ip,
    Port,
}

/// What is known of a request, to fill in.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a, R> {
    /// The request.
    pub request: &'a R,
    /// Who called.
    pub source: SocketAddr,
    /// What was called.
    pub destination: SocketAddr,
    /// The identity that the caller proved; empty without one.
    pub identity: &'a str,
    /// The name that the caller's ClientHello asks for; empty without one.
    pub server_name: &'a str,
    /// What is spoken: `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'a str,
    /// The route's name; empty without one.
    pub route: &'a str,
    /// The cluster's name; empty without one.
    pub cluster: &'a str,
}

impl Format {
    /// Reads a value.
    ///
    /// # Errors
    /// What of it is not supported.
    pub fn parse(text: &str, fillable: Fillable) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.into()));
            }
            let end = after.find('%').ok_or_else(|| format!("a % at its end: {after:?} (%% is a % itself)"))?;
            let (inside, left) = after.split_at_checked(end).unwrap_or((after, ""));
            pieces.push(match inside {
                "" => Piece::Text("%".into()),
                _ => operator(inside, fillable).ok_or_else(|| format!("%{inside}%"))?,
            });
            rest = left.strip_prefix('%').unwrap_or_default();
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        Ok(Self(pieces))
    }

    /// The value, when nothing has to be filled in.
    #[must_use]
    pub fn plain(&self) -> Option<String> {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => Some(text.to_string()),
            Piece::Operator(..) => None,
        };
        self.0.iter().map(text).collect()
    }

    /// Fills in what is known of the request.
    #[must_use]
    pub fn bind<R: RequestHead>(&self, facts: &Facts<'_, R>) -> Self {
        let bound = self.0.iter().map(|piece| match piece {
            Piece::Operator(operator, most) => match operator.of_request(facts) {
                Filled::Value(value) => Piece::Text(cut(value, *most).into()),
                Filled::Missing => Piece::Text("".into()),
                Filled::Later => piece.clone(),
            },
            Piece::Text(_) => piece.clone(),
        });
        Self(bound.collect())
    }

    /// Fills in what is known of the answer; what is still not known is left out.
    #[must_use]
    pub fn text<'v>(&self, status: u16, header: impl Fn(&str) -> Option<&'v [u8]>) -> String {
        let value = |name: &str| header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Operator(Operator::Status, most) => text.push_str(&cut(status.to_string(), *most)),
                Piece::Operator(Operator::Answer(name, other), most) => {
                    let found = value(name).or_else(|| value(other.as_deref()?));
                    text.push_str(&cut(found.unwrap_or_default(), *most));
                }
                Piece::Operator(..) => {}
            }
        }
        text
    }
}

impl Operator {
    /// What the request says.
    fn of_request<R: RequestHead>(&self, facts: &Facts<'_, R>) -> Filled {
        let text = |text: &str| if text.is_empty() { Filled::Missing } else { Filled::Value(text.to_owned()) };
        match self {
            Self::Remote(part) => Filled::Value(part.of(facts.source)),
            Self::Local(part) => Filled::Value(part.of(facts.destination)),
            Self::PeerIdentity => text(facts.identity),
            Self::ServerName => text(facts.server_name),
            Self::Protocol => text(facts.protocol),
            Self::Route => text(facts.route),
            Self::Cluster => text(facts.cluster),
            Self::Request(name, other) => {
                let value = |name: &str| facts.request.fields(name).next().map(<[u8]>::to_vec);
                let found = value(name).or_else(|| value(other.as_deref()?));
                found.map_or(Filled::Missing, |found| Filled::Value(String::from_utf8_lossy(&found).into_owned()))
            }
            Self::Answer(..) | Self::Status | Self::Body | Self::Flags => Filled::Later,
        }
    }
}

impl Part {
    fn of(self, address: SocketAddr) -> String {
        let ip = |ip: IpAddr| ip.to_canonical().to_string();
        match self {
            Self::Whole => SocketAddr::new(address.ip().to_canonical(), address.port()).to_string(),
            Self::Ip => ip(address.ip()),
            Self::Port => address.port().to_string(),
        }
    }
}

/// What stands between two signs: `NAME`, `NAME(ARGUMENT)`, and perhaps `:LENGTH`.
fn operator(text: &str, fillable: Fillable) -> Option<Piece> {
    let (name, rest) = text.split_once('(').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let (argument, most) = match rest {
        Some(rest) => {
            let (argument, after) = rest.rsplit_once(')')?;
            let most = match after.strip_prefix(':') {
                Some(most) => Some(most.parse().ok()?),
                None if after.is_empty() => None,
                None => return None,
            };
            (Some(argument), most)
        }
        None => (None, None),
    };
    let names = || {
        let (one, other) = argument?.split_once('?').map_or((argument?, None), |(one, other)| (one, Some(other)));
        let lower = |name: &str| -> Box<str> { name.to_ascii_lowercase().into() };
        (!one.is_empty()).then(|| (lower(one), other.map(lower)))
    };
    let plain = |operator| argument.is_none().then_some(operator);
    let operator = match name {
        "DOWNSTREAM_REMOTE_ADDRESS" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => plain(Operator::Remote(Part::Whole)),
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => {
            plain(Operator::Remote(Part::Ip))
        }
        "DOWNSTREAM_REMOTE_PORT" | "DOWNSTREAM_DIRECT_REMOTE_PORT" => plain(Operator::Remote(Part::Port)),
        "DOWNSTREAM_LOCAL_ADDRESS" => plain(Operator::Local(Part::Whole)),
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => plain(Operator::Local(Part::Ip)),
        "DOWNSTREAM_LOCAL_PORT" => plain(Operator::Local(Part::Port)),
        "DOWNSTREAM_PEER_URI_SAN" => plain(Operator::PeerIdentity),
        "REQUESTED_SERVER_NAME" => plain(Operator::ServerName),
        "PROTOCOL" => plain(Operator::Protocol),
        "ROUTE_NAME" => plain(Operator::Route),
        "UPSTREAM_CLUSTER" => plain(Operator::Cluster),
        "REQ" => names().map(|(one, other)| Operator::Request(one, other)),
        "RESP" if fillable >= Fillable::Answer => names().map(|(one, other)| Operator::Answer(one, other)),
        "RESPONSE_CODE" if fillable >= Fillable::Answer => plain(Operator::Status),
        "LOCAL_REPLY_BODY" if fillable == Fillable::OwnAnswer => plain(Operator::Body),
        "RESPONSE_FLAGS" if fillable == Fillable::OwnAnswer => plain(Operator::Flags),
        _ => None,
    };
    Some(Piece::Operator(operator?, most))
}

/// The first so many bytes, without half a character.
fn cut(mut value: String, most: Option<usize>) -> String {
    if let Some(mut most) = most.filter(|most| *most < value.len()) {
        while !value.is_char_boundary(most) {
            most -= 1;
        }
        value.truncate(most);
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::SimpleRequest;

    fn filled(text: &str) -> String {
        let request = SimpleRequest::new("GET", "/a?b", "host:80").with("x-user", "mé").with("x-empty", "");
        let facts = Facts {
            request: &request,
            source: "[::ffff:10.0.0.1]:5000".parse().unwrap(),
            destination: "10.0.0.2:80".parse().unwrap(),
            identity: "spiffe://a",
            server_name: "sni",
            protocol: "HTTP/1.1",
            route: "r",
            cluster: "c",
        };
        let answer = |name: &str| (name == "x-answer").then_some(&b"yes"[..]);
        Format::parse(text, Fillable::Answer).unwrap().bind(&facts).text(404, answer)
    }

    #[test]
    fn operators_are_filled_in() {
        for (text, expected) in [
            ("plain", "plain"),
            ("100%%", "100%"),
            ("%DOWNSTREAM_REMOTE_ADDRESS%", "10.0.0.1:5000"),
            ("<%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%>", "<10.0.0.1>"),
            ("%DOWNSTREAM_REMOTE_PORT%%DOWNSTREAM_LOCAL_PORT%", "500080"),
            ("%DOWNSTREAM_LOCAL_ADDRESS%", "10.0.0.2:80"),
            ("%DOWNSTREAM_PEER_URI_SAN% %REQUESTED_SERVER_NAME%", "spiffe://a sni"),
            ("%PROTOCOL% %ROUTE_NAME% %UPSTREAM_CLUSTER%", "HTTP/1.1 r c"),
            ("%REQ(X-User)%", "mé"),
            ("%REQ(x-user):2%", "m"),
            ("%REQ(:method)% %REQ(:authority)% %REQ(:path):2%", "GET host:80 /a"),
            ("%REQ(x-none?x-user)%", "mé"),
            ("[%REQ(x-none)%%RESP(x-none)%]", "[]"),
            ("%RESPONSE_CODE% %RESP(x-none?x-answer):1%", "404 y"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in ["%", "%a", "%NOTHING%", "%REQ%", "%REQ()%", "%REQ(a)b%", "%REQ(a):x%", "%PROTOCOL(x)%"] {
            assert!(Format::parse(text, Fillable::Answer).is_err(), "{text}");
        }
        assert!(Format::parse("%RESPONSE_CODE%", Fillable::Request).is_err(), "a request knows no answer");
        assert!(
            Format::parse("%LOCAL_REPLY_BODY%", Fillable::Answer).is_err(),
            "an endpoint's answer is not the proxy's"
        );
        assert_eq!(Format::parse("a%%b", Fillable::Request).unwrap().plain().as_deref(), Some("a%b"));
        assert_eq!(Format::parse("%PROTOCOL%", Fillable::Request).unwrap().plain(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[%A-Z()?:a-zé0-9]{0,40}") {
            if let Ok(format) = Format::parse(&text, Fillable::Answer) {
                prop_assert!(!format.text(200, |_| None).contains("%%") || text.contains("%%"));
            }
        }
    }
}
