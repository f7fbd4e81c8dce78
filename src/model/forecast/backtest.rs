//! Rolling-origin back-tests: what would have been forecast at past origins, beside what happened.
//!
//! Does not know which method is best: see [`super::contest`].

use rayon::prelude::*;

use super::interval::Total;
use super::scores::{Pair, scale};
use super::{Fitted, Method, Series, View, fit};

/// Which origins are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Weeks ahead.
    pub horizon: usize,
    /// How many origins at most.
    pub folds: usize,
    /// Weeks between two origins.
    pub step: usize,
    /// Weeks of history that a fold needs. Where it is left out: two horizons, or one for a
    /// series of fewer than three.
    pub min_training: Option<usize>,
    /// The season's length in weeks.
    pub season: usize,
}

/// One value forecast in a fold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Position of the series.
    pub series: usize,
    /// The fold: 1 is the oldest.
    pub fold: usize,
    /// Weeks ahead of the origin, from 1.
    pub ahead: usize,
    /// Position in the series.
    pub at: usize,
    /// What was forecast and what happened.
    pub pair: Pair,
}

/// What a back-test found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backtest {
    /// Forecasts at the folds' origins, by series, fold and weeks ahead.
    pub points: Vec<Point>,
    /// `actual - predicted` by series and horizon, from every weekly origin: see [`backtest`].
    pub residuals: Vec<Vec<Vec<f64>>>,
    /// Sums over the weeks from the first one ahead to each horizon, from the same origins.
    pub totals: Vec<Vec<Vec<Total>>>,
    /// How many folds the longest series allows.
    pub folds: usize,
    /// How many series and folds a simpler method stood in for.
    pub fallbacks: usize,
}

/// How many values each fold hides of every series, oldest fold first.
///
/// The last fold hides one horizon, each one before it a step more. A fold counts when a series of
/// `longest` values keeps the training that the plan asks for.
pub fn origins(longest: usize, plan: &Plan) -> Vec<usize> {
    let hidden = (0..plan.folds).map(|fold| plan.horizon + fold * plan.step);
    let mut hidden: Vec<usize> = hidden.take_while(|hidden| plan.allows(longest, *hidden)).collect();
    hidden.reverse();
    hidden
}

/// Back-tests a method on all series at once, each aligned at its own end.
///
/// In every fold the method is fitted to what lies before the origin. Residuals for intervals come
/// from more origins than scores do: a fold's model, unchanged, also forecasts from every week up
/// to the next fold's origin, with the history known by then. No forecast sees what it is judged by.
/// O(folds) fits; folds run in parallel and are put together in order.
///
/// Reference: Tashman (2000), Out-of-sample tests of forecasting accuracy.
pub fn backtest(method: Method, series: &[Series], plan: &Plan) -> Backtest {
    let longest = series.iter().map(|series| series.values.len()).max().unwrap_or(0);
    let origins = origins(longest, plan);
    let folds: Vec<Fold> = origins.par_iter().map(|hidden| fold(method, series, *hidden, plan)).collect();
    let mut found = Backtest {
        residuals: vec![vec![Vec::new(); plan.horizon]; series.len()],
        totals: vec![vec![Vec::new(); plan.horizon]; series.len()],
        folds: folds.len(),
        ..Backtest::default()
    };
    for (number, fold) in (1..).zip(folds) {
        found.fallbacks += fold.fallbacks;
        found.points.extend(fold.points.into_iter().map(|point| Point { fold: number, ..point }));
        for (of, ahead, residual) in fold.residuals {
            if let Some(horizon) = found.residuals.get_mut(of).and_then(|series| series.get_mut(ahead)) {
                horizon.push(residual);
            }
        }
        for (of, ahead, total) in fold.totals {
            if let Some(horizon) = found.totals.get_mut(of).and_then(|series| series.get_mut(ahead)) {
                horizon.push(total);
            }
        }
    }
    found.points.sort_by_key(|point| (point.series, point.fold, point.ahead));
    found
}

impl Plan {
    /// Whether a series of so many values has enough of them left.
    fn allows(&self, values: usize, hidden: usize) -> bool {
        let horizons = if values >= 3 * self.horizon { 2 } else { 1 };
        let needed = self.min_training.unwrap_or(horizons * self.horizon).max(2);
        values >= hidden + needed
    }
}

#[derive(Default)]
struct Fold {
    points: Vec<Point>,
    residuals: Vec<(usize, usize, f64)>,
    totals: Vec<(usize, usize, Total)>,
    fallbacks: usize,
}

fn fold(method: Method, series: &[Series], hidden: usize, plan: &Plan) -> Fold {
    let views: Vec<View<'_>> = series.iter().map(|series| series.view(hidden)).collect();
    let fitted = fit(method, &views, plan.season);
    let mut fold = Fold::default();
    for (of, series) in series.iter().enumerate() {
        if plan.allows(series.values.len(), hidden) {
            fold.judge(&fitted, of, series, hidden, plan);
            fold.calibrate(&fitted, of, series, hidden, plan);
        }
    }
    fold
}

