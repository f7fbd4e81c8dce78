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

#[cfg(test)]
mod tests {
    use super::Quantiles;

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
