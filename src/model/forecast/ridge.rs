//! One regression for all series: lags, a trend and the time of year, with a ridge penalty.
//!
//! Does not know how well it does: see [`super::backtest`].
//!
//! Each series is first made comparable: `v = asinh(y / u)` with `u` a tenth of its mean absolute
//! value (a logarithm that also takes zeros and refunds), then `z = (v - mean(v)) / sd(v)`. One
//! linear model for all series predicts `z[t]` from its own lags, a linear trend, and Fourier
//! terms of the day of the year. Steps beyond the first use the forecasts as lags.

use std::f64::consts::TAU;

use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::ridge_regression::{RidgeRegression, RidgeRegressionParameters};

use super::{STEP_DAYS, View, day};

/// Lags in weeks, of which as many are used as the history allows.
pub const LAGS: [usize; 8] = [1, 2, 3, 4, 8, 12, 26, 52];

/// Pairs of sine and cosine for the time of year; six follow a peak of a few weeks.
const WAVES: usize = 6;

/// The penalty on standardised coefficients, as a multiple of the number of rows.
const PENALTY: f64 = 0.1;

/// The unit of the asinh transform, as a share of the mean absolute value.
const UNIT: f64 = 0.1;

/// No regression is fitted to fewer weeks.
const MIN_HISTORY: usize = 8;

/// The days in a year.
const YEAR: f64 = 365.25;

/// A fitted regression.
#[derive(Clone, Debug)]
pub struct Ridge {
    design: Design,
    linear: Linear,
    /// One for each series; none where the history was too short.
    scalings: Vec<Option<Scaling>>,
}

