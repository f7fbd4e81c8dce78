//! Forecast kernels: many weekly series at once, fitted, back-tested and scored.
//!
//! Know values and the day on which a series starts. Don't know what is sold, nor what a series is
//! called.

pub mod backtest;
pub mod contest;
pub mod decompose;
pub mod diebold_mariano;
pub mod ensemble;
pub mod ets;
pub mod intermittent;
pub mod interval;
pub mod naive;
pub mod prophet;
pub mod ridge;
pub mod scores;
pub mod theta;

use rayon::prelude::*;

/// Days from one value of a series to the next.
pub const STEP_DAYS: i32 = 7;

/// A weekly series: values of consecutive weeks, all finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The first day of the first week, in days since 1970-01-01.
    pub start: i32,
    /// One value a week; at least one.
    pub values: Vec<f64>,
}

impl Series {
    /// All but the last `hidden` values; nothing when there are no more than that.
    pub fn view(&self, hidden: usize) -> View<'_> {
        let known = self.values.len().saturating_sub(hidden);
        View { start: self.start, values: self.values.get(..known).unwrap_or_default() }
    }

    /// The day of the value at a position, which may lie behind the last one.
    pub fn day(&self, at: usize) -> i64 {
        day(self.start, at)
    }
}

/// The part of a series that is known at a forecast's origin.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The first day of the first week, in days since 1970-01-01.
    pub start: i32,
    /// One value a week.
    pub values: &'a [f64],
}

/// A way to forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The last value: see [`naive`].
    Naive,
    /// What was seen a season ago: see [`naive`].
    SeasonalNaive,
    /// The line through the first and the last value: see [`naive`].
    Drift,
    /// The mean of the last values: see [`naive`].
    MovingAverage,
    /// Exponential smoothing of the form that suits best: see [`ets`].
    Ets,
    /// Exponential smoothing with half of the long-run line: see [`theta`].
    Theta,
    /// The same with the share of the line that suits best: see [`theta`].
    OptimisedTheta,
    /// A trend that bends and a year of sines and cosines, added: see [`prophet`].
    Prophet,
    /// The same, multiplied.
    ProphetMultiplicative,
    /// Amounts and gaps of intermittent values: see [`intermittent`].
    Croston,
    /// Amounts and chances of intermittent values: see [`intermittent`].
    Tsb,
    /// One regression on lags and the calendar for all series: see [`ridge`].
    Ridge,
}

/// A forecast of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// One value for each week ahead; never below 0 when the history never is.
    pub mean: Vec<f64>,
    /// Whether the history was too short for the method, so that a simpler one stood in.
    pub fallback: bool,
}

/// A method fitted to many series.
#[derive(Clone, Debug)]
pub struct Fitted {
    season: usize,
    learned: Learned,
}

/// What a method learned, series by series where each is fitted for itself.
#[derive(Clone, Debug)]
enum Learned {
    /// Nothing: it only looks at the history.
    Nothing(Method),
    Ets(Vec<Option<ets::Model>>),
    Theta(Vec<Option<theta::Theta>>),
    Prophet(Vec<Option<prophet::Prophet>>),
    Ridge(Option<ridge::Ridge>),
}

