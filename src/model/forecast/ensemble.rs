//! Ensembles: what several methods say together.
//!
//! Made of the members' back-tests and forecasts; nothing is fitted again. Doesn't know which methods they are.

use super::Path;
use super::backtest::{Backtest, Point};
use super::interval::Total;
use super::scores::Pair;

/// How members are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Their mean.
    Mean,
    /// Their median: of an even number, the mean of the middle two.
    Median,
    /// A mean in which each member weighs as much as its squared errors so far are small. A fold is weighted by the folds before
    /// it, so that no forecast knows what it is judged by; the first fold weighs all the same.
    Weighted,
}

/// Weights of the members for one series: `folds + 1` rows, the last one for forecasts.
type Weights = Vec<Vec<f64>>;

/// The back-test and forecasts of an ensemble.
///
/// `members` are the back-tests and the forecasts of each member: of the same series, folds and horizon. `step` is how
/// many weekly origins a fold has (see [`super::backtest::backtest`]). O(members) a value.
pub fn combine(way: Way, members: &[(&Backtest, Vec<&Path>)], step: usize) -> (Backtest, Vec<Path>) {
    let Some((first, paths)) = members.first() else { return Default::default() };
    let tests: Vec<&Backtest> = members.iter().map(|(test, _)| *test).collect();
    let weights: Vec<Weights> = (0..paths.len()).map(|series| weights(way, &tests, series)).collect();
    let row = |series: usize, fold: usize| {
        let rows = weights.get(series).map(Vec::as_slice).unwrap_or_default();
        rows.get(fold.min(rows.len().saturating_sub(1))).map(Vec::as_slice).unwrap_or_default()
    };
    let together = |at: usize, point: &Point| {
        let said: Vec<f64> =
            tests.iter().filter_map(|test| Some(test.points.get(at)?.pair.predicted)).collect();
        let oldest =
            first.points.iter().find(|other| other.series == point.series).map_or(0, |other| other.fold);
        let predicted = way.of(&said, row(point.series, point.fold - oldest));
        Point { pair: Pair { predicted, ..point.pair }, ..*point }
    };
    let points = first.points.iter().enumerate().map(|(at, point)| together(at, point)).collect();
    let (mut residuals, mut totals) = (Vec::new(), Vec::new());
    for series in 0..paths.len() {
        let (errors, sums) = origins(way, &tests, series, step, &|fold| row(series, fold));
        residuals.push(errors);
        totals.push(sums);
    }
    let ahead = |series: usize| {
        let said = |at: usize| -> Vec<f64> {
            members.iter().filter_map(|(_, paths)| paths.get(series)?.mean.get(at).copied()).collect()
        };
        let horizon = paths.get(series).map_or(0, |path| path.mean.len());
        let mean = (0..horizon).map(|at| way.of(&said(at), row(series, usize::MAX))).collect();
        let fallback = members.iter().all(|(_, paths)| paths.get(series).is_some_and(|path| path.fallback));
        Path { mean, fallback }
    };
    let backtest = Backtest { points, residuals, totals, folds: first.folds, fallbacks: 0 };
    (backtest, (0..paths.len()).map(ahead).collect())
}

impl Way {
    /// One value of what the members say.
    fn of(self, said: &[f64], weights: &[f64]) -> f64 {
        match self {
            Self::Mean => said.iter().sum::<f64>() / said.len() as f64,
            Self::Median => {
                let mut sorted = said.to_vec();
                sorted.sort_by(f64::total_cmp);
                let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
                let half = sorted.len() / 2;
                if sorted.len().is_multiple_of(2) {
                    0.5 * (at(half.wrapping_sub(1)) + at(half))
                } else {
                    at(half)
                }
            }
            Self::Weighted => said.iter().zip(weights).map(|(said, weight)| said * weight).sum(),
        }
    }
}

