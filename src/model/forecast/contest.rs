//! Several methods on the same folds: their scores, the best one for each series, and forecasts
//! with intervals from all of them.
//!
//! Does not know what series and methods are called.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::backtest::{Backtest, Plan, backtest};
use super::diebold_mariano::{Test, diebold_mariano, holm};
use super::ensemble::{self, Way};
use super::interval::{around, conformal, of_totals, random_walk, random_walk_totals};
use super::scores::{Pair, Scores, scores};
use super::{Method, Path, Series, View, fit};

/// What competes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrant {
    /// A method.
    Method(Method),
    /// All methods of the contest together.
    Ensemble(Way),
}

/// One entrant's back-test and forecasts.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The entrant.
    pub entrant: Entrant,
    /// What it would have forecast in the past.
    pub backtest: Backtest,
    /// Its errors for each series; none without a fold.
    pub scores: Vec<Option<Scores>>,
    /// Its errors over the pooled series.
    pub pooled: Option<Scores>,
    /// Its errors by weeks ahead, from 1, for each series.
    pub by_horizon: Vec<Vec<Scores>>,
    /// The part of the seasonal naive forecast's mean absolute error that it does without, for each series: below 0 where it errs more.
    pub skill: Vec<Option<f64>>,
    /// The same over the pooled series.
    pub pooled_skill: Option<f64>,
    /// Its forecast of each series.
    pub outlooks: Vec<Outlook>,
}

/// The forecast of one series with its interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// The forecast.
    pub path: Path,
    /// Lower and upper end for each week ahead; none where a single value is all the history.
    pub interval: Option<Vec<(f64, f64)>>,
    /// The forecasts of the weeks from the first one to each, added up.
    pub totals: Vec<f64>,
    /// Lower and upper end for each of these totals.
    pub total_interval: Option<Vec<(f64, f64)>>,
}

/// All methods and the best of them.
#[derive(Clone, Debug)]
pub struct Contest {
    /// One entry for each entrant, in the order given.
    pub entries: Vec<Entry>,
    /// The best entry for each series.
    pub best: Vec<usize>,
    /// The best entry over the pooled series.
    pub overall: usize,
    /// Each entry against the best one over the pooled series; none for the best itself and without a back-test.
    pub against: Vec<Option<Against>>,
}

/// Whether an entry errs more than the best one by more than chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Against {
    /// Absolute errors of the entry less those of the best.
    pub test: Test,
    /// The chance of the test, made larger for there being several entries: see [`holm`].
    pub p_adjusted: f64,
}

/// Lets methods, and ensembles of all of them, compete on the same folds, then forecasts from the whole history with each.
///
/// The best entrant has the lowest MAE in the back-test (for one series that is the lowest WAPE
/// and MASE as well); of equals, and without a back-test, the one listed first. `pooled` says which
/// series count in the pooled scores. Intervals of the given `level` are conformal, or those of a
/// random walk for a series without a fold; they never reach below 0 where the series doesn't.
pub fn contest(entrants: &[Entrant], series: &[Series], pooled: &[bool], plan: &Plan, level: f64) -> Contest {
    let tried: Vec<Option<Tried>> =
        entrants.par_iter().map(|entrant| tried(*entrant, series, plan)).collect();
    let members: Vec<(&Backtest, Vec<&Path>)> =
        tried.iter().flatten().map(|(test, paths)| (test, paths.iter().collect())).collect();
    let together = |entrant: &Entrant| match entrant {
        Entrant::Method(_) => None,
        Entrant::Ensemble(way) => Some(ensemble::combine(*way, &members, plan.step)),
    };
    let ensembles: Vec<Option<Tried>> = entrants.iter().map(together).collect();
    let known = entrants.iter().position(|entrant| *entrant == Entrant::Method(Method::SeasonalNaive));
    let known = known.and_then(|at| Some(tried.get(at)?.as_ref()?.0.clone()));
    let naive = known.unwrap_or_else(|| backtest(Method::SeasonalNaive, series, plan));
    let judge = Judge { series, pooled, plan, level, naive };
    let all = entrants.iter().zip(tried.into_iter().zip(ensembles));
    let entries: Vec<Entry> = all
        .filter_map(|(entrant, (alone, together))| Some(judge.entry(*entrant, alone.or(together)?)))
        .collect();
    let best = (0..series.len())
        .map(|at| lowest(entries.iter().map(|entry| entry.scores.get(at).copied().flatten())))
        .collect();
    let overall = lowest(entries.iter().map(|entry| entry.pooled));
    let against = against(&entries, overall, pooled, plan.horizon);
    Contest { entries, best, overall, against }
}

