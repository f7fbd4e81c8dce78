//! Limits beyond which a value lies far from the others, resistant to those values themselves.
//!
//! Knows numbers only.

use ndarray::Array1;
use ndarray_stats::interpolate::{Higher, Lower};
use ndarray_stats::{MaybeNan, Quantile1dExt};

/// The median absolute deviation of a normal distribution, as a share of its standard deviation, inverted.
const NORMAL: f64 = 1.4826;
/// Robust standard deviations from the median that are still near.
const DEVIATIONS: f64 = 6.0;
/// Interquartile ranges beyond the quartiles that are still near.
const RANGES: f64 = 3.0;

/// The range of values that are near the others.
///
/// `median ± 6 · 1.4826 · MAD`; where more than half of the values are equal (MAD = 0), the
/// quartiles widened by three times their distance (Tukey's outer fences); where even the quartiles
/// are equal nothing is far. NaN is left out. Quantiles interpolate linearly (type 7). The median
/// absolute deviation is that of Hampel (1974), the influence curve and its role in robust estimation.
/// Expected time is linear.
pub fn limits(values: &[f64]) -> Option<(f64, f64)> {
    let mut all = ranked(values.iter().copied());
    let median = quantile(&mut all, 0.5)?;
    let mut distances = ranked(values.iter().map(|value| (value - median).abs()));
    let spread = NORMAL * DEVIATIONS * quantile(&mut distances, 0.5)?;
    if spread > 0.0 {
        return Some((median - spread, median + spread));
    }
    let (low, high) = (quantile(&mut all, 0.25)?, quantile(&mut all, 0.75)?);
    let reach = RANGES * (high - low);
    (reach > 0.0).then_some((low - reach, high + reach))
}

/// A number that can be ordered, and its place.
type Ranked = (<f64 as MaybeNan>::NotNan, usize);

/// A scratch copy without NaN. The place makes equal values differ: the selection in `ndarray-stats`
/// recurses once for every value that equals its pivot, which overflows the stack on prices.
fn ranked(values: impl Iterator<Item = f64>) -> Array1<Ranked> {
    values.enumerate().filter_map(|(place, value)| Some((*value.try_as_not_nan()?, place))).collect()
}

/// A quantile; the array is permuted.
fn quantile(scratch: &mut Array1<Ranked>, share: f64) -> Option<f64> {
    let q = *share.try_as_not_nan()?;
    let (low, _) = scratch.quantile_mut(q, &Lower).ok()?;
    let (high, _) = scratch.quantile_mut(q, &Higher).ok()?;
    // Counts of rows are far below 2^53.
    #[allow(clippy::cast_precision_loss)]
    let fraction = ((scratch.len() - 1) as f64 * share).fract();
    let (low, high) = (f64::from_not_nan(low), f64::from_not_nan(high));
    Some(low + (high - low) * fraction)
}

#[cfg(test)]
mod tests {
    use super::limits;

    #[test]
    fn by_hand() {
        // Median 3; distances 2, 1, 0, 1, 97; their median is 1.
        let (low, high) = limits(&[1.0, 2.0, 3.0, 4.0, 100.0]).unwrap();
        assert!((low - (3.0 - 8.8956)).abs() < 1e-12 && (high - (3.0 + 8.8956)).abs() < 1e-12);
    }

    #[test]
    fn quartiles_take_over_where_most_values_are_equal() {
        // Sorted 0 0 0 0 0 4 4 4: median 0, MAD 0, quartiles 0 and 4.
        assert_eq!(limits(&[0.0, 4.0, 0.0, 0.0, 4.0, 0.0, 0.0, 4.0]), Some((-12.0, 16.0)));
        assert_eq!(limits(&[5.0; 9]), None);
    }

    #[test]
    fn edges() {
        assert_eq!(limits(&[]), None);
        assert_eq!(limits(&[f64::NAN]), None);
        assert_eq!(limits(&[7.0]), None);
        assert_eq!(limits(&[1.0, f64::NAN, 3.0]), limits(&[3.0, 1.0]));
    }

    #[test]
    fn equal_values_do_not_make_it_slow() {
        let values: Vec<f64> = (0..400_000).map(|at| f64::from(at % 2)).collect();
        assert_eq!(limits(&values), Some((0.5 - 6.0 * 1.4826 * 0.5, 0.5 + 6.0 * 1.4826 * 0.5)));
    }
}
