//! Prediction intervals from past errors: split conformal, one horizon at a time, of single weeks and
//! of totals.
//!
//! Does not know which method made the errors.

/// How far below and above a forecast the interval reaches: `lower <= 0 <= upper`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// To be added to the forecast for the lower end.
    pub lower: f64,
    /// To be added to the forecast for the upper end.
    pub upper: f64,
}

/// What weeks in a row came to, and what had been forecast for them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// The sum of what came.
    pub actual: f64,
    /// The sum of what was forecast.
    pub predicted: f64,
}

/// A past total below this part of the one that is expected now is of another size: its relative error
/// says nothing.
const COMPARABLE: f64 = 0.1;

/// Intervals for every horizon from out-of-fold residuals `actual - predicted`.
///
/// `residuals[h]` holds those of horizon `h + 1`. Of `n` residuals in ascending order, the ends
/// are the `floor((n + 1) * (1 - level) / 2)`-th and the `ceil((n + 1) * (1 + level) / 2)`-th, so
/// that a new residual exchangeable with them falls between with probability `level` or more.
/// That takes at least `(1 + level) / (1 - level)` residuals: a horizon that has fewer uses those
/// of all horizons, and if these are too few as well, their extremes. The interval always holds
/// the forecast itself. None without any residual. O(n log n).
///
/// Reference: Lei et al. (2018), Distribution-free predictive inference for regression.
pub fn conformal(residuals: &[Vec<f64>], level: f64) -> Option<Vec<Band>> {
    let all = sorted(residuals.iter().flatten());
    if all.is_empty() {
        return None;
    }
    let band_of = |own: &Vec<f64>| {
        if enough(own.len(), level) { between(&sorted(own), level) } else { between(&all, level) }
    };
    Some(residuals.iter().map(band_of).collect())
}

/// Intervals for a history that is too short for a back-test: those of a random walk, the
/// conformal quantile of its absolute steps times `sqrt(h)`. None with fewer than two values.
pub fn random_walk(history: &[f64], level: f64, horizon: usize) -> Option<Vec<Band>> {
    let steps: Vec<f64> =
        history.windows(2).filter_map(|pair| Some((pair.get(1)? - pair.first()?).abs())).collect();
    let steps = sorted(&steps);
    let rank = ((steps.len() + 1) as f64 * level).ceil();
    let width = *at_rank(&steps, rank)?;
    let band = |ahead: usize| {
        let reach = width * (ahead as f64).sqrt();
        Band { lower: -reach, upper: reach }
    };
    Some((1..=horizon).map(band).collect())
}

/// Intervals for the totals of the weeks 1 to `h`, for every horizon `h`, around `expected`.
///
/// `past[h]` holds what the weeks up to horizon `h + 1` came to from every past origin. The ends of
/// single weeks, added up, are no such interval: weeks hardly ever err to the same side by as much
/// all at once. So the total's own errors are taken, relative to what was forecast,
/// `actual / predicted - 1`, by the ranks of [`conformal`], and scaled by the total expected now.
/// Where a past total was nothing or of another size (below a tenth), errors are taken as they are.
/// Origins are a week apart, so that their totals overlap and are no independent draws: the
/// coverage is as good as the past is like what comes. None without any total. O(n log n).
pub fn of_totals(past: &[Vec<Total>], expected: &[f64], level: f64) -> Option<Vec<Band>> {
    let relative = past.iter().zip(expected).all(|(past, now)| alike(past, *now));
    let error = |total: &Total| match relative {
        true => total.actual / total.predicted - 1.0,
        false => total.actual - total.predicted,
    };
    let errors: Vec<Vec<f64>> = past.iter().map(|totals| totals.iter().map(error).collect()).collect();
    let bands = conformal(&errors, level)?;
    let scaled = |(band, now): (Band, &f64)| {
        let by = if relative { *now } else { 1.0 };
        Band { lower: band.lower * by, upper: band.upper * by }
    };
    Some(bands.into_iter().zip(expected).map(scaled).collect())
}

/// Whether relative errors of totals are meant for one that is expected now.
fn alike(past: &[Total], now: f64) -> bool {
    now > 0.0 && past.iter().all(|total| total.predicted > COMPARABLE * now)
}

