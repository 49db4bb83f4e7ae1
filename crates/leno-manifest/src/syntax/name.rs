//! Names of objects, ports and labels, as Kubernetes checks them ([names]).
//!
//! [names]: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/

/// What each rule asks for, for messages. Every check gives the rule that was broken.
pub type Rule = &'static str;

const LABEL: Rule = "at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends";
const SERVICE: Rule = "at most 63 of a-z, 0-9 and '-', a letter first and a letter or digit last";
const SUBDOMAIN: Rule = "at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends of each part";
const PORT: Rule = "at most 15 of a-z, 0-9 and single '-', with a letter in it and a letter or digit at both ends";
const LABEL_KEY: Rule =
    "[a domain name and '/',] then at most 63 of A-Z, a-z, 0-9, '-', '_', '.', with a letter or digit at both ends";
const LABEL_VALUE: Rule = "at most 63 of A-Z, a-z, 0-9, '-', '_', '.', with a letter or digit at both ends";
const ENVIRONMENT: Rule = "printable ASCII without '='";
const HTTP_TOKEN: Rule = "the name of a header: letters, digits and !#$%&'*+-.^_`|~";
const DATA_KEY: Rule = "at most 253 of A-Z, a-z, 0-9, '-', '_' and '.'";

fn check(sound: bool, rule: Rule) -> Result<(), Rule> {
    if sound { Ok(()) } else { Err(rule) }
}

fn ends_well(text: &str) -> bool {
    let sound = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    sound(text.chars().next()) && sound(text.chars().next_back())
}

fn is_label(text: &str) -> bool {
    text.len() <= 63
        && ends_well(text)
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_subdomain(text: &str) -> bool {
    let part =
        |part: &str| ends_well(part) && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    text.len() <= 253 && text.split('.').all(part)
}

fn is_word(text: &str) -> bool {
    text.len() <= 63
        && ends_well(text)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// A DNS label (RFC 1123): names of Namespaces, containers and service ports.
///
/// # Errors
/// The rule that the text breaks.
pub fn dns_label(text: &str) -> Result<(), Rule> {
    check(is_label(text), LABEL)
}

/// A DNS label that begins with a letter (RFC 1035): names of Services.
///
/// # Errors
/// The rule that the text breaks.
pub fn service(text: &str) -> Result<(), Rule> {
    check(is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase()), SERVICE)
}

/// A DNS name (RFC 1123): names of most objects.
///
/// # Errors
/// The rule that the text breaks.
pub fn dns_subdomain(text: &str) -> Result<(), Rule> {
    check(is_subdomain(text), SUBDOMAIN)
}

/// The name of a container's port (RFC 6335).
///
/// # Errors
/// The rule that the text breaks.
pub fn port(text: &str) -> Result<(), Rule> {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let sound = text.len() <= 15
        && ends_well(text)
        && !text.contains("--")
        && text.chars().all(lower)
        && text.chars().any(|c| c.is_ascii_lowercase());
    check(sound, PORT)
}

/// The key of a label or annotation.
///
/// # Errors
/// The rule that the text breaks.
pub fn label_key(text: &str) -> Result<(), Rule> {
    let sound = match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_word(name),
        None => is_word(text),
    };
    check(sound, LABEL_KEY)
}

/// The value of a label; may be empty.
///
/// # Errors
/// The rule that the text breaks.
pub fn label_value(text: &str) -> Result<(), Rule> {
    check(text.is_empty() || is_word(text), LABEL_VALUE)
}

/// The name of an environment variable.
///
/// # Errors
/// The rule that the text breaks.
pub fn environment(text: &str) -> Result<(), Rule> {
    let sound = !text.is_empty() && text.chars().all(|c| (c.is_ascii_graphic() || c == ' ') && c != '=');
    check(sound, ENVIRONMENT)
}

/// A key of a ConfigMap or Secret.
///
/// # Errors
/// The rule that the text breaks.
pub fn data_key(text: &str) -> Result<(), Rule> {
    let letters = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    check((1..=253).contains(&text.len()) && letters && !matches!(text, "." | ".."), DATA_KEY)
}

/// The name of a header (RFC 9110), also what the Gateway API takes as the name of a parameter.
///
/// # Errors
/// The rule that the text breaks.
pub fn http_token(text: &str) -> Result<(), Rule> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    check((1..=256).contains(&text.len()) && text.bytes().all(sound), HTTP_TOKEN)
}

/// The name of a network interface (Linux: 1 to 15 bytes without `/` and white space); `+` at the end fits any rest.
///
/// # Errors
/// The rule that the text breaks.
pub fn interface(text: &str) -> Result<(), Rule> {
    let sound = (1..=15).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic() && c != '/' && c != '"');
    check(sound && !matches!(text, "." | ".."), "the name of a network interface")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_kubernetes_does() {
        let long = "a".repeat(64);
        for text in ["cart", "cart-v1", "9lives"] {
            assert!(dns_label(text).is_ok(), "{text}");
        }
        for text in ["", "Cart", "-cart", "cart-", "a.b", "a_b", long.as_str(), "ä"] {
            assert!(dns_label(text).is_err(), "{text}");
        }
        assert!(service("9lives").is_err() && service("cart").is_ok());
        assert!(dns_subdomain("a.b-c.9").is_ok() && dns_subdomain("a..b").is_err() && dns_subdomain("a.-b").is_err());
        assert!(port("http").is_ok() && port("80").is_err() && port("a--b").is_err() && port(&long).is_err());
        assert!(label_key("leno.dev/inject").is_ok() && label_key("/x").is_err() && label_key("a/b/c").is_err());
        assert!(label_value("").is_ok() && label_value("v1.0_x").is_ok() && label_value("a b").is_err());
        assert!(environment("A.b-c").is_ok() && environment("A=B").is_err() && environment("").is_err());
        assert!(data_key("a.b").is_ok() && data_key("a/b").is_err() && data_key("..").is_err());
    }
}
