//! Exponential smoothing in state space form (ETS): error, trend and season, each additive,
//! multiplicative or absent.
//!
//! Knows values alone, no dates. `filter` runs a model through a series, `fit` finds its parameters,
//! `auto` chooses among the forms.

pub mod auto;
pub mod filter;
pub mod fit;
#[cfg(test)]
mod published;
mod start;
#[cfg(test)]
mod tests;

/// How what a model doesn't explain enters it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Error {
    /// `y = forecast + e`.
    Additive,
    /// `y = forecast (1 + e)`; values above 0 only.
    Multiplicative,
}

/// How the level moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trend {
    /// Not by itself.
    None,
    /// By the slope.
    Additive,
    /// By a slope that dies away.
    Damped,
}

/// How the season enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Season {
    /// Not at all.
    None,
    /// As amounts added to the level.
    Additive,
    /// As factors of the level; values above 0 only.
    Multiplicative,
}

/// A form of model, for example ETS(A,Ad,N).
///
/// Reference: Hyndman, Koehler, Ord and Snyder (2008), Forecasting with Exponential Smoothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// The error's.
    pub error: Error,
    /// The trend's.
    pub trend: Trend,
    /// The season's.
    pub season: Season,
}

/// Smoothing parameters; those that a form doesn't have are not read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing {
    /// Of the level, in (0, 1).
    pub alpha: f64,
    /// Of the slope, in (0, alpha).
    pub beta: f64,
    /// Of the season, in (0, 1 - alpha).
    pub gamma: f64,
    /// By which the slope dies away each step, in (0.8, 0.98).
    pub phi: f64,
}

/// What a model knows between two values.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The level.
    pub level: f64,
    /// The slope; 0 without a trend.
    pub slope: f64,
    /// One value for each place in the season, in the order in which they come next; empty without a season.
    pub season: Vec<f64>,
}

/// A model fitted to a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its form.
    pub form: Form,
    /// Its smoothing parameters.
    pub smoothing: Smoothing,
    /// Its state before the first value.
    pub start: State,
    /// Log-likelihood in R's convention: `-(n log(sum e^2) + 2 sum log |forecast|) / 2`, the second sum
    /// with multiplicative errors only.
    pub log_likelihood: f64,
    /// How many parameters were fitted: smoothing, free values of the start, and the error's size.
    pub parameters: usize,
    /// How many values it was fitted to.
    pub values: usize,
}

impl Form {
    /// Its name in the field's notation, for example `AAdM`.
    pub fn name(self) -> String {
        let error = if self.error == Error::Additive { "A" } else { "M" };
        let trend = match self.trend {
            Trend::None => "N",
            Trend::Additive => "A",
            Trend::Damped => "Ad",
        };
        let season = match self.season {
            Season::None => "N",
            Season::Additive => "A",
            Season::Multiplicative => "M",
        };
        [error, trend, season].concat()
    }

    /// Whether it can only be used with values above 0.
    pub fn is_for_positive_values(self) -> bool {
        self.error == Error::Multiplicative || self.season == Season::Multiplicative
    }

    /// How many parameters a fit has to find, with a season of so many places: smoothing parameters, free values
    /// of the start (a season's last one follows from the others) and the error's size.
    pub fn parameters(self, season: usize) -> usize {
        let trend = match self.trend {
            Trend::None => 0,
            Trend::Additive => 2,
            Trend::Damped => 3,
        };
        let season = if self.season == Season::None { 0 } else { season };
        2 + trend + season + 1
    }

    fn phi(self, smoothing: Smoothing) -> f64 {
        match self.trend {
            Trend::None => 0.0,
            Trend::Additive => 1.0,
            Trend::Damped => smoothing.phi,
        }
    }
}

impl Model {
    /// Akaike's criterion: smaller is better.
    pub fn aic(&self) -> f64 {
        // Far below 2^53.
        -2.0 * self.log_likelihood + 2.0 * self.parameters as f64
    }

    /// Akaike's criterion with the correction for few values: infinite where there are too few.
    pub fn aicc(&self) -> f64 {
        let (parameters, left) = (self.parameters as f64, self.values as f64 - self.parameters as f64 - 1.0);
        if left <= 0.0 { f64::INFINITY } else { self.aic() + 2.0 * parameters * (parameters + 1.0) / left }
    }

    /// The forecast after a history, which begins where that of the fit began and may be longer.
    ///
    /// `history` has shape `(n,)`, the result `(horizon,)`. For multiplicative forms it is the path without errors,
    /// as R gives it. O(n + horizon).
    pub fn forecast(&self, history: &[f64], horizon: usize) -> Vec<f64> {
        let mut state = self.start.clone();
        for (at, value) in history.iter().enumerate() {
            filter::step(self.form, self.smoothing, &mut state, at, *value);
        }
        filter::ahead(self.form, self.smoothing, &state, history.len(), horizon)
    }
}
