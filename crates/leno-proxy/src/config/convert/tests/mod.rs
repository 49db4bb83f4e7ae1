//! What is taken, what it becomes, and what is refused.

mod accepted;
mod balancing;
mod compiled;
mod compiled_access;
mod health_check;
mod local_reply;
mod random;
mod refused;
mod refused_cluster;
mod refused_filter;
mod refused_route;
mod sample;
mod tls;

use leno_model::Invalid;

/// Asserts that something is refused because of this field, shown with this value (or a part of it), and nothing else.
#[track_caller]
fn refused<T: std::fmt::Debug>(made: Result<T, Vec<Invalid>>, field: &str, value: &str) {
    let wrong = made.expect_err(field);
    let [only] = wrong.as_slice() else { panic!("{field}: {wrong:#?}") };
    assert_eq!(only.field, field, "{only}");
    assert!(only.value.contains(value), "{only}: no {value:?}");
    assert!(!only.expected.is_empty() && only.object.is_some(), "{only}");
}
