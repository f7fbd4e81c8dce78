//! Mean, spread and skewness of a variable; it does not know where the values come from.

use ndarray::ArrayView1;
use ndarray_stats::SummaryStatisticsExt;

/// The first three moments of a variable, as a population (divisor `n`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation, divisor `n`; exactly 0 where all values are equal.
    pub std: f64,
    /// Third standardised moment `m3 / m2^1.5`; 0 where all values are equal.
    pub skewness: f64,
}

impl Moments {
    /// The moments of `n` finite values; `None` for no values.
    ///
    /// A constant variable is recognised by its values, because rounding of its mean may leave a
    /// tiny spread. O(n); Joanes and Gill, "Comparing measures of sample skewness" (1998), g1.
    pub fn of(values: &[f64]) -> Option<Self> {
        let first = *values.first()?;
        if values.iter().all(|value| value.total_cmp(&first).is_eq()) {
            return Some(Self { mean: first, std: 0.0, skewness: 0.0 });
        }
        let view = ArrayView1::from(values);
        let mean = view.sum() / values.len() as f64;
        match view.central_moments(3).ok()?.as_slice() {
            [_, _, m2, m3] if *m2 > 0.0 => {
                let std = m2.sqrt();
                Some(Self { mean, std, skewness: m3 / (m2 * std) })
            }
            _ => Some(Self { mean, std: 0.0, skewness: 0.0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Moments;

    #[test]
    fn nothing_has_no_moments() {
        assert_eq!(Moments::of(&[]), None);
    }

    #[test]
    fn constants_have_no_spread_even_where_the_mean_rounds() {
        let moments = Moments::of(&[0.1; 7]).unwrap();
        assert_eq!(moments, Moments { mean: 0.1, std: 0.0, skewness: 0.0 });
    }

    #[test]
    fn by_hand() {
        // Mean 2, deviations -2 -2 -2 6: m2 = 12, m3 = 48, so skewness 48 / 12^1.5 = 2 / sqrt 3.
        let moments = Moments::of(&[0.0, 0.0, 0.0, 8.0]).unwrap();
        assert_eq!(moments.mean, 2.0);
        assert!((moments.std - 12_f64.sqrt()).abs() < 1e-14);
        assert!((moments.skewness - 2.0 / 3_f64.sqrt()).abs() < 1e-14);
    }

    #[test]
    fn skewness_turns_with_the_sign() {
        let values = [1.0, 2.0, 2.5, 9.0, 4.0];
        let mirrored = values.map(|value| -value);
        let (one, other) = (Moments::of(&values).unwrap(), Moments::of(&mirrored).unwrap());
        assert!((one.skewness + other.skewness).abs() < 1e-14);
    }
}