/// Intervals of totals for a history that is too short for a back-test: those of the sums of a random
/// walk, whose variance after `h` steps is `h (h + 1) (2 h + 1) / 6` times that of one step.
pub fn random_walk_totals(history: &[f64], level: f64, horizon: usize) -> Option<Vec<Band>> {
    let step = random_walk(history, level, 1)?.first()?.upper;
    let band = |ahead: usize| {
        let ahead = ahead as f64;
        let reach = step * (ahead * (ahead + 1.0) * (2.0 * ahead + 1.0) / 6.0).sqrt();
        Band { lower: -reach, upper: reach }
    };
    Some((1..=horizon).map(band).collect())
}

/// The ends of bands around means; never below 0 where the history never is.
pub(super) fn around(means: &[f64], bands: &[Band], history: &[f64]) -> Vec<(f64, f64)> {
    let floor = if history.iter().all(|value| *value >= 0.0) { 0.0 } else { f64::NEG_INFINITY };
    let ends = |(mean, band): (&f64, &Band)| ((mean + band.lower).max(floor), mean + band.upper);
    means.iter().zip(bands).map(ends).collect()
}

fn enough(residuals: usize, level: f64) -> bool {
    // The small slack keeps 19 residuals enough for a level of 0.9 in spite of rounding.
    residuals as f64 * (1.0 - level) + 1e-9 >= 1.0 + level
}

fn between(sorted: &[f64], level: f64) -> Band {
    let places = (sorted.len() + 1) as f64;
    let lower = at_rank(sorted, (places * (1.0 - level) / 2.0 + 1e-9).floor());
    let upper = at_rank(sorted, (places * (1.0 + level) / 2.0 - 1e-9).ceil());
    Band { lower: lower.map_or(0.0, |end| end.min(0.0)), upper: upper.map_or(0.0, |end| end.max(0.0)) }
}

/// The value of a rank from 1 to n; ranks outside are moved to the ends.
fn at_rank(sorted: &[f64], rank: f64) -> Option<&f64> {
    // The cast saturates, so that even an infinite rank is the last one.
    let index = (rank.max(1.0) as usize).min(sorted.len()).checked_sub(1)?;
    sorted.get(index)
}

