//! Values that several kinds have: numbers and times within bounds, headers, matchers.

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    leno::{
        service_ref::ServiceRef,
        text_match::{HeaderMatch, RequestMatch, TextMatch},
    },
    problem::Problems,
    syntax::{duration, ip_range, name, regular_expression},
};

/// A number within bounds.
pub(super) fn number(value: Option<u32>, bounds: RangeInclusive<u32>, field: &str, problems: &mut Problems<'_>) {
    if value.is_some_and(|value| !bounds.contains(&value)) {
        let (least, most) = (bounds.start(), bounds.end());
        let expected = if *most == u32::MAX {
            format!("an integer from {least} up")
        } else {
            format!("an integer from {least} to {most}")
        };
        problems.add(field, expected, "");
    }
}

/// A length of time that is not below the least. Gives it where it is one.
pub(super) fn time(
    text: Option<&String>,
    least: Duration,
    field: &str,
    problems: &mut Problems<'_>,
) -> Option<Duration> {
    let text = text?;
    match duration::parse(text) {
        Some(time) if time >= least => return Some(time),
        Some(_) => problems.add(field, format!("a length of time of at least {}ms", least.as_millis()), ""),
        None => problems.add(field, duration::EXPECTED, ""),
    }
    None
}

/// A length of time above zero. Gives it where it is one.
pub(super) fn positive_time(text: Option<&String>, field: &str, problems: &mut Problems<'_>) -> Option<Duration> {
    let time = time(text, Duration::ZERO, field, problems)?;
    if time.is_zero() {
        problems.add(field, "a length of time above zero", "");
        return None;
    }
    Some(time)
}

/// A port of a Service.
pub(super) fn service(service: &ServiceRef, at: &str, problems: &mut Problems<'_>) {
    if let Err(rule) = name::dns_label(&service.name) {
        problems.add(&format!("{at}.name"), rule, "");
    }
    if !service.namespace.is_empty()
        && let Err(rule) = name::dns_label(&service.namespace)
    {
        problems.add(&format!("{at}.namespace"), rule, "");
    }
    number(Some(service.port.into()), 1..=65_535, &format!("{at}.port"), problems);
}

/// A range of addresses.
pub(super) fn range(text: &str, field: &str, problems: &mut Problems<'_>) {
    if ip_range::parse(text).is_none() {
        let fix = match text.parse::<std::net::IpAddr>() {
            Ok(address) => format!("write {address}/{}", if address.is_ipv4() { 32 } else { 128 }),
            Err(_) => String::new(),
        };
        problems.add(field, ip_range::EXPECTED, fix);
    }
}

/// The name of a header.
pub(super) fn header_name(name: &str, field: &str, problems: &mut Problems<'_>) {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        problems.add(field, "the name of a header", "");
    }
}

/// A header's value that is sent as it is.
pub(super) fn header_value(value: &str, field: &str, problems: &mut Problems<'_>) {
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        problems.add(field, "a text of printable ASCII", "");
    }
}

/// A kind of request.
pub(super) fn request(fits: &RequestMatch, at: &str, problems: &mut Problems<'_>) {
    if let Some(path) = &fits.path {
        let at = format!("{at}.path");
        text(path, &at, problems);
        for (value, field) in [(&path.exact, "exact"), (&path.prefix, "prefix")] {
            if value.as_ref().is_some_and(|value| !value.starts_with('/') || value.contains(['?', '#'])) {
                problems.add(&format!("{at}.{field}"), "a path from / on, without ? or #", "");
            }
        }
    }
    for (index, header) in fits.headers.iter().enumerate() {
        self::header(header, &format!("{at}.headers[{index}]"), problems);
    }
}

/// What a text must be.
pub(super) fn text(fits: &TextMatch, at: &str, problems: &mut Problems<'_>) {
    let given = [fits.exact.is_some(), fits.prefix.is_some(), fits.regex.is_some()];
    problems.exactly_one(&given, at, "exact, prefix and regex");
    pattern(fits.prefix.as_ref(), fits.regex.as_ref(), at, problems);
}

/// A header that a request must have.
pub(super) fn header(fits: &HeaderMatch, at: &str, problems: &mut Problems<'_>) {
    header_name(&fits.name, &format!("{at}.name"), problems);
    let given = [fits.exact.is_some(), fits.prefix.is_some(), fits.regex.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        problems.exactly_one(&given, at, "exact, prefix and regex, or none of them for any value");
    }
    pattern(fits.prefix.as_ref(), fits.regex.as_ref(), at, problems);
}

fn pattern(prefix: Option<&String>, regex: Option<&String>, at: &str, problems: &mut Problems<'_>) {
    if prefix.is_some_and(String::is_empty) {
        problems.add(&format!("{at}.prefix"), "a text that is not empty", "everything begins with nothing");
    }
    if let Some(Err(reason)) = regex.map(|regex| regular_expression::check(regex)) {
        problems.add(&format!("{at}.regex"), format!("a regular expression (RE2): {reason}"), "");
    }
    if regex.is_some_and(String::is_empty) {
        problems.add(&format!("{at}.regex"), "an expression that is not empty", "");
    }
}