/// Tests each entry against the best one.
fn against(entries: &[Entry], best: usize, pooled: &[bool], horizon: usize) -> Vec<Option<Against>> {
    let Some(winner) = entries.get(best).map(|entry| losses(&entry.backtest, pooled)) else {
        return Vec::new();
    };
    let test = |(at, entry): (usize, &Entry)| {
        let losses = (at != best).then(|| losses(&entry.backtest, pooled))?;
        diebold_mariano(&losses, &winner, horizon)
    };
    let tests: Vec<Option<Test>> = entries.iter().enumerate().map(test).collect();
    let mut adjusted = holm(&tests.iter().flatten().map(|test| test.p).collect::<Vec<_>>()).into_iter();
    let adjust = |test: Option<Test>| Some(Against { test: test?, p_adjusted: adjusted.next()? });
    tests.into_iter().map(adjust).collect()
}

/// Absolute errors, added up over the pooled series, of each week of each fold, in the order of time.
fn losses(backtest: &Backtest, pooled: &[bool]) -> Vec<f64> {
    let mut sums = BTreeMap::new();
    for point in backtest.points.iter().filter(|point| pooled.get(point.series).copied().unwrap_or(false)) {
        *sums.entry((point.fold, point.ahead)).or_insert(0.0) +=
            (point.pair.actual - point.pair.predicted).abs();
    }
    sums.into_values().collect()
}

/// A back-test and the forecast of each series.
type Tried = (Backtest, Vec<Path>);

fn tried(entrant: Entrant, series: &[Series], plan: &Plan) -> Option<Tried> {
    let Entrant::Method(method) = entrant else { return None };
    let backtest = backtest(method, series, plan);
    let views: Vec<View<'_>> = series.iter().map(|series| series.view(0)).collect();
    let fitted = fit(method, &views, plan.season);
    let paths = views.iter().enumerate().map(|(at, view)| fitted.forecast(at, *view, plan.horizon)).collect();
    Some((backtest, paths))
}

/// What entries are made with.
struct Judge<'a> {
    series: &'a [Series],
    pooled: &'a [bool],
    plan: &'a Plan,
    level: f64,
    /// The seasonal naive forecast's back-test, against which skill is measured.
    naive: Backtest,
}

impl Judge<'_> {
    fn entry(&self, entrant: Entrant, (backtest, paths): Tried) -> Entry {
        let backtest = backtest.with_intervals(self.series, self.level);
        let all = 0..self.series.len();
        let is_pooled = |of: usize| self.pooled.get(of).copied().unwrap_or(false);
        let scored: Vec<_> =
            all.clone().map(|at| scores(pairs(&backtest, |of| of == at), self.level)).collect();
        let in_pool = scores(pairs(&backtest, is_pooled), self.level);
        let naive = |counts: &dyn Fn(usize) -> bool| scores(pairs(&self.naive, counts), self.level);
        let skills = scored.iter().enumerate().map(|(at, own)| skill(*own, naive(&|of| of == at)));
        let skills = skills.collect();
        let pooled_skill = skill(in_pool, naive(&is_pooled));
        let by_horizon = all.map(|at| self.by_horizon(at, &backtest)).collect();
        let all = paths.into_iter().zip(self.series).enumerate();
        let outlooks = all.map(|(at, (path, series))| self.outlook(at, path, series, &backtest)).collect();
        Entry {
            entrant,
            scores: scored,
            pooled: in_pool,
            by_horizon,
            skill: skills,
            pooled_skill,
            outlooks,
            backtest,
        }
    }

    fn by_horizon(&self, series: usize, backtest: &Backtest) -> Vec<Scores> {
        let own = || backtest.points.iter().filter(|point| point.series == series);
        let ahead = |ahead: usize| own().filter(move |point| point.ahead == ahead).map(|point| point.pair);
        (1..=self.plan.horizon).map_while(|weeks| scores(ahead(weeks), self.level)).collect()
    }

    fn outlook(&self, at: usize, path: Path, series: &Series, backtest: &Backtest) -> Outlook {
        let (values, level, horizon) = (series.values.as_slice(), self.level, self.plan.horizon);
        let bands = backtest.residuals.get(at).and_then(|residuals| conformal(residuals, level));
        let bands = bands.or_else(|| random_walk(values, level, horizon));
        let totals = running(&path.mean);
        let sums = backtest.totals.get(at).and_then(|past| of_totals(past, &totals, level));
        let sums = sums.or_else(|| random_walk_totals(values, level, horizon));
        Outlook {
            interval: bands.map(|bands| around(&path.mean, &bands, values)),
            total_interval: sums.map(|bands| around(&totals, &bands, values)),
            path,
            totals,
        }
    }
}

/// `1 - MAE / MAE of the seasonal naive forecast`; none where that never errs.
fn skill(own: Option<Scores>, naive: Option<Scores>) -> Option<f64> {
    let (own, naive) = (own?.mae, naive?.mae);
    (naive > 0.0).then(|| 1.0 - own / naive).filter(|skill| skill.is_finite())
}