fn sorted<'a>(values: impl IntoIterator<Item = &'a f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().copied().collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::model::random::Streams;

    #[test]
    fn nineteen_residuals_are_just_enough_for_nine_in_ten() {
        let nineteen: Vec<f64> = (-9..=9).map(f64::from).collect();
        let bands = conformal(&[nineteen.clone(), vec![100.0]], 0.9).unwrap();
        assert_eq!(bands[0], Band { lower: -9.0, upper: 9.0 });
        // The second horizon has one residual only and uses all twenty.
        assert_eq!(bands[1], Band { lower: -9.0, upper: 100.0 });
        let wider: Vec<f64> = (-29..=29).map(f64::from).collect();
        assert_eq!(conformal(&[wider], 0.9).unwrap()[0], Band { lower: -27.0, upper: 27.0 });
    }

    #[test]
    fn the_forecast_lies_in_its_interval_even_when_all_errors_have_one_sign() {
        assert_eq!(conformal(&[vec![2.0, 3.0, 5.0]], 0.8).unwrap()[0], Band { lower: 0.0, upper: 5.0 });
        assert_eq!(conformal(&[vec![-2.0]], 0.8).unwrap()[0], Band { lower: -2.0, upper: 0.0 });
    }

    #[test]
    fn no_residuals_give_no_interval() {
        assert_eq!(conformal(&[vec![], vec![]], 0.9), None);
        assert_eq!(conformal(&[], 0.9), None);
        assert_eq!(random_walk(&[3.0], 0.9, 2), None);
        assert_eq!(random_walk(&[], 0.9, 2), None);
    }

    #[test]
    fn a_random_walk_widens_with_the_root_of_the_horizon() {
        let bands = random_walk(&[1.0, 4.0, 2.0], 0.5, 4).unwrap();
        assert_eq!(bands[0], Band { lower: -3.0, upper: 3.0 });
        assert_eq!(bands[3], Band { lower: -6.0, upper: 6.0 });
    }

    fn total(actual: f64, predicted: f64) -> Total {
        Total { actual, predicted }
    }

    /// A forecast of 200 whose past ones were 10 % too low to 20 % too high.
    #[test]
    fn totals_have_the_relative_errors_of_past_totals() {
        let past = vec![vec![total(110.0, 100.0), total(80.0, 100.0), total(50.0, 50.0)]];
        let band = of_totals(&past, &[200.0], 0.8).unwrap()[0];
        assert!((band.lower + 40.0).abs() < 1e-9 && (band.upper - 20.0).abs() < 1e-9, "{band:?}");
    }

    /// Of a past ten times smaller, or of nothing, relative errors say nothing.
    #[test]
    fn totals_of_another_size_have_their_errors_as_they_are() {
        let past = vec![vec![total(30.0, 10.0), total(80.0, 100.0)]];
        assert_eq!(of_totals(&past, &[200.0], 0.8).unwrap()[0], Band { lower: -20.0, upper: 20.0 });
        let past = vec![vec![total(-30.0, -10.0), total(5.0, 0.0)]];
        assert_eq!(of_totals(&past, &[-20.0], 0.8).unwrap()[0], Band { lower: -20.0, upper: 5.0 });
        assert_eq!(of_totals(&[vec![]], &[5.0], 0.8), None);
    }

    #[test]
    fn sums_of_a_random_walk_spread_faster_than_it_does() {
        let bands = random_walk_totals(&[1.0, 4.0, 2.0], 0.5, 2).unwrap();
        // The second total has the first step twice and the second one once: 3 * sqrt(4 + 1).
        assert_eq!(bands[0], Band { lower: -3.0, upper: 3.0 });
        assert!((bands[1].upper - 3.0 * 5.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(random_walk_totals(&[3.0], 0.9, 2), None);
    }

    /// Sums of twelve independent errors: the interval of the total holds what comes as often as it says,
    /// and is far narrower than the ends of the single weeks added up.
    #[test]
    fn the_interval_of_a_total_is_narrower_than_the_sum_of_the_weeks() {
        let streams = Streams::new(11, "totals test");
        let (mut covered, mut narrower) = (0, 0);
        for trial in 0..1_000_u64 {
            let mut rng = streams.of(trial);
            let mut week = || 100.0 + 20.0 * (rng.random::<f64>() - 0.5);
            let weeks: Vec<Vec<f64>> = (0..39).map(|_| (0..12).map(|_| week()).collect()).collect();
            let totals = |weeks: &[f64]| total(weeks.iter().sum(), 1_200.0);
            let past = vec![weeks.iter().map(|weeks| totals(weeks)).collect::<Vec<_>>()];
            let band = of_totals(&past, &[1_200.0], 0.9).unwrap()[0];
            let errors: Vec<Vec<f64>> =
                (0..12).map(|at| weeks.iter().map(|weeks| weeks[at] - 100.0).collect()).collect();
            let single: f64 =
                conformal(&errors, 0.9).unwrap().iter().map(|band| band.upper - band.lower).sum();
            let next: f64 = (0..12).map(|_| week()).sum::<f64>() - 1_200.0;
            covered += usize::from((band.lower..=band.upper).contains(&next));
            narrower += usize::from(band.upper - band.lower < 0.6 * single);
        }
        // Ranks 2 and 38 of 39: exactly 36 of 40 places; the standard error is 1 %.
        assert!((870..=930).contains(&covered), "{covered}");
        assert_eq!(narrower, 1_000);
    }

    #[test]
    fn the_interval_covers_as_often_as_it_says() {
        let streams = Streams::new(7, "coverage test");
        let covered = (0..2_000_u64).filter(|trial| {
            let mut rng = streams.of(*trial);
            let mut error = || rng.random::<f64>().powi(3) - rng.random::<f64>();
            let band = conformal(&[(0..39).map(|_| error()).collect()], 0.9).unwrap()[0];
            (band.lower..=band.upper).contains(&error())
        });
        // 39 residuals: ranks 2 and 38, so exactly 36 of 40 places; the standard error is 0.7 %.
        let share = covered.count() as f64 / 2_000.0;
        assert!((0.88..=0.92).contains(&share), "{share}");
    }
}
