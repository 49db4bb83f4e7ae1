//! Certificates with their keys, on their way to the sidecars that show them.

use std::fmt;

/// A certificate chain with its private key. The key is not shown: whoever needs it asks for it by name.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The chain in PEM, the leaf first.
    pub chain: String,
    key: String,
}

impl KeyPair {
    /// A pair of a chain and its key, both in PEM.
    #[must_use]
    pub fn new(chain: String, key: String) -> Self {
        Self { chain, key }
    }

    /// The key in PEM: for the one message that brings it to a sidecar.
    #[must_use]
    pub fn expose_key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("chain", &self.chain).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_not_shown() {
        let pair = KeyPair::new("chain".into(), "key of gold".into());
        assert!(!format!("{pair:?}").contains("gold"));
        assert_eq!(pair.expose_key(), "key of gold");
    }
}
