//! Balancers by hash: `RingHash`, `Maglev` and `ConsistentHashingLbConfig`.

use leno_engine::balance::{
    HashFunction, HashKey, Hashing, LoadBalancer, MAX_TABLE_SIZE, RingSettings, TABLE_SIZE, is_prime,
};
use leno_proto::v3::{
    lb_common::ConsistentHashingLbConfig,
    lb_maglev::Maglev,
    lb_ring_hash::{RingHash, ring_hash::HashFunction as Function},
};

use super::super::check::{Check, join};

pub(super) fn convert(check: &mut Check, path: &str, config: Option<ConsistentHashingLbConfig>) -> Hashing {
    let Some(mut config) = config else { return Hashing::default() };
    let hostname = std::mem::take(&mut config.use_hostname_for_hashing);
    let bound = config.hash_balance_factor.take().map(|factor| factor.value);
    if let Some(factor) = bound.filter(|factor| *factor < 100) {
        check.wrong(&join(path, "hash_balance_factor"), factor.to_string(), "at least 100");
    }
    check.rest(path, &config);
    Hashing { key: if hostname { HashKey::Hostname } else { HashKey::Address }, bound }
}

/// A ring. `hashing`: what is said elsewhere.
pub(super) fn ring(check: &mut Check, path: &str, mut config: RingHash, hashing: Hashing) -> LoadBalancer {
    let mut size = |field: &str, value: Option<u64>, default: u32| {
        let size = value.map_or(Some(default), |value| u32::try_from(value).ok());
        let size = size.filter(|size| *size <= RingSettings::MAX);
        if size.is_none() {
            check.wrong(&join(path, field), format!("{value:?}"), format!("at most {}", RingSettings::MAX));
        }
        size.unwrap_or(default)
    };
    let usual = RingSettings::default();
    let min_size = size("minimum_ring_size", config.minimum_ring_size.take().map(|size| size.value), usual.min_size);
    let max_size = size("maximum_ring_size", config.maximum_ring_size.take().map(|size| size.value), usual.max_size);
    if min_size > max_size {
        check.wrong(&join(path, "minimum_ring_size"), min_size.to_string(), "not more than maximum_ring_size");
    }
    let number = std::mem::take(&mut config.hash_function);
    let function = match Function::try_from(number) {
        Ok(Function::DefaultHash | Function::XxHash) => HashFunction::Xx,
        Ok(Function::MurmurHash2) => HashFunction::Murmur2,
        Err(_) => {
            check.wrong(&join(path, "hash_function"), number.to_string(), "XX_HASH or MURMUR_HASH_2");
            HashFunction::Xx
        }
    };
    check.rest(path, &config);
    LoadBalancer::RingHash(RingSettings { min_size, max_size, function }, hashing)
}

/// A table. `hashing`: what is said elsewhere.
pub(super) fn maglev(check: &mut Check, path: &str, mut config: Maglev, hashing: Hashing) -> LoadBalancer {
    let value = config.table_size.take().map_or(TABLE_SIZE.into(), |size| size.value);
    let size = u32::try_from(value).ok().filter(|size| *size <= MAX_TABLE_SIZE && is_prime(*size));
    if size.is_none() {
        let expected = format!("a prime number, at most {MAX_TABLE_SIZE}");
        check.wrong(&join(path, "table_size"), value.to_string(), expected);
    }
    check.rest(path, &config);
    LoadBalancer::Maglev(size.unwrap_or(TABLE_SIZE), hashing)
}
