//! A piecewise linear trend and Fourier seasons, as Prophet has them: the most probable parameters, without sampling.
//!
//! Knows days and values. `design` makes columns, `solve` finds parameters.

mod design;
#[cfg(test)]
mod published;
mod solve;
#[cfg(test)]
mod tests;

use design::Design;

/// How the trend moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// By a slope that changes at some days.
    Linear,
    /// Not at all.
    Flat,
}

/// How seasons enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seasons {
    /// As amounts that are added to the trend.
    Additive,
    /// As shares of the trend.
    Multiplicative,
}

/// By what values are divided (after `min` is taken off) before anything is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// The largest absolute value; nothing is taken off.
    AbsMax,
    /// The range; the smallest value is taken off.
    MinMax,
}

/// A season as a sum of sines and cosines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cycle {
    /// Its length in days.
    pub period: f64,
    /// How many sines and cosines.
    pub order: usize,
}

/// The year, as Prophet has it.
pub const YEAR: Cycle = Cycle { period: 365.25, order: 10 };
/// The week, as Prophet has it.
pub const WEEK: Cycle = Cycle { period: 7.0, order: 3 };

/// What is fitted and how freely. [`Options::default`] has Prophet's values, without a season.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The trend's growth.
    pub growth: Growth,
    /// How seasons enter.
    pub seasons: Seasons,
    /// The seasons.
    pub cycles: Vec<Cycle>,
    /// Days that are special, each list for itself: what happens on them is added like a season.
    pub holidays: Vec<Vec<f64>>,
    /// How values are scaled.
    pub scaling: Scaling,
    /// Days at which the slope may change, at most.
    pub changepoints: usize,
    /// The part of the history, from its start, in which it may.
    pub range: f64,
    /// How freely it may: the scale of the prior of changes (Laplace).
    pub flexibility: f64,
    /// How large seasons and holidays may be: the scale of their prior (normal).
    pub size: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            growth: Growth::Linear,
            seasons: Seasons::Additive,
            cycles: Vec::new(),
            holidays: Vec::new(),
            scaling: Scaling::AbsMax,
            changepoints: 25,
            range: 0.8,
            flexibility: 0.05,
            size: 10.0,
        }
    }
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq)]
pub struct Prophet {
    design: Design,
    /// Of the scaled values: slope and offset, then changes of the slope.
    pub trend: Vec<f64>,
    /// Of the scaled values: what each sine, cosine and list of holidays adds.
    pub seasonal: Vec<f64>,
    /// Standard deviation of what isn't explained, of the scaled values.
    pub sigma: f64,
}

/// Finds the most probable parameters.
///
/// `days` (days since 1970-01-01, rising) and `values` have shape `(n,)`, all finite. Minimises, over
/// the slope k, offset m, changes d, seasonal terms b and the error s of scaled values,
/// `SSE / (2 s^2) + n log s + k^2 / 50 + m^2 / 50 + sum |d| / flexibility + sum b^2 / (2 size^2) + 2 s^2`, the posterior that Prophet
/// has in Stan, by turns: for a given s it is a lasso in d with the other parameters eliminated, solved by
/// coordinate descent, and for given parameters s has a closed form; multiplicative seasons take turns with the trend, too. `None`
/// with fewer than two values, or without two days that differ. O(n p^2 + turns p^2) for p parameters.
///
/// Reference: Taylor and Letham (2018), Forecasting at scale.
pub fn fit(days: &[f64], values: &[f64], options: &Options) -> Option<Prophet> {
    let design = Design::new(days, values, options)?;
    let (trend, seasonal, sigma) = solve::most_probable(&design, days, values, options);
    Some(Prophet { design, trend, seasonal, sigma })
}

impl Prophet {
    /// The forecast of any days: `(n,)` to `(n,)`. O(n p).
    pub fn predict(&self, days: &[f64]) -> Vec<f64> {
        let one = |day: &f64| {
            let trend = dot(&self.design.trend(*day), &self.trend);
            let seasonal = dot(&self.design.seasonal(*day), &self.seasonal);
            self.design.unscaled(self.design.together(trend, seasonal))
        };
        days.iter().map(one).collect()
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}