fn pairs(backtest: &Backtest, counts: impl Fn(usize) -> bool) -> impl Iterator<Item = Pair> {
    backtest.points.iter().filter(move |point| counts(point.series)).map(|point| point.pair)
}

/// Sums of the values from the first one to each.
fn running(values: &[f64]) -> Vec<f64> {
    let add = |sum: &mut f64, value: &f64| {
        *sum += value;
        Some(*sum)
    };
    values.iter().scan(0.0, add).collect()
}

/// The position of the lowest MAE; the first one where there is none.
fn lowest(scores: impl Iterator<Item = Option<Scores>>) -> usize {
    let known = scores.enumerate().filter_map(|(at, scores)| Some((at, scores?.mae)));
    known.min_by(|one, two| one.1.total_cmp(&two.1)).map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { horizon: 4, folds: 3, step: 4, min_training: None, season: 4 };
    const BOTH: [Entrant; 2] = [Entrant::Method(Method::SeasonalNaive), Entrant::Method(Method::Ridge)];

    fn series(values: impl Iterator<Item = f64>) -> Series {
        Series { start: 18_995, values: values.collect() }
    }

    /// A series with a season of four weeks is forecast exactly by its season; one that grows
    /// by a tenth a week is not.
    #[test]
    fn each_series_has_its_own_best_method() {
        let seasonal = series((0..60).map(|week| f64::from(week % 4 * 10)));
        let growing = series((0..60).map(|week| 100.0 * 1.1_f64.powi(week)));
        let contest = contest(&BOTH, &[seasonal, growing], &[true, true], &PLAN, 0.9);
        assert_eq!(contest.best, [0, 1]);
        assert_eq!(contest.overall, 1);
        assert_eq!(contest.entries[0].scores[0].unwrap().mae, 0.0);
        assert_eq!(contest.entries[0].outlooks[0].path.mean, [0.0, 10.0, 20.0, 30.0]);
    }

    #[test]
    fn only_pooled_series_count_overall() {
        let two = [series((0..60).map(f64::from)), series((0..60).map(|week| f64::from(week % 4)))];
        let all = contest(&BOTH[..1], &two, &[true, true], &PLAN, 0.9);
        let one = contest(&BOTH[..1], &two, &[true, false], &PLAN, 0.9);
        assert_eq!(one.entries[0].pooled, one.entries[0].scores[0]);
        assert!(all.entries[0].pooled.unwrap().mae < one.entries[0].pooled.unwrap().mae);
    }

    #[test]
    fn intervals_hold_the_forecast_and_stay_above_zero() {
        let rough = series((0..80).map(|week| f64::from(week * 7919 % 13) * f64::from(week % 3)));
        for entry in contest(&BOTH, &[rough], &[true], &PLAN, 0.9).entries {
            let outlook = &entry.outlooks[0];
            let weeks = outlook.path.mean.iter().zip(outlook.interval.as_ref().unwrap());
            let totals = outlook.totals.iter().zip(outlook.total_interval.as_ref().unwrap());
            for (mean, (lower, upper)) in weeks.chain(totals) {
                assert!(0.0 <= *lower && lower <= mean && mean <= upper, "{lower} {mean} {upper}");
            }
            // The total of one week is that week.
            assert_eq!(outlook.totals[0], outlook.path.mean[0]);
            let sum: f64 = outlook.path.mean.iter().sum();
            assert!((outlook.totals[3] - sum).abs() < 1e-9);
        }
    }

    #[test]
    fn refunds_may_go_below_zero() {
        let refunds = series((0..40).map(|week| f64::from(week % 5) - 6.0));
        let contest = contest(&BOTH, &[refunds], &[true], &PLAN, 0.9);
        assert!(contest.entries[0].outlooks[0].path.mean.iter().all(|value| *value < 0.0));
    }

    #[test]
    fn a_history_too_short_to_test_has_a_random_walk_and_a_single_value_no_interval() {
        let short = [series([3.0, 5.0].into_iter()), series([2.0].into_iter())];
        let contest = contest(&BOTH, &short, &[true, true], &PLAN, 0.5);
        for entry in &contest.entries {
            assert_eq!((entry.pooled, entry.backtest.folds), (None, 0));
            let two = &entry.outlooks[0];
            assert_eq!((two.path.mean[0], two.interval.as_ref().unwrap()[0]), (5.0, (3.0, 7.0)));
            assert_eq!((two.totals[0], two.total_interval.as_ref().unwrap()[0]), (5.0, (3.0, 7.0)));
            assert_eq!((entry.outlooks[1].path.mean[0], &entry.outlooks[1].interval), (2.0, &None));
        }
        assert_eq!((contest.best, contest.overall), (vec![0, 0], 0));
    }
}