/// Fits one regression to all series; a series that has no more values than the longest lag in use
/// takes no part. None when nothing is long enough.
///
/// `season` is the season's length in weeks; 52 stands for the year of 365.25 days. A lag is used
/// when it leaves rows for a whole season, and for half the history. With a history of a season
/// or less there are no Fourier terms, and only lags that leave two thirds of it.
///
/// Minimises `sum((z - b0 - X b)^2) + 0.1 n |b|^2` over the `n` rows of all series, with the columns
/// of `X` standardised. O(n p^2) for `p` columns.
///
/// Reference: Montero-Manso and Hyndman (2021), Principles and algorithms for forecasting groups
/// of time series; Hoerl and Kennard (1970), Ridge regression.
pub fn fit(series: &[View<'_>], season: usize) -> Option<Ridge> {
    let longest = series.iter().map(|view| view.values.len()).max()?;
    let design = Design::new(longest, season)?;
    let needed = design.reach() + 1;
    let scaling_of = |view: &View<'_>| (view.values.len() >= needed).then(|| Scaling::new(view.values));
    let scalings: Vec<_> = series.iter().map(scaling_of).collect();
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for (view, scaling) in series.iter().zip(&scalings) {
        let Some(scaling) = scaling else { continue };
        let scaled: Vec<f64> = view.values.iter().map(|value| scaling.apply(*value)).collect();
        for (at, target) in scaled.iter().enumerate().skip(design.reach()) {
            design.row(scaled.as_slice().get(..at)?, day(view.start, at), &mut rows);
            targets.push(*target);
        }
    }
    let linear = regress(&rows, &targets, design.columns())?;
    Some(Ridge { design, linear, scalings })
}

impl Ridge {
    /// Forecasts the series at a position of those that were fitted; none when it took no part.
    ///
    /// In transformed values a forecast leaves the range of the fitted history by at most the
    /// width of that range, so that feeding it back can't run away. O(horizon p).
    pub fn forecast(&self, at: usize, history: View<'_>, horizon: usize) -> Option<Vec<f64>> {
        let scaling = self.scalings.get(at)?.as_ref()?;
        let known = history.values.len();
        let recent = history.values.get(known.checked_sub(self.design.reach())?..)?;
        let mut scaled: Vec<f64> = recent.iter().map(|value| scaling.apply(*value)).collect();
        let mut row = Vec::with_capacity(self.design.columns());
        let mut path = Vec::with_capacity(horizon);
        for ahead in 0..horizon {
            row.clear();
            self.design.row(&scaled, day(history.start, known + ahead), &mut row);
            let next = scaling.limit(self.linear.predict(&row));
            scaled.push(next);
            path.push(scaling.undo(next));
        }
        Some(path)
    }
}

/// Which columns the regression has.
#[derive(Clone, Debug)]
struct Design {
    lags: Vec<usize>,
    waves: usize,
    period: f64,
}

impl Design {
    fn new(longest: usize, season: usize) -> Option<Self> {
        if longest < MIN_HISTORY {
            return None;
        }
        let seasonal = longest > season;
        let rows = if seasonal { season.max(longest / 2) } else { longest * 2 / 3 };
        let lags = LAGS.into_iter().filter(|lag| longest >= rows + lag).collect();
        let waves = if seasonal { WAVES.min(season.saturating_sub(1) / 2) } else { 0 };
        let period = if season == 52 { YEAR } else { season as f64 * f64::from(STEP_DAYS) };
        Some(Self { lags, waves, period })
    }

    /// The longest lag.
    fn reach(&self) -> usize {
        self.lags.last().copied().unwrap_or(1)
    }

    fn columns(&self) -> usize {
        self.lags.len() + 1 + 2 * self.waves
    }

    /// Appends the columns for the value that follows `past`, on that day.
    fn row(&self, past: &[f64], day: i64, out: &mut Vec<f64>) {
        let lag_of = |lag: &usize| past.len().checked_sub(*lag).and_then(|at| past.get(at));
        out.extend(self.lags.iter().map(|lag| lag_of(lag).copied().unwrap_or(0.0)));
        out.push(day as f64 / YEAR);
        let (sin, cos) = libm::sincos(TAU * (day as f64 / self.period).fract());
        let (mut s, mut c) = (0.0, 1.0);
        for _ in 0..self.waves {
            (s, c) = (s * cos + c * sin, c * cos - s * sin);
            out.extend([s, c]);
        }
    }
}

/// How a series is made comparable with others.
#[derive(Clone, Debug)]
struct Scaling {
    unit: f64,
    mean: f64,
    sd: f64,
    low: f64,
    high: f64,
}

impl Scaling {
    fn new(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let unit = UNIT * values.iter().map(|value| value.abs() / count).sum::<f64>();
        let unit = if unit > 0.0 { unit } else { 1.0 };
        let curved: Vec<f64> = values.iter().map(|value| libm::asinh(value / unit)).collect();
        let mean = curved.iter().sum::<f64>() / count;
        let sd = (curved.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        let sd = if sd > 1e-9 { sd } else { 1.0 };
        let scaled = || curved.iter().map(|value| (value - mean) / sd);
        let low = scaled().fold(f64::INFINITY, f64::min);
        let high = scaled().fold(f64::NEG_INFINITY, f64::max);
        Self { unit, mean, sd, low, high }
    }

    fn apply(&self, value: f64) -> f64 {
        (libm::asinh(value / self.unit) - self.mean) / self.sd
    }

    fn undo(&self, scaled: f64) -> f64 {
        libm::sinh(scaled * self.sd + self.mean) * self.unit
    }

    fn limit(&self, scaled: f64) -> f64 {
        let width = self.high - self.low;
        scaled.clamp(self.low - width, self.high + width)
    }
}

/// A linear function of a row.
#[derive(Clone, Debug)]
struct Linear {
    intercept: f64,
    weights: Vec<f64>,
}

impl Linear {
    fn predict(&self, row: &[f64]) -> f64 {
        row.iter().zip(&self.weights).fold(self.intercept, |sum, (value, weight)| sum + value * weight)
    }
}

/// Ridge regression on standardised columns, with constant ones left out; `rows` is row-major.
fn regress(rows: &[f64], targets: &[f64], columns: usize) -> Option<Linear> {
    let count = targets.len();
    let centre = targets.iter().sum::<f64>() / count as f64;
    let column = |at: usize| rows.iter().skip(at).step_by(columns).copied();
    let moments: Vec<_> = (0..columns).map(|at| moments(column(at), count)).collect();
    let varying: Vec<usize> =
        moments.iter().enumerate().filter(|(_, (_, sd))| *sd > 1e-9).map(|(at, _)| at).collect();
    let mut standardised = Vec::with_capacity(varying.len() * count);
    for at in &varying {
        let (mean, sd) = moments.get(*at)?;
        standardised.extend(column(*at).map(|value| (value - mean) / sd));
    }
    let centred: Vec<f64> = targets.iter().map(|target| target - centre).collect();
    let slopes = solve(standardised, &centred, varying.len())?;
    let mut linear = Linear { intercept: centre, weights: vec![0.0; columns] };
    for (at, slope) in varying.iter().zip(slopes) {
        let ((mean, sd), weight) = (moments.get(*at)?, linear.weights.get_mut(*at)?);
        *weight = slope / sd;
        linear.intercept -= slope / sd * mean;
    }
    Some(linear)
}

fn moments(column: impl Iterator<Item = f64> + Clone, count: usize) -> (f64, f64) {
    let mean = column.clone().sum::<f64>() / count as f64;
    let variance = column.map(|value| (value - mean).powi(2)).sum::<f64>() / count as f64;
    (mean, variance.sqrt())
}

/// The coefficients for centred targets and standardised columns (column-major); none when there
/// are no more rows than columns.
fn solve(standardised: Vec<f64>, centred: &[f64], columns: usize) -> Option<Vec<f64>> {
    let count = centred.len();
    if columns == 0 || count <= columns {
        return None;
    }
    let x = DenseMatrix::new(count, columns, standardised, true).ok()?;
    // The columns are standardised already, and smartcore refuses to do it for constant ones.
    let settings = RidgeRegressionParameters::default().with_normalize(false);
    let y = centred.to_vec();
    let fitted = RidgeRegression::fit(&x, &y, settings.with_alpha(PENALTY * count as f64)).ok()?;
    let slopes: Vec<f64> = fitted.coefficients().iterator(0).copied().collect();
    slopes.iter().all(|slope| slope.is_finite()).then_some(slopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::forecast::Series;

    /// Monday, 2022-01-03.
    const START: i32 = 18_995;

    fn yearly(weeks: usize, level: f64) -> Series {
        let angle = |week: usize| TAU * (f64::from(START) + 7.0 * week as f64) / YEAR;
        Series { start: START, values: (0..weeks).map(|week| level * (3.0 + angle(week).sin())).collect() }
    }

    #[test]
    fn follows_a_yearly_wave() {
        let series = [yearly(156, 100.0), yearly(156, 5_000.0)];
        let ridge = fit(&[series[0].view(12), series[1].view(12)], 52).unwrap();
        for (at, series) in series.iter().enumerate() {
            let path = ridge.forecast(at, series.view(12), 12).unwrap();
            for (predicted, actual) in path.iter().zip(&series.values[144..]) {
                assert!((predicted / actual - 1.0).abs() < 0.1, "{predicted} for {actual}");
            }
        }
    }

    #[test]
    fn a_larger_unit_changes_nothing_but_the_unit() {
        let small = yearly(120, 1.0);
        let large =
            Series { values: small.values.iter().map(|value| value * 1024.0).collect(), ..small.clone() };
        let path_of = |series: &Series| fit(&[series.view(0)], 52).unwrap().forecast(0, series.view(0), 20);
        for (small, large) in path_of(&small).unwrap().iter().zip(path_of(&large).unwrap()) {
            assert!((small * 1024.0 / large - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_constant_series_stays_constant() {
        for level in [0.0, 42.0, -3.0] {
            let series = [Series { start: START, values: vec![level; 120] }, yearly(120, 9.0)];
            let ridge = fit(&[series[0].view(0), series[1].view(0)], 52).unwrap();
            let path = ridge.forecast(0, series[0].view(0), 12).unwrap();
            assert!(path.iter().all(|value| (value - level).abs() <= level.abs() * 1e-9), "{path:?}");
        }
    }

    #[test]
    fn nothing_runs_away() {
        let explosive: Vec<f64> = (0..60).map(|week| 1.7_f64.powi(week)).collect();
        let top = explosive[59];
        let series = Series { start: START, values: explosive };
        let path = fit(&[series.view(0)], 52).unwrap().forecast(0, series.view(0), 104).unwrap();
        assert!(path.iter().all(|value| value.is_finite() && *value <= top * 1e15));
    }

    #[test]
    fn short_series_take_no_part() {
        let (long, short) = (yearly(120, 1.0), yearly(20, 1.0));
        let ridge = fit(&[long.view(0), short.view(0)], 52).unwrap();
        assert!(ridge.forecast(0, long.view(0), 4).is_some());
        assert_eq!(ridge.forecast(1, short.view(0), 4), None);
        assert!(fit(&[yearly(7, 1.0).view(0)], 52).is_none());
        assert!(fit(&[], 52).is_none());
    }

    #[test]
    fn lags_leave_a_season_of_rows() {
        let lags = |longest| Design::new(longest, 52).unwrap().lags;
        assert_eq!(lags(104), LAGS);
        assert_eq!(lags(103), LAGS[..7]);
        assert_eq!(lags(53), [1]);
        assert_eq!(lags(52), [1, 2, 3, 4, 8, 12]);
        assert_eq!((Design::new(53, 52).unwrap().waves, Design::new(52, 52).unwrap().waves), (6, 0));
    }

    /// Two rows by hand: x = (-1, 1), y = (0, 2), so b = sum(xy) / (sum(xx) + 0.1 * 2) = 2 / 2.2.
    #[test]
    fn the_penalty_shrinks_as_documented() {
        let linear = regress(&[-1.0, 5.0, 1.0, 5.0], &[0.0, 2.0], 2).unwrap();
        assert!((linear.weights[0] - 2.0 / 2.2).abs() < 1e-12);
        assert_eq!(linear.weights[1], 0.0);
        assert!((linear.intercept - 1.0).abs() < 1e-12);
    }
}
