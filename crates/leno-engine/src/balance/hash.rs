//! The hash that keeps requests together and lays endpoints out: Envoy's, so that both choose the same endpoint.

use twox_hash::XxHash64;

/// The hash of bytes ([xxHash], 64 bits); another for each seed, of which 0 is the usual one.
///
/// [xxHash]: https://xxhash.com
#[must_use]
pub fn hash(bytes: &[u8], seed: u64) -> u64 {
    XxHash64::oneshot(seed, bytes)
}

/// `MurmurHash2` of 64 bits with the seed of libstdc++'s `std::hash` ([Appleby]).
///
/// [Appleby]: https://github.com/aappleby/smhasher/blob/master/src/MurmurHash2.cpp
pub(super) fn murmur(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0xc70f_6907;
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |value: u64| value ^ (value >> 47);
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (blocks, rest) = bytes.as_chunks::<8>();
    for block in blocks {
        let block = mix(u64::from_le_bytes(*block).wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
        hash = (hash ^ block).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        hash = (hash ^ rest).wrapping_mul(MULTIPLIER);
    }
    mix(mix(hash).wrapping_mul(MULTIPLIER))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the algorithm's authors publish them.
    #[test]
    fn known_bytes_have_known_hashes() {
        assert_eq!(hash(b"", 0), 0xef46_db37_51d8_e999);
        assert_eq!(hash(b"a", 0), 0xd24e_c4f1_a98c_6e5b);
        assert_ne!(hash(b"a", 1), hash(b"a", 0));
        // `std::hash<std::string>` of libstdc++.
        assert_eq!(murmur(b"hello"), 2_762_169_579_135_187_400);
        assert_eq!(murmur(b"hello world"), 5_577_293_430_985_752_569);
    }
}
