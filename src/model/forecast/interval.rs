//! Prediction intervals from past errors: split conformal, one horizon at a time.
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
