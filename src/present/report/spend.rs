//! What customers have spent: quantiles, and how much the best of them hold.
//!
//! Knows no pages.

/// A quantile of ascending numbers, interpolated (type 7 of Hyndman & Fan 1996, R's default).
pub fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = part.clamp(0.0, 1.0) * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the slice")]
    let below = place.floor() as usize;
    let low = sorted.get(below)?;
    let high = sorted.get(below + 1).unwrap_or(low);
    Some(low + (high - low) * (place - place.floor()))
}

/// The finite numbers, ascending.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<_> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// The share of the whole that the top part (0 to 1) of the customers hold; `None` where the whole
/// isn't above zero.
pub fn top_share(sorted: &[f64], part: f64) -> Option<f64> {
    let total: f64 = sorted.iter().sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of customers")]
    let top = (sorted.len() as f64 * part).round().max(1.0) as usize;
    let held: f64 = sorted.iter().rev().take(top).sum();
    (total > 0.0).then(|| held / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_type_seven() {
        // R: quantile(c(1, 2, 4, 8), c(0, .25, .5, .9, 1)) gives 1 1.75 3 6.8 8.
        let values = [1.0, 2.0, 4.0, 8.0];
        for (part, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&values, part).unwrap() - expected).abs() < 1e-12);
        }
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7.0], 0.9), Some(7.0));
    }

    #[test]
    fn the_top_tenth_holds_its_share() {
        let values = sorted(&[1.0, 1.0, f64::NAN, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 91.0]);
        assert_eq!(values.len(), 10);
        assert_eq!(top_share(&values, 0.1), Some(0.91));
        assert_eq!(top_share(&[0.0], 0.1), None);
        assert_eq!(top_share(&[], 0.1), None);
    }
}