impl Fold {
    fn judge(&mut self, fitted: &Fitted, of: usize, series: &Series, hidden: usize, plan: &Plan) {
        let view = series.view(hidden);
        let path = fitted.forecast(of, view, plan.horizon);
        let scale = scale(view.values, plan.season);
        let origin = view.values.len();
        self.fallbacks += usize::from(path.fallback);
        let ahead = series.values.iter().skip(origin).zip(path.mean).enumerate();
        self.points.extend(ahead.map(|(step, (actual, predicted))| Point {
            series: of,
            fold: 0,
            ahead: step + 1,
            at: origin + step,
            pair: Pair { actual: *actual, predicted, scale },
        }));
    }

    fn calibrate(&mut self, fitted: &Fitted, of: usize, series: &Series, hidden: usize, plan: &Plan) {
        let oldest = hidden.saturating_sub(plan.step - plan.step.min(1)).max(1);
        for hidden in (oldest..=hidden).rev() {
            let view = series.view(hidden);
            let path = fitted.forecast(of, view, plan.horizon.min(hidden));
            let ahead = series.values.iter().skip(view.values.len()).zip(path.mean).enumerate();
            let mut total = Total::default();
            for (step, (actual, predicted)) in ahead {
                total.actual += actual;
                total.predicted += predicted;
                self.residuals.push((of, step, actual - predicted));
                self.totals.push((of, step, total));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { horizon: 3, folds: 4, step: 3, min_training: None, season: 4 };

    fn counting(weeks: i32) -> Series {
        Series { start: 18_995, values: (0..weeks).map(f64::from).collect() }
    }

    #[test]
    fn origins_go_back_a_step_at_a_time_while_history_is_left() {
        assert_eq!(origins(100, &PLAN), [12, 9, 6, 3]);
        // Two horizons of history are needed from nine weeks on, below that one is enough.
        assert_eq!(origins(12, &PLAN), [6, 3]);
        assert_eq!(origins(9, &PLAN), [3]);
        assert_eq!(origins(6, &PLAN), [3]);
        assert!(origins(5, &PLAN).is_empty());
        assert_eq!(origins(12, &Plan { min_training: Some(9), ..PLAN }), [3]);
        assert!(origins(0, &PLAN).is_empty());
    }

    /// The seasonal naive forecast of a series that grows by one a week is off by the season.
    #[test]
    fn every_point_is_an_honest_forecast() {
        let found = backtest(Method::SeasonalNaive, &[counting(30)], &PLAN);
        assert_eq!((found.folds, found.points.len(), found.fallbacks), (4, 12, 0));
        assert!(found.points.iter().all(|point| point.pair.actual == point.at as f64));
        assert!(found.points.iter().all(|point| point.pair.predicted == point.at as f64 - 4.0));
        assert!(found.points.iter().all(|point| point.pair.scale == 4.0));
        let places: Vec<_> = found.points.iter().map(|point| (point.fold, point.ahead, point.at)).collect();
        assert_eq!(places[..4], [(1, 1, 18), (1, 2, 19), (1, 3, 20), (2, 1, 21)]);
        assert_eq!(places[11], (4, 3, 29));
    }

    #[test]
    fn residuals_come_from_every_week_between_the_first_origin_and_the_end() {
        let found = backtest(Method::SeasonalNaive, &[counting(30)], &PLAN);
        let counts: Vec<_> = found.residuals[0].iter().map(Vec::len).collect();
        assert_eq!(counts, [12, 11, 10]);
        assert!(found.residuals.iter().flatten().flatten().all(|residual| *residual == 4.0));
    }

    /// From every origin the sums grow by a week at a time.
    #[test]
    fn totals_add_up_the_weeks_from_each_origin() {
        let found = backtest(Method::SeasonalNaive, &[counting(30)], &PLAN);
        let totals = &found.totals[0];
        assert_eq!(totals.iter().map(Vec::len).collect::<Vec<_>>(), [12, 11, 10]);
        assert_eq!(totals[0][0], Total { actual: 18.0, predicted: 14.0 });
        assert_eq!(totals[2][0], Total { actual: 18.0 + 19.0 + 20.0, predicted: 14.0 + 15.0 + 16.0 });
        assert!(totals[2].iter().all(|total| total.actual - total.predicted == 12.0));
    }

    #[test]
    fn a_short_series_joins_late_and_changes_no_other() {
        let alone = backtest(Method::SeasonalNaive, &[counting(30)], &PLAN);
        let both = backtest(Method::SeasonalNaive, &[counting(30), counting(9)], &PLAN);
        assert_eq!(both.points[..12], alone.points[..]);
        let late: Vec<_> = both.points[12..].iter().map(|point| (point.series, point.fold)).collect();
        assert_eq!(late, [(1, 4); 3]);
    }

    /// Changing what lies behind an origin must not change what is forecast there.
    #[test]
    fn the_future_does_not_leak() {
        let wave = |week: i32| 50.0 + f64::from(week * 37 % 11) + f64::from(week);
        let series = Series { start: 18_995, values: (0..120).map(wave).collect() };
        let mut other = series.clone();
        other.values[117..].fill(1e6);
        for method in [Method::SeasonalNaive, Method::Ridge] {
            let (one, two) = (
                backtest(method, std::slice::from_ref(&series), &PLAN),
                backtest(method, std::slice::from_ref(&other), &PLAN),
            );
            for (one, two) in one.points.iter().zip(&two.points) {
                assert_eq!(one.pair.predicted.to_bits(), two.pair.predicted.to_bits());
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let series = [counting(120), counting(90)];
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| backtest(Method::Ridge, &series, &PLAN))
        };
        assert_eq!(with(1), with(2));
    }
}
