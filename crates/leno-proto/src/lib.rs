//! Envoy xDS and certificate-signing protobuf types, generated.

#![forbid(unsafe_code)]
