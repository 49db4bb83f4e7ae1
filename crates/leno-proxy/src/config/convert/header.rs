//! Changes to headers ([`envoy.config.core.v3.HeaderValueOption`]).
//!
//! [`envoy.config.core.v3.HeaderValueOption`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/base.proto#config-core-v3-headervalueoption

use leno_engine::route::{Fillable, Format, HeaderAppend, HeaderEdits, HeaderText, HeaderWrite};
use leno_proto::v3::core::{HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction};

use super::check::{Check, at, join};

/// Changes to headers; `which` is `request` or `response`.
pub(super) fn edits(
    check: &mut Check,
    path: &str,
    which: &str,
    add: &mut Vec<HeaderValueOption>,
    remove: &mut Vec<String>,
) -> HeaderEdits {
    let field = format!("{which}_headers_to_remove");
    for (index, removed) in remove.iter().enumerate() {
        name(check, &at(path, &field, index), removed);
    }
    let known = if which == "response" { Known::Answer } else { Known::Request };
    let field = format!("{which}_headers_to_add");
    let add = std::mem::take(add).into_iter().enumerate();
    HeaderEdits {
        remove: std::mem::take(remove).into_iter().map(|name| name.to_ascii_lowercase().into()).collect(),
        add: add.filter_map(|(index, option)| write(check, &at(path, &field, index), option, known)).collect(),
    }
}

/// One header to write.
pub(super) fn write(check: &mut Check, path: &str, mut option: HeaderValueOption, known: Known) -> Option<HeaderWrite> {
    let Some(header) = option.header.take() else {
        check.wrong(&join(path, "header"), "missing", "a header");
        return None;
    };
    let (name, value) = pair(check, &join(path, "header"), &header, known)?;
    #[expect(deprecated, reason = "older control planes write it")]
    let append = option.append.take();
    if append.is_some() && option.append_action != 0 {
        check.wrong(&join(path, "append"), "set", "append_action alone");
    }
    let append = match (HeaderAppendAction::try_from(std::mem::take(&mut option.append_action)), append) {
        (_, Some(append)) if !append.value => HeaderAppend::Overwrite,
        (Ok(HeaderAppendAction::AppendIfExistsOrAdd), _) => HeaderAppend::Append,
        (Ok(HeaderAppendAction::AddIfAbsent), _) => HeaderAppend::IfAbsent,
        (Ok(HeaderAppendAction::OverwriteIfExistsOrAdd), _) => HeaderAppend::Overwrite,
        (Ok(HeaderAppendAction::OverwriteIfExists), _) => HeaderAppend::OverwriteIfPresent,
        (Err(_), _) => {
            check.wrong(&join(path, "append_action"), "unknown", "one of Envoy's");
            return None;
        }
    };
    check.rest(path, &option);
    Some(HeaderWrite { name, value, append })
}

/// The name and the value of a header.
pub(super) fn pair(
    check: &mut Check,
    path: &str,
    header: &HeaderValue,
    known: Known,
) -> Option<(Box<str>, HeaderText)> {
    let value = text(check, &join(path, "value"), &header.value, known)?;
    if !header.raw_value.is_empty() {
        check.unsupported::<()>(path, "raw_value", "value");
    }
    name(check, &join(path, "key"), &header.key);
    if header.value.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
        check.wrong(&join(path, "value"), "a control character", "none");
    }
    Some((header.key.to_ascii_lowercase().into(), value))
}

/// What is known where a value is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// The request.
    Request,
    /// The request and the answer.
    Answer,
}

/// A value with what is to be filled in.
fn text(check: &mut Check, path: &str, value: &str, known: Known) -> Option<HeaderText> {
    let fillable = if known == Known::Answer { Fillable::Answer } else { Fillable::Request };
    let format = match Format::parse(value, fillable) {
        Ok(format) => format,
        Err(wrong) => {
            check.wrong(path, value, operators(&wrong));
            return None;
        }
    };
    match format.plain() {
        Some(text) => Some(HeaderText::Plain(text.into())),
        None if known == Known::Nothing => {
            check.wrong(path, value, "a plain text: nothing is known here that could be filled in");
            None
        }
        None => Some(HeaderText::Format(format)),
    }
}

/// What is expected of a value with something to fill in, in which this is wrong.
pub(super) fn operators(wrong: &str) -> String {
    format!("operators that Leno supports here; there is {wrong}")
}

/// A header that may be changed: what a request is routed by may not, as in Envoy.
pub(super) fn name(check: &mut Check, path: &str, name: &str) {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(legal) || name.eq_ignore_ascii_case("host") {
        check.wrong(path, name, "a header's name, neither host nor a pseudo-header");
    }
}
