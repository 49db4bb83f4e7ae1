//! See `leno_fuzz::xds_resources`.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| leno_fuzz::xds_resources(bytes));

// Seeds are written as JSON; what is changed at random is what goes over the wire.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
    let wire = leno_fuzz::xds_wire(data.get(..size).unwrap_or_default());
    let size = match wire
        .and_then(|wire| data.get_mut(..wire.len()).map(|place| place.copy_from_slice(&wire)).and(Some(wire.len())))
    {
        Some(length) => length,
        None => size,
    };
    fuzzer_mutate(data, size, max_size)
});
