//! The form of a body ([`SubstitutionFormatString`]).
//!
//! [`SubstitutionFormatString`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/substitution_format_string.proto

use serde_json::Value;

use crate::{
    request::RequestHead,
    route::{Facts, Format, OwnAnswer},
};

/// The form of a body.
#[derive(Clone, Debug, PartialEq)]
pub struct BodyFormat {
    /// What it is made of.
    pub form: BodyForm,
    /// Its `content-type`.
    pub content_type: Box<str>,
    /// Whether what is not there is left out: it is `-` in texts and `null` in JSON otherwise.
    pub omits_missing: bool,
}

/// What a body is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyForm {
    /// A text that is filled in.
    Text(Format),
    /// JSON in which texts are filled in, with a line end.
    Json(JsonTemplate),
}

/// JSON in which texts are filled in.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonTemplate {
    /// An object, by its keys in order.
    Object(Vec<(Box<str>, Self)>),
    /// A list.
    List(Vec<Self>),
    /// A text.
    Text(Format),
    /// A number, `true`, `false` or `null`.
    Fixed(Value),
}

impl BodyFormat {
    /// The body.
    pub fn body<R: RequestHead>(&self, facts: &Facts<'_, R>, answer: &OwnAnswer<'_>) -> String {
        match &self.form {
            BodyForm::Text(format) => format.of_own_answer(facts, answer, self.omits_missing),
            BodyForm::Json(template) => {
                let text = |format: &Format| format.json_of_own_answer(facts, answer, self.omits_missing);
                let mut body = String::new();
                if !template.write(&mut body, &text, self.omits_missing) {
                    body.push_str("{}");
                }
                body.push('\n');
                body
            }
        }
    }
}

impl JsonTemplate {
    /// Writes it; `false`: nothing is left of it. An object of which nothing is left is left out as well.
    fn write(&self, out: &mut String, fill: &impl Fn(&Format) -> Value, omits: bool) -> bool {
        let begun = out.len();
        let mut any = false;
        match self {
            Self::Object(fields) => {
                out.push('{');
                for (key, template) in fields {
                    let before = out.len();
                    out.push_str(if any { "," } else { "" });
                    out.push_str(&Value::from(&**key).to_string());
                    out.push(':');
                    if template.write(out, fill, omits) {
                        any = true;
                    } else {
                        out.truncate(before);
                    }
                }
                out.push('}');
                if !any && omits {
                    out.truncate(begun);
                    return false;
                }
            }
            Self::List(items) => {
                out.push('[');
                for template in items {
                    let before = out.len();
                    out.push_str(if any { "," } else { "" });
                    if template.write(out, fill, omits) {
                        any = true;
                    } else {
                        out.truncate(before);
                    }
                }
                out.push(']');
            }
            Self::Text(format) => return value(&fill(format), out, omits),
            Self::Fixed(fixed) => return value(fixed, out, omits),
        }
        true
    }
}

/// Writes a value; `false`: it is left out.
fn value(value: &Value, out: &mut String, omits: bool) -> bool {
    if omits && value.is_null() {
        return false;
    }
    out.push_str(&value.to_string());
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{request::SimpleRequest, route::Fillable};

    fn body(form: BodyForm, omits_missing: bool) -> String {
        let request = SimpleRequest::new("GET", "/a?b", "host").with("x-empty", "");
        let facts = Facts {
            request: &request,
            source: "10.0.0.1:5000".parse().unwrap(),
            destination: "10.0.0.2:80".parse().unwrap(),
            identity: "",
            server_name: "",
            protocol: "HTTP/1.1",
            route: "r",
            cluster: "",
        };
        let headers = [("X-There".into(), "yes".to_owned())];
        let answer = OwnAnswer { status: 503, flags: "UH", body: "no \"host\"", headers: &headers };
        BodyFormat { form, content_type: "x".into(), omits_missing }.body(&facts, &answer)
    }

    fn format(text: &str) -> Format {
        Format::parse(text, Fillable::OwnAnswer).unwrap()
    }

    #[test]
    fn texts_are_filled_in() {
        let text = "%RESPONSE_CODE% %RESP(:status)% %RESP(x-there)%: %LOCAL_REPLY_BODY% [%REQ(x-none)%] [%REQ(x-empty)%] \
                    [%UPSTREAM_CLUSTER%] [%RESP(x)%] %RESPONSE_FLAGS%";
        let said = "503 503 yes: no \"host\" [-] [] [-] [-] UH";
        assert_eq!(body(BodyForm::Text(format(text)), false), said);
        assert_eq!(body(BodyForm::Text(format(text)), true), said.replace("[-]", "[]"));
    }

    #[test]
    fn json_has_numbers_and_null_or_leaves_out() {
        let text = |text: &str| JsonTemplate::Text(format(text));
        let json = || {
            JsonTemplate::Object(vec![
                ("body".into(), text("%LOCAL_REPLY_BODY%")),
                ("code".into(), text("%RESPONSE_CODE%")),
                ("codes".into(), text("%RESPONSE_CODE% %REQ(x-none)%")),
                ("inner".into(), JsonTemplate::Object(vec![("none".into(), text("%REQ(x-none)%"))])),
                ("list".into(), JsonTemplate::List(vec![text("%UPSTREAM_CLUSTER%"), JsonTemplate::Fixed(1.into())])),
            ])
        };
        assert_eq!(
            body(BodyForm::Json(json()), false),
            "{\"body\":\"no \\\"host\\\"\",\"code\":503,\"codes\":\"503 -\",\"inner\":{\"none\":null},\"list\":[null,1]}\n"
        );
        assert_eq!(
            body(BodyForm::Json(json()), true),
            "{\"body\":\"no \\\"host\\\"\",\"code\":503,\"codes\":\"503 \",\"list\":[1]}\n"
        );
        let nothing = JsonTemplate::Object(vec![("none".into(), text("%REQ(x-none)%"))]);
        assert_eq!(body(BodyForm::Json(nothing), true), "{}\n");
    }
}
