//! Limits beyond which a value lies far from the others, resistant to those values themselves.
//!
//! Knows numbers only.

use super::demand::Fence;

/// The median absolute deviation of a normal distribution, as a share of its standard deviation, inverted.
const NORMAL: f64 = 1.4826;
/// Robust standard deviations from the median that are still near.
const DEVIATIONS: f64 = 6.0;
/// Interquartile ranges beyond the quartiles that are still near.
const RANGES: f64 = 3.0;

/// The range of values that are near the others, by a fence that the user gives or by this one:
///
/// `median ± 6 · 1.4826 · MAD`; where more than half of the values are equal (MAD = 0), the
/// quartiles widened by three times their distance (Tukey's outer fences); where even the quartiles
/// are equal nothing is far. NaN is left out. Quantiles interpolate linearly (type 7). The median
/// absolute deviation is that of Hampel (1974), the influence curve and its role in robust estimation.
/// Expected time is linear.
pub fn limits(values: &[f64], fence: Option<Fence>) -> Option<(f64, f64)> {
    let mut all = known(values.iter().copied());
    match fence {
        None => around_median(&mut all, DEVIATIONS).or_else(|| beyond_quartiles(&mut all, RANGES)),
        Some(Fence::RobustZ(deviations)) => around_median(&mut all, deviations),
        Some(Fence::Iqr(ranges)) => beyond_quartiles(&mut all, ranges),
    }
}

fn around_median(all: &mut [f64], deviations: f64) -> Option<(f64, f64)> {
    let median = quantile(all, 0.5)?;
    let mut distances = known(all.iter().map(|value| (value - median).abs()));
    let spread = NORMAL * deviations * quantile(&mut distances, 0.5)?;
    (spread > 0.0).then_some((median - spread, median + spread))
}

fn beyond_quartiles(all: &mut [f64], ranges: f64) -> Option<(f64, f64)> {
    let (low, high) = (quantile(all, 0.25)?, quantile(all, 0.75)?);
    let reach = ranges * (high - low);
    (reach > 0.0).then_some((low - reach, high + reach))
}

/// A scratch copy without NaN.
fn known(values: impl Iterator<Item = f64>) -> Vec<f64> {
    values.filter(|value| !value.is_nan()).collect()
}

/// A quantile; the values are permuted. The selection in `ndarray-stats` recurses once for every value
/// that equals its pivot, which overflows the stack on prices; that of std is also ten times as fast.
fn quantile(scratch: &mut [f64], share: f64) -> Option<f64> {
    let last = scratch.len().checked_sub(1)?;
    // Counts of rows are far below 2^53.
    let place = last as f64 * share;
    let (_, low, above) = scratch.select_nth_unstable_by((place as usize).min(last), f64::total_cmp);
    let next = above.iter().copied().min_by(f64::total_cmp);
    let high = if place.fract() > 0.0 { next.unwrap_or(*low) } else { *low };
    Some(*low + (high - *low) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::Fence;

    fn limits(values: &[f64]) -> Option<(f64, f64)> {
        super::limits(values, None)
    }

    #[test]
    fn fences_may_be_given() {
        let values = [1.0, 2.0, 3.0, 4.0, 100.0];
        let (low, high) = super::limits(&values, Some(Fence::RobustZ(2.0))).unwrap();
        assert!((low - (3.0 - 2.9652)).abs() < 1e-12 && (high - (3.0 + 2.9652)).abs() < 1e-12);
        // Quartiles 2 and 4.
        assert_eq!(super::limits(&values, Some(Fence::Iqr(1.5))), Some((-1.0, 7.0)));
        assert_eq!(super::limits(&[5.0, 5.0, 5.0, 9.0], Some(Fence::RobustZ(6.0))), None);
    }

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
