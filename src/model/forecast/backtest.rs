//! Rolling-origin back-tests: what would have been forecast at past origins, beside what happened.
//!
//! Does not know which method is best: see [`super::contest`].

use rayon::prelude::*;

use super::interval::{Total, around, conformal};
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

impl Backtest {
    /// The same with intervals of a `level` around what each fold forecast, as they would have been made at its origin: from
    /// errors (see [`conformal`]) of weeks that were over by then. The first fold of a series has none.
    #[must_use]
    pub fn with_intervals(mut self, series: &[Series], level: f64) -> Self {
        let Self { points, residuals, .. } = &mut self;
        let mut oldest: Option<(usize, usize)> = None;
        for fold in points.chunk_by_mut(|one, other| (one.series, one.fold) == (other.series, other.fold)) {
            let Some(first) = fold.first().copied() else { continue };
            let (Some(residuals), Some(series)) = (residuals.get(first.series), series.get(first.series))
            else {
                continue;
            };
            // Origins are a week apart from the first fold's on, and in this order errors are listed.
            if oldest.is_none_or(|(of, _)| of != first.series) {
                oldest = Some((first.series, first.at));
            }
            let weeks = first.at.saturating_sub(oldest.map_or(0, |(_, at)| at));
            let over = |(ahead, errors): (usize, &Vec<f64>)| -> Vec<f64> {
                errors.iter().take(weeks.saturating_sub(ahead)).copied().collect()
            };
            let known: Vec<Vec<f64>> = residuals.iter().enumerate().map(over).collect();
            let Some(bands) = conformal(&known, level) else { continue };
            let history = series.values.get(..first.at).unwrap_or_default();
            let means: Vec<f64> = fold.iter().map(|point| point.pair.predicted).collect();
            let ends = around(&means, &bands, history);
            fold.iter_mut().zip(ends).for_each(|(point, ends)| point.pair.interval = Some(ends));
        }
        self
    }
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
            pair: Pair { actual: *actual, predicted, scale, interval: None },
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
        assert!(found.points.iter().all(|point| point.pair.scale.absolute == 4.0));
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

    /// Intervals of a fold rest on errors of weeks that were over at its origin: what happens from there on changes none of them.
    #[test]
    fn intervals_of_the_past_know_nothing_of_what_came() {
        let wave = |week: i32| 50.0 + f64::from(week * 37 % 11);
        let series = Series { start: 18_995, values: (0..60).map(wave).collect() };
        let tested = |series: &Series| {
            let all = std::slice::from_ref(series);
            backtest(Method::Naive, all, &PLAN).with_intervals(all, 0.5)
        };
        let found = tested(&series);
        assert!(found.points.iter().all(|point| point.pair.interval.is_some() == (point.fold > 1)));
        for fold in 2..=4 {
            let own = |test: &Backtest| -> Vec<_> {
                let own = test.points.iter().filter(|point| point.fold == fold);
                own.map(|point| (point.at, point.pair.predicted, point.pair.interval)).collect()
            };
            let mut other = series.clone();
            let origin = own(&found)[0].0;
            other.values[origin..].fill(1e6);
            assert_eq!(own(&found), own(&tested(&other)));
        }
        // By hand, the second fold's first week: of the three origins of the first fold the errors of weeks ahead that were over.
        let value = |at: usize| series.values[at];
        let origin = 60 - 12;
        let errors = |ahead: usize| -> Vec<f64> {
            (origin..origin + 3 - ahead).map(|at| value(at + ahead) - value(at - 1)).collect()
        };
        let bands = conformal(&[errors(0), errors(1), errors(2)], 0.5).unwrap();
        let (point, last) = (found.points[3], value(origin + 2));
        let wanted = ((last + bands[0].lower).max(0.0), last + bands[0].upper);
        assert_eq!((point.fold, point.ahead, point.pair.interval), (2, 1, Some(wanted)));
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
