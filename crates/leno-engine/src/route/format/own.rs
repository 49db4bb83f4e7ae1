//! Filling in what is known of an answer of the proxy's own.

use std::borrow::Cow;

use super::{Facts, Filled, Format, Operator, Part, Piece, cut};
use crate::request::RequestHead;

/// What is known of an answer of the proxy's own.
#[derive(Clone, Copy, Debug)]
pub struct OwnAnswer<'a> {
    /// Its status.
    pub status: u16,
    /// Its response flags; `-` for none.
    pub flags: &'a str,
    /// What it says.
    pub body: &'a str,
    /// Its headers.
    pub headers: &'a [(Cow<'static, str>, String)],
}

impl Format {
    /// Fills in everything. What is not there is `-`; nothing, where `omits`.
    pub fn of_own_answer<R: RequestHead>(&self, facts: &Facts<'_, R>, answer: &OwnAnswer<'_>, omits: bool) -> String {
        let missing = if omits { "" } else { "-" };
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => Cow::Owned(text.to_string()),
            Piece::Operator(operator, most) => match operator.of_own_answer(facts, answer) {
                Some(value) => Cow::Owned(cut(value, *most)),
                None => Cow::Borrowed(missing),
            },
        };
        self.0.iter().map(text).collect()
    }

    /// The same in JSON: of a single operator `null` where it is not there, and a number where it is one.
    pub fn json_of_own_answer<R: RequestHead>(
        &self,
        facts: &Facts<'_, R>,
        answer: &OwnAnswer<'_>,
        omits: bool,
    ) -> serde_json::Value {
        let [Piece::Operator(operator, most)] = &*self.0 else {
            return self.of_own_answer(facts, answer, omits).into();
        };
        let value = operator.of_own_answer(facts, answer).map(|value| cut(value, *most));
        match value {
            Some(value) if operator.is_number() => value.parse::<u16>().map_or(value.into(), Into::into),
            value => value.into(),
        }
    }
}

impl Operator {
    /// What it stands for; `None`: it is not there.
    fn of_own_answer<R: RequestHead>(&self, facts: &Facts<'_, R>, answer: &OwnAnswer<'_>) -> Option<String> {
        let header = |wanted: &str| match wanted {
            ":status" => Some(answer.status.to_string()),
            _ => {
                let found = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                found.map(|(_, value)| value.clone())
            }
        };
        match self {
            Self::Answer(name, other) => header(name).or_else(|| header(other.as_deref()?)),
            Self::Status => Some(answer.status.to_string()),
            Self::Body => Some(answer.body.to_owned()),
            Self::Flags => Some(answer.flags.to_owned()),
            of_request => match of_request.of_request(facts) {
                Filled::Value(value) => Some(value),
                Filled::Missing | Filled::Later => None,
            },
        }
    }

    /// Whether it stands for a number.
    fn is_number(&self) -> bool {
        matches!(self, Self::Status | Self::Remote(Part::Port) | Self::Local(Part::Port))
    }
}
