//! Chance with a seed: what was drawn once can be drawn again.

use std::time::Duration;

/// SplitMix64: a small generator whose seed, printed with a failure, brings the failure back.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The draws of this seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.draw() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// Whether an event of so many percent happens.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A time from `least` to twice that.
    pub fn about(&mut self, least: Duration) -> Duration {
        let millis = usize::try_from(least.as_millis()).unwrap();
        least + Duration::from_millis(u64::try_from(self.below(millis + 1)).unwrap())
    }

    /// One of these.
    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// Brings these into another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// At most so many bytes, printable half of the time.
    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        let printable = self.below(2) == 0;
        let byte = |random: &mut Self| {
            let byte = u8::try_from(random.draw() & 0xff).unwrap();
            if printable { 0x20 + byte % 0x5f } else { byte }
        };
        (0..length).map(|_| byte(self)).collect()
    }
}
