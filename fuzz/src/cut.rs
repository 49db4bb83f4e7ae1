//! Bytes in pieces, as a network may bring them. Where they are cut is random, but the same for the same bytes, so that
//! a failure can be seen again.

/// The most bytes that are also brought one at a time.
const ONE_BY_ONE: usize = 512;

/// Ways to cut bytes into pieces.
pub(crate) fn ways(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut random = Random::of(bytes);
    let mut ways: Vec<Vec<&[u8]>> = [8, 64, 1024].into_iter().map(|most| cut(bytes, most, &mut random)).collect();
    if bytes.len() <= ONE_BY_ONE {
        ways.push(bytes.chunks(1).collect());
    }
    ways
}

fn cut<'a>(bytes: &'a [u8], most: u64, random: &mut Random) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = usize::try_from(1 + random.next() % most).unwrap_or(1).min(rest.len());
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Numbers that are random enough to cut by ([SplitMix64](https://prng.di.unimi.it/splitmix64.c)).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn of(bytes: &[u8]) -> Self {
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, hash))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
