//! Percentiles of single measurements.

use std::time::Duration;

/// Measurements, sorted.
#[derive(Debug)]
pub(crate) struct Percentiles(Vec<u32>);

impl Percentiles {
    /// Sorts measurements in nanoseconds.
    pub(crate) fn of(mut nanos: Vec<u32>) -> Self {
        nanos.sort_unstable();
        Self(nanos)
    }

    /// Returns the smallest measurement that `per_mille` of a thousand measurements do not exceed.
    pub(crate) fn at(&self, per_mille: usize) -> Duration {
        // Rank from 1, at least 1, so that the lowest percentile is the first measurement.
        let rank = (self.0.len() * per_mille).div_ceil(1_000).max(1) - 1;
        Duration::from_nanos(self.0.get(rank).copied().unwrap_or_default().into())
    }

    /// Returns the number of measurements.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_measurement_that_so_many_do_not_exceed() {
        let all = Percentiles::of((1..=1_000).rev().collect());
        assert_eq!(all.at(500), Duration::from_nanos(500));
        assert_eq!(all.at(999), Duration::from_nanos(999));
        assert_eq!(all.at(1_000), Duration::from_nanos(1_000));
        assert_eq!(Percentiles::of(vec![]).at(999), Duration::ZERO);
    }
}