/// Weights of the members for each fold of a series by the folds before it, and for what is to come by all of them.
fn weights(way: Way, tests: &[&Backtest], series: usize) -> Weights {
    let even = vec![1.0 / tests.len() as f64; tests.len()];
    if way != Way::Weighted {
        return Vec::new();
    }
    let of = |test: &&Backtest| -> Vec<(usize, f64)> {
        let own = test.points.iter().filter(|point| point.series == series);
        own.map(|point| (point.fold, point.pair.actual - point.pair.predicted)).collect()
    };
    let errors: Vec<_> = tests.iter().map(of).collect();
    let folds: Vec<usize> =
        errors.first().map(|errors| errors.iter().map(|(fold, _)| *fold).collect()).unwrap_or_default();
    let (first, last) = (folds.first().copied().unwrap_or(1), folds.last().copied().unwrap_or(0));
    let before = |fold: usize| -> Vec<f64> {
        let squares = |errors: &Vec<(usize, f64)>| -> f64 {
            errors.iter().filter(|(of, _)| *of < fold).map(|(_, error)| error * error).sum()
        };
        let squares: Vec<f64> = errors.iter().map(squares).collect();
        let least = squares.iter().copied().fold(f64::INFINITY, f64::min);
        if fold == first || !least.is_finite() {
            return even.clone();
        }
        // Members without any error share all of the weight.
        let inverse: Vec<f64> = if least > 0.0 {
            squares.iter().map(|square| least / square).collect()
        } else {
            squares.iter().map(|square| f64::from(u8::from(*square <= 0.0))).collect()
        };
        let sum: f64 = inverse.iter().sum();
        inverse.iter().map(|inverse| inverse / sum).collect()
    };
    (first..=last + 1).map(before).collect()
}

type Origins = (Vec<Vec<f64>>, Vec<Vec<Total>>);

