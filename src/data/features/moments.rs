//! Running count, mean and standard deviation of a sequence of numbers.

use serde::{Deserialize, Serialize};

/// Sums of a sequence about its first value.
///
/// `mean = shift + S1 / n`, `var = (S2 - S1^2 / n) / (n - 1)` with `S1`, `S2` the sums of
/// `x - shift` and its square. The shift is a member of the sequence, so the error of the
/// difference stays small against the variance, and equal values give exactly zero; unlike
/// Welford's recurrence it needs no division a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    shift: f64,
    sum: f64,
    squares: f64,
    count: u32,
}

impl Moments {
    /// Appends a value.
    pub fn push(&mut self, value: f64) {
        if self.count == 0 {
            self.shift = value;
        }
        let offset = value - self.shift;
        self.sum += offset;
        self.squares += offset * offset;
        self.count += 1;
    }

    /// Appends all values of another sequence: its sums about this one's shift.
    ///
    /// With `d` from shift to shift, `S1 += T1 + m d` and `S2 += T2 + 2 d T1 + m d^2`.
    pub fn join(&mut self, later: &Self) {
        if self.count == 0 || later.count == 0 {
            *self = if self.count == 0 { *later } else { *self };
            return;
        }
        let (offset, count) = (later.shift - self.shift, f64::from(later.count));
        self.squares += later.squares + offset * (2.0 * later.sum + count * offset);
        self.sum += later.sum + count * offset;
        self.count += later.count;
    }

    /// How many values there were.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Their mean, if there were any.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.shift + self.sum / f64::from(self.count))
    }

    /// Their sample standard deviation (divisor `n - 1`), if there were at least two.
    pub fn std(&self) -> Option<f64> {
        let n = f64::from(self.count);
        let spread = (self.squares - self.sum * self.sum / n).max(0.0);
        (self.count > 1).then(|| (spread / (n - 1.0)).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::Moments;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.push(*value));
        moments
    }

    #[test]
    fn none_one_and_equal_values() {
        assert_eq!((of(&[]).mean(), of(&[]).std()), (None, None));
        assert_eq!((of(&[3.0]).mean(), of(&[3.0]).std()), (Some(3.0), None));
        let equal = of(&[0.1; 7]);
        assert_eq!((equal.mean(), equal.std()), (Some(0.1), Some(0.0)));
    }

    #[test]
    fn joined_sequences_are_as_one() {
        let values: Vec<f64> = (0..40).map(|at| 1e6 + f64::from(at * at % 17) / 3.0).collect();
        for cut in [0, 1, 20, 39, 40] {
            let mut joined = of(&values[..cut]);
            joined.join(&of(&values[cut..]));
            let (one, two) = (joined, of(&values));
            assert_eq!(one.count(), two.count());
            let close = |one: Option<f64>, two: Option<f64>| {
                let (one, two) = (one.unwrap(), two.unwrap());
                assert!((one - two).abs() <= 1e-12 * two.abs(), "{cut}: {one} {two}");
            };
            close(one.mean(), two.mean());
            close(one.std(), two.std());
        }
        let mut equal = of(&[0.1; 3]);
        equal.join(&of(&[0.1; 4]));
        assert_eq!((equal.mean(), equal.std()), (Some(0.1), Some(0.0)));
    }

    #[test]
    fn by_hand() {
        let moments = of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!(moments.mean(), Some(5.0));
        assert!((moments.std().unwrap() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn a_large_offset_keeps_the_spread() {
        let moments = of(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert!((moments.std().unwrap() - 30.0_f64.sqrt()).abs() < 1e-12);
    }
}
