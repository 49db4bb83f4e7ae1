//! `envoy.extensions.load_balancing_policies.peak_ewma.v3`: balancing by latency.

include!("generated/envoy.extensions.load_balancing_policies.peak_ewma.v3.rs");
