//! Whether one forecast is better than another, or only was by chance: the test of Diebold and Mariano.
//!
//! Knows losses in the order of time; doesn't know who made them.

use crate::model::stats::student_within;

/// What the test says of two forecasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// The mean of the first one's losses less the second one's: below 0 where the first is better.
    pub difference: f64,
    /// Student's t; infinite where the difference never varies.
    pub statistic: f64,
    /// How likely a difference of this size or more is where neither is better (two-sided).
    pub p: f64,
}

/// Compares the losses of two forecasts of the same weeks, in the order of time, up to `horizon` weeks ahead.
///
/// `DM = mean(d) / sqrt(V / n)` of `d = one - two`, with `V = γ₀ + 2 Σ (1 - k / h) γₖ` over the lags below the horizon `h`
/// (Bartlett's weights, which keep it positive), times the correction for few weeks of Harvey, Leybourne and Newbold,
/// `sqrt((n + 1 - 2h + h (h - 1) / n) / n)`; against Student's t with `n - 1` degrees of freedom. The horizon counts as the
/// number of weeks at most. None of fewer than two weeks, and where a loss isn't finite. O(n h).
///
/// Reference: Diebold and Mariano (1995), Comparing predictive accuracy; Harvey, Leybourne and Newbold (1997), Testing the
/// equality of prediction mean squared errors.
pub fn diebold_mariano(one: &[f64], two: &[f64], horizon: usize) -> Option<Test> {
    let gaps: Vec<f64> = one.iter().zip(two).map(|(one, two)| one - two).collect();
    let weeks = gaps.len();
    if weeks < 2 || gaps.iter().any(|gap| !gap.is_finite()) {
        return None;
    }
    let (n, h) = (weeks as f64, horizon.clamp(1, weeks));
    let mean = gaps.iter().sum::<f64>() / n;
    let covariance = |lag: usize| -> f64 {
        gaps.iter().zip(gaps.iter().skip(lag)).map(|(then, now)| (then - mean) * (now - mean)).sum::<f64>()
            / n
    };
    let weight = |lag: usize| 1.0 - lag as f64 / h as f64;
    let variance = covariance(0) + 2.0 * (1..h).map(|lag| weight(lag) * covariance(lag)).sum::<f64>();
    let h = h as f64;
    let few = (n + 1.0 - 2.0 * h + h * (h - 1.0) / n).max(0.0) / n;
    let spread = (variance / n).sqrt();
    if spread > 1e-14 * mean.abs() {
        let statistic = mean / spread * few.sqrt();
        return Some(Test {
            difference: mean,
            statistic,
            p: 1.0 - student_within(statistic.abs(), weeks - 1),
        });
    }
    // The same difference each week: as sure as can be, or none at all.
    let statistic = if mean == 0.0 { 0.0 } else { f64::INFINITY.copysign(mean) };
    Some(Test { difference: mean, statistic, p: f64::from(u8::from(mean == 0.0)) })
}

/// Chances of several tests, each made larger for there being others: Holm's way.
///
/// Reference: Holm (1979), A simple sequentially rejective multiple test procedure.
pub fn holm(chances: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|one, two| chances[*one].total_cmp(&chances[*two]));
    let (mut adjusted, mut largest) = (vec![0.0; chances.len()], 0.0_f64);
    for (rank, at) in order.into_iter().enumerate() {
        largest = largest.max(((chances.len() - rank) as f64 * chances[at]).min(1.0));
        adjusted[at] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::forecast::scores::tests::AIR_PASSENGERS;

    /// `dm_test(..., loss=lambda u, v: abs(u - v), h=h, variance_estimator='bartlett')` of dieboldmariano 1.1.0: airline
    /// passengers of 1951 to 1953 by the values 1, 4 and 12 months before; chances by `2 * scipy.stats.t.sf` of scipy 1.17.
    #[test]
    fn statistics_are_those_of_dieboldmariano() {
        let losses = |lag: usize| -> Vec<f64> {
            (24..60).map(|at| (AIR_PASSENGERS[at] - AIR_PASSENGERS[at - lag]).abs()).collect()
        };
        for (one, two, horizon, statistic, p) in [
            (1, 12, 1, -5.133_608_367_729_79, 1.071_035_901_576_204e-5),
            (4, 12, 4, 1.198_947_396_622_838_6, 0.238_603_067_662_010_6),
            (1, 12, 12, -3.419_947_495_490_070_4, 0.001_607_408_420_924_095),
            (4, 12, 12, 0.925_017_193_238_420_1, 0.361_291_202_249_398),
        ] {
            let found = diebold_mariano(&losses(one), &losses(two), horizon).unwrap();
            assert!((found.statistic - statistic).abs() < 1e-12, "{found:?}");
            assert!((found.p - p).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn what_never_varies_is_sure_or_nothing() {
        let same = diebold_mariano(&[1.0; 5], &[1.0; 5], 3).unwrap();
        assert_eq!((same.statistic, same.p), (0.0, 1.0));
        let better = diebold_mariano(&[1.0; 5], &[2.0; 5], 3).unwrap();
        assert_eq!((better.difference, better.p), (-1.0, 0.0));
        assert_eq!(diebold_mariano(&[1.0], &[2.0], 1), None);
        assert_eq!(diebold_mariano(&[1.0, f64::INFINITY], &[2.0, 1.0], 1), None);
        // A horizon beyond the weeks that there are.
        assert!(diebold_mariano(&[1.0, 2.0, 4.0], &[2.0, 2.0, 2.0], 12).unwrap().p <= 1.0);
    }

    /// `p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")` of R: 0.03, 0.06, 0.06, 0.02.
    #[test]
    fn holms_chances() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, wanted) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - wanted).abs() < 1e-15, "{adjusted:?}");
        }
        assert_eq!(holm(&[0.6, 0.9]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
