//! Quantiles of a variable by linear interpolation; it does not know where the values come from.

/// The sorted values of a variable, ready to be asked for quantiles.
#[derive(Clone, Debug)]
pub struct Quantiles {
    sorted: Vec<f64>,
}

impl Quantiles {
    /// Sorts a copy of the values; `None` for no values. O(n log n).
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Some(Self { sorted })
    }

    /// The quantile at `p` in 0..=1 (clamped), by type 7: linear between the order statistics
    /// around position `p (n - 1)`.
    ///
    /// Hyndman and Fan, "Sample quantiles in statistical packages" (1996), definition 7.
    pub fn at(&self, p: f64) -> f64 {
        let last = self.sorted.len() - 1;
        let position = p.clamp(0.0, 1.0) * last as f64;
        let below = (position.floor() as usize).min(last);
        let (low, high) = (self.sorted[below], self.sorted[(below + 1).min(last)]);
        low + (high - low) * (position - below as f64)
    }

    /// The middle value.
    pub fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// Upper quartile minus lower quartile.
    pub fn interquartile_range(&self) -> f64 {
        self.at(0.75) - self.at(0.25)
    }

    /// The smallest and the largest value.
    pub fn range(&self) -> (f64, f64) {
        (self.at(0.0), self.at(1.0))
    }
}

/// The middle value and both ends, the same as [`Quantiles::median`] and [`Quantiles::range`] say
/// without sorting all values; `None` for no values. O(n).
pub fn middle_and_range(values: &[f64]) -> Option<(f64, (f64, f64))> {
    let last = values.len().checked_sub(1)?;
    let position = 0.5 * last as f64;
    let below = (position.floor() as usize).min(last);
    let mut parted = values.to_vec();
    let (_, low, above) = parted.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    let ends =
        (values.iter().copied().min_by(f64::total_cmp)?, values.iter().copied().max_by(f64::total_cmp)?);
    Some((low + (high - low) * (position - below as f64), ends))
}

#[cfg(test)]
mod tests {
    use super::{Quantiles, middle_and_range};

    #[test]
    fn the_middle_needs_no_sorting() {
        let noise = |at: usize| (at * 7_919 % 1_013) as f64 / 7.0 - 50.0;
        for count in [1, 2, 3, 4, 10, 999, 1_000] {
            let values: Vec<f64> = (0..count).map(noise).collect();
            let sorted = Quantiles::of(&values).unwrap();
            assert_eq!(middle_and_range(&values), Some((sorted.median(), sorted.range())));
        }
        assert_eq!(middle_and_range(&[]), None);
    }

    #[test]
    fn none_one_and_many() {
        assert!(Quantiles::of(&[]).is_none());
        let one = Quantiles::of(&[3.0]).unwrap();
        assert_eq!((one.median(), one.interquartile_range(), one.range()), (3.0, 0.0, (3.0, 3.0)));
        let many = Quantiles::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        // R: quantile(1:4, c(.25, .5, .75)) gives 1.75 2.50 3.25.
        assert_eq!([0.25, 0.5, 0.75].map(|p| many.at(p)), [1.75, 2.5, 3.25]);
        assert_eq!(many.range(), (1.0, 4.0));
    }

    #[test]
    fn positions_outside_are_clamped() {
        let many = Quantiles::of(&[1.0, 2.0]).unwrap();
        assert_eq!((many.at(-1.0), many.at(2.0)), (1.0, 2.0));
    }
}
