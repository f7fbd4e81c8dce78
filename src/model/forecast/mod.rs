//! Forecast kernels: many weekly series at once, fitted, back-tested and scored.
//!
//! Know values and the day on which a series starts. Don't know what is sold, nor what a series is
//! called.

pub mod backtest;
pub mod contest;
pub mod interval;
pub mod naive;
pub mod ridge;
pub mod scores;

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
    /// What was seen a season ago: see [`naive`].
    SeasonalNaive,
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
    naive: bool,
    ridge: Option<ridge::Ridge>,
}

/// Fits a method to what is known of each series; series without a value are ignored.
///
/// `season` is the length of the season in weeks. A method never fails: see [`Path::fallback`].
pub fn fit(method: Method, series: &[View<'_>], season: usize) -> Fitted {
    let naive = method == Method::SeasonalNaive;
    Fitted { season, naive, ridge: if naive { None } else { ridge::fit(series, season) } }
}

impl Fitted {
    /// Forecasts the series at a position of those that were fitted, from a history that may be
    /// longer than the one that was fitted.
    ///
    /// Ridge falls back to the seasonal naive forecast, and that to the last value.
    pub fn forecast(&self, at: usize, history: View<'_>, horizon: usize) -> Path {
        let ridge = self.ridge.as_ref().and_then(|ridge| ridge.forecast(at, history, horizon));
        let fallback = ridge.is_none() && (!self.naive || history.values.len() < self.season);
        let mut mean = ridge.unwrap_or_else(|| naive::seasonal(history.values, self.season, horizon));
        if history.values.iter().all(|value| *value >= 0.0) {
            mean.iter_mut().for_each(|value| *value = value.max(0.0));
        }
        Path { mean, fallback }
    }
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
