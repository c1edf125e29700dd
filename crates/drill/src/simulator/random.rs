//! The simulator's own randomness: small, fast, and the same on every machine for ever.

/// xoshiro256++, seeded by splitmix64. Source: Blackman and Vigna, "Scrambled linear pseudorandom
/// number generators" (2021). Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut mixed = seed;
        let state = [(); 4].map(|()| splitmix(&mut mixed));
        Self { state }
    }

    /// Sixty-four random bits.
    pub(crate) const fn next(&mut self) -> u64 {
        let [mut a, mut b, mut c, mut d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        c ^= a;
        d ^= b;
        b ^= c;
        a ^= d;
        c ^= shifted;
        d = d.rotate_left(45);
        self.state = [a, b, c, d];
        result
    }

    /// A number below `end`; 0 where `end` is 0. The bias of the remainder is below 2^-40 for
    /// every `end` that is used here.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.below(span))
    }

    /// The same for small counts.
    pub(crate) fn count(&mut self, low: u32, high: u32) -> u32 {
        u32::try_from(self.between(u64::from(low), u64::from(high))).unwrap_or(high)
    }

    /// True in `permille` of 1,000 cases.
    pub(crate) fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of `choices`, or `None` where there is none.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let end = u64::try_from(choices.len()).unwrap_or(u64::MAX);
        let place = usize::try_from(self.below(end)).ok()?;
        choices.get(place)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            let random = self.next().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(random) {
                *to = from;
            }
        }
        bytes
    }
}

/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
const fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A hash of 64 bits, good enough to tell two states or a torn frame apart where nobody wants to
/// deceive: SHA-256 would take a third of a run's time. Not for secrets.
pub(crate) fn quick_hash(bytes: &[u8]) -> u64 {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut mixed = length;
    let mut chunks = bytes.chunks_exact(8);
    let mut absorb = |word: u64| {
        mixed ^= word;
        mixed = splitmix(&mut mixed);
    };
    for chunk in chunks.by_ref() {
        let word = <[u8; 8]>::try_from(chunk).unwrap_or_default();
        absorb(u64::from_le_bytes(word));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(chunks.remainder()) {
        *to = *from;
    }
    absorb(u64::from_le_bytes(last));
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_numbers_for_ever() {
        // Computed once more by a few lines of Python from the published algorithms.
        let mut random = Random::new(7);
        let first = [random.next(), random.next(), random.next()];
        assert_eq!(
            first,
            [1_021_219_803_524_665_661, 3_174_977_118_032_272_916, 13_236_943_193_235_544_178],
        );
        assert_eq!(Random::new(7).next(), first[0]);
        assert_ne!(Random::new(8).next(), first[0]);
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut random = Random::new(1);
        for _ in 0..1000 {
            assert!((3..=5).contains(&random.between(3, 5)));
            assert!(random.below(2) < 2);
        }
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick::<u8>(&[]), None);
        assert!(!random.chance(0) && random.chance(1000));
    }
}
