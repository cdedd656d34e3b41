//! Random numbers from a seed: the same seed gives the same numbers.

use std::time::Duration;

/// SplitMix64, a small generator. A test prints its seed with a failure, and the seed reproduces the failure.
#[derive(Debug)]
pub struct SeededRandom(u64);

impl SeededRandom {
    /// Makes a generator with this seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        // The constants of the published algorithm. They never change: seeds of old failures must stay valid.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `limit`, which must not be zero.
    pub fn below(&mut self, limit: usize) -> usize {
        // Slightly biased towards small numbers, which does not matter for the small limits of tests.
        usize::try_from(self.next_u64() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// Returns `true` with a probability of `percent` in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Returns a time from `least` to twice `least`, in whole milliseconds.
    pub fn up_to_double(&mut self, least: Duration) -> Duration {
        let millis = usize::try_from(least.as_millis()).unwrap();
        least + Duration::from_millis(u64::try_from(self.below(millis + 1)).unwrap())
    }

    /// Returns one of the choices.
    pub fn choose<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// Shuffles the items.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        // Fisher–Yates from the end: every order is equally likely.
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Returns at most `max_length` bytes. In half of the calls all of them are printable.
    pub fn bytes(&mut self, max_length: usize) -> Vec<u8> {
        let length = self.below(max_length + 1);
        let printable = self.below(2) == 0;
        let byte = |random: &mut Self| {
            let byte = u8::try_from(random.next_u64() & 0xff).unwrap();
            if printable { 0x20 + byte % 0x5f } else { byte }
        };
        (0..length).map(|_| byte(self)).collect()
    }
}