/// Residuals and totals by weeks ahead, from every weekly origin of a series.
fn origins<'a>(
    way: Way,
    tests: &[&Backtest],
    series: usize,
    step: usize,
    weights: &dyn Fn(usize) -> &'a [f64],
) -> Origins {
    let Some(first) = tests.first().and_then(|test| test.residuals.get(series)) else {
        return Default::default();
    };
    let actual = |ahead: usize, origin: usize| -> Option<f64> {
        let total = |ahead: usize| Some(tests.first()?.totals.get(series)?.get(ahead)?.get(origin)?.actual);
        Some(total(ahead)? - ahead.checked_sub(1).map_or(Some(0.0), total)?)
    };
    let (mut residuals, mut totals) = (vec![Vec::new(); first.len()], vec![Vec::new(); first.len()]);
    for origin in 0..first.first().map_or(0, Vec::len) {
        let mut total = Total::default();
        for (ahead, (residuals, totals)) in residuals.iter_mut().zip(&mut totals).enumerate() {
            let said = |test: &&Backtest| test.residuals.get(series)?.get(ahead)?.get(origin).copied();
            let said: Vec<f64> = tests.iter().filter_map(said).collect();
            let (false, Some(actual)) = (said.is_empty(), actual(ahead, origin)) else { break };
            // The weights add up to 1, so that what holds of forecasts holds of their errors.
            let residual = way.of(&said, weights(origin / step.max(1)));
            total.actual += actual;
            total.predicted += actual - residual;
            residuals.push(residual);
            totals.push(total);
        }
    }
    (residuals, totals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::forecast::backtest::Plan;
    use crate::model::forecast::contest::{Contest, Entrant, contest};
    use crate::model::forecast::{Method, Series};

    const PLAN: Plan = Plan { horizon: 3, folds: 3, step: 3, min_training: None, season: 4 };

    /// Two series of different lengths, by three baselines and an ensemble of them.
    fn found(way: Way) -> Contest {
        let wave = |weeks: u32| Series {
            start: 18_995,
            values: (0..weeks).map(|at| f64::from(at.wrapping_mul(7919) % 13 + at / 2)).collect(),
        };
        let methods = [Method::SeasonalNaive, Method::Naive, Method::Drift].map(Entrant::Method);
        let entrants = [&methods[..], &[Entrant::Ensemble(way)]].concat();
        contest(&entrants, &[wave(40), wave(13)], &[true, true], &PLAN, 0.9)
    }

    fn each(found: &Contest, check: impl Fn(&[f64], f64)) {
        let (ensemble, members) = found.entries.split_last().unwrap();
        for (at, point) in ensemble.backtest.points.iter().enumerate() {
            let said: Vec<f64> =
                members.iter().map(|member| member.backtest.points[at].pair.predicted).collect();
            check(&said, point.pair.predicted);
        }
        for (series, outlook) in ensemble.outlooks.iter().enumerate() {
            for (ahead, mean) in outlook.path.mean.iter().enumerate() {
                let said: Vec<f64> =
                    members.iter().map(|member| member.outlooks[series].path.mean[ahead]).collect();
                check(&said, *mean);
            }
        }
        for (series, errors) in ensemble.backtest.residuals.iter().enumerate() {
            for (ahead, errors) in errors.iter().enumerate() {
                assert_eq!(errors.len(), members[0].backtest.residuals[series][ahead].len());
                for (origin, error) in errors.iter().enumerate() {
                    let said = members.iter().map(|member| member.backtest.residuals[series][ahead][origin]);
                    check(&said.collect::<Vec<_>>(), *error);
                }
            }
        }
    }

    #[test]
    fn a_mean_and_a_median_are_what_they_say() {
        each(&found(Way::Mean), |said, value| assert!((said.iter().sum::<f64>() / 3.0 - value).abs() < 1e-9));
        each(&found(Way::Median), |said, value| {
            let mut sorted = said.to_vec();
            sorted.sort_by(f64::total_cmp);
            assert!((sorted[1] - value).abs() < 1e-9);
        });
        assert_eq!(Way::Median.of(&[4.0, 1.0, 2.0, 9.0], &[]), 3.0);
    }

    /// The totals of an ensemble are the sums of its own forecasts, beside what came.
    #[test]
    fn totals_add_up() {
        let found = found(Way::Median);
        let (ensemble, members) = found.entries.split_last().unwrap();
        for (series, totals) in ensemble.backtest.totals.iter().enumerate() {
            for (ahead, totals) in totals.iter().enumerate() {
                for (origin, total) in totals.iter().enumerate() {
                    let known = members[0].backtest.totals[series][ahead][origin];
                    assert!((total.actual - known.actual).abs() < 1e-9);
                    let errors = (0..=ahead).map(|ahead| ensemble.backtest.residuals[series][ahead][origin]);
                    assert!((total.actual - total.predicted - errors.sum::<f64>()).abs() < 1e-9);
                }
            }
        }
    }

    /// By hand: in the first fold all weigh the same, in a later one as the inverse of squared errors before it.
    #[test]
    fn weights_know_the_past_alone() {
        let found = found(Way::Weighted);
        let (ensemble, members) = found.entries.split_last().unwrap();
        let of =
            |points: &[Point]| points.iter().filter(|point| point.series == 0).copied().collect::<Vec<_>>();
        let own = of(&ensemble.backtest.points);
        let members: Vec<_> = members.iter().map(|member| of(&member.backtest.points)).collect();
        for (at, point) in own.iter().enumerate() {
            let before = |points: &[Point]| -> f64 {
                let errors = points.iter().filter(|other| other.fold < point.fold);
                errors.map(|other| (other.pair.actual - other.pair.predicted).powi(2)).sum()
            };
            let inverse: Vec<f64> = members
                .iter()
                .map(|points| if point.fold == 1 { 1.0 } else { 1.0 / before(points) })
                .collect();
            let said =
                members.iter().zip(&inverse).map(|(points, weight)| weight * points[at].pair.predicted);
            let expected = said.sum::<f64>() / inverse.iter().sum::<f64>();
            assert!((expected - point.pair.predicted).abs() < 1e-9, "{at}");
        }
    }
}