/// Fits a method to what is known of each series; series without a value are ignored.
///
/// `season` is the length of the season in weeks. A method never fails: see [`Path::fallback`]. Series are fitted in
/// parallel, each for itself but for ridge.
pub fn fit(method: Method, series: &[View<'_>], season: usize) -> Fitted {
    let theta = |way| Learned::Theta(each(series, |values| theta::theta(way, season, values)));
    let learned = match method {
        Method::Ets => Learned::Ets(each(series, |values| ets::auto::auto(season, values))),
        Method::Theta => theta(theta::Way::Standard),
        Method::OptimisedTheta => theta(theta::Way::Optimised),
        Method::Prophet => trends(series, prophet::Seasons::Additive),
        Method::ProphetMultiplicative => trends(series, prophet::Seasons::Multiplicative),
        Method::Ridge => Learned::Ridge(ridge::fit(series, season)),
        method => Learned::Nothing(method),
    };
    Fitted { season, learned }
}

/// Days that a history must span for a yearly season, as Prophet asks.
const TWO_YEARS: usize = 730;

fn trends(series: &[View<'_>], seasons: prophet::Seasons) -> Learned {
    let one = |view: &View<'_>| {
        let days = days(view.start, 0, view.values.len());
        let long = days.len().saturating_sub(1) * STEP_DAYS.unsigned_abs() as usize >= TWO_YEARS;
        let cycles = if long { vec![prophet::YEAR] } else { Vec::new() };
        prophet::fit(&days, view.values, &prophet::Options { seasons, cycles, ..prophet::Options::default() })
    };
    Learned::Prophet(series.par_iter().map(one).collect())
}

/// The days of so many values from a position on.
fn days(start: i32, from: usize, count: usize) -> Vec<f64> {
    // Days are far below 2^53.
    (from..from + count).map(|at| day(start, at) as f64).collect()
}

fn each<T: Send>(series: &[View<'_>], fit: impl Fn(&[f64]) -> Option<T> + Sync) -> Vec<Option<T>> {
    series.par_iter().map(|view| fit(view.values)).collect()
}

impl Fitted {
    /// Forecasts the series at a position of those that were fitted, from a history that may be
    /// longer than the one that was fitted.
    ///
    /// Where a method can't, and where what it says isn't finite, the seasonal naive forecast stands in, and for that the last value.
    pub fn forecast(&self, at: usize, history: View<'_>, horizon: usize) -> Path {
        let values = history.values;
        let usual =
            self.usual(at, history, horizon).filter(|path| path.iter().all(|value| value.is_finite()));
        let fallback = usual.is_none();
        let mut mean = usual.unwrap_or_else(|| naive::seasonal(values, self.season, horizon));
        if values.iter().all(|value| *value >= 0.0) {
            mean.iter_mut().for_each(|value| *value = value.max(0.0));
        }
        Path { mean, fallback }
    }

    /// What the method itself says, where it can.
    fn usual(&self, at: usize, history: View<'_>, horizon: usize) -> Option<Vec<f64>> {
        let values = history.values;
        match &self.learned {
            Learned::Ets(models) => Some(models.get(at)?.as_ref()?.forecast(values, horizon)),
            Learned::Theta(models) => Some(models.get(at)?.as_ref()?.forecast(values, horizon)),
            Learned::Prophet(models) => {
                Some(models.get(at)?.as_ref()?.predict(&days(history.start, values.len(), horizon)))
            }
            Learned::Ridge(ridge) => ridge.as_ref()?.forecast(at, history, horizon),
            Learned::Nothing(method) => match method {
                Method::SeasonalNaive if values.len() < self.season => None,
                Method::SeasonalNaive => Some(naive::seasonal(values, self.season, horizon)),
                Method::Drift => naive::drift(values, horizon),
                Method::MovingAverage => naive::moving_average(values, horizon),
                Method::Croston => {
                    Some(vec![intermittent::forecast(intermittent::Way::Croston, values); horizon])
                }
                Method::Tsb => Some(vec![intermittent::forecast(intermittent::Way::Tsb, values); horizon]),
                _ => Some(naive::seasonal(values, 1, horizon)),
            },
        }
    }
}

/// Intercept and slope of the least squares line through values at 1, 2, 3, ...
fn line(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let middle = (n + 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / n;
    let gap = |at: usize| at as f64 + 1.0 - middle;
    let over: f64 = values.iter().enumerate().map(|(at, value)| gap(at) * (value - mean)).sum();
    let under: f64 = (0..values.len()).map(|at| gap(at) * gap(at)).sum();
    let slope = if under > 0.0 { over / under } else { 0.0 };
    (mean - slope * middle, slope)
}

/// The day of the value at a position.
fn day(start: i32, at: usize) -> i64 {
    i64::from(start) + i64::from(STEP_DAYS) * i64::try_from(at).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_history_falls_back_to_its_last_value() {
        let series = Series { start: 0, values: vec![4.0, 7.0] };
        for method in [Method::SeasonalNaive, Method::Ridge] {
            let path = fit(method, &[series.view(0)], 52).forecast(0, series.view(0), 3);
            assert_eq!(path, Path { mean: vec![7.0; 3], fallback: true });
        }
    }

    #[test]
    fn a_view_hides_the_end() {
        let series = Series { start: -3, values: vec![1.0, 2.0, 3.0] };
        assert_eq!(series.view(1).values, [1.0, 2.0]);
        assert!(series.view(3).values.is_empty());
        assert!(series.view(9).values.is_empty());
        assert_eq!(series.day(3), 18);
    }
}
