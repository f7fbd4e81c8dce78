//! A model of a given form and parameters, run through a series, and how its likelihood changes with each of them.
//!
//! Doesn't know how parameters are found.

use super::{Error, Form, Season, Smoothing, State, Trend};

/// Mean square of errors below which a model is exact, for values of the order of 1.
const EXACT: f64 = 1e-28;

/// A model's one-step forecasts and errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Forecasts one step ahead, shape `(n,)`.
    pub fitted: Vec<f64>,
    /// Errors: `y - forecast`, or that over the forecast with multiplicative errors; shape `(n,)`.
    pub errors: Vec<f64>,
    /// The state after the last value.
    pub end: State,
    /// `n log(sum e^2) + 2 sum log |forecast|`, the second sum with multiplicative errors only: twice the negative
    /// log-likelihood but for a constant. Infinite where the form doesn't allow a forecast that came up.
    pub likelihood: f64,
}

/// Runs a model through a series: `values` has shape `(n,)`. O(n).
pub fn run(form: Form, smoothing: Smoothing, start: &State, values: &[f64]) -> Run {
    let mut state = start.clone();
    let (mut fitted, mut errors) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
    let (mut squares, mut logs, mut allowed) = (0.0, 0.0, true);
    for (at, value) in values.iter().enumerate() {
        let forecast = step(form, smoothing, &mut state, at, *value);
        let error = match form.error {
            Error::Additive => value - forecast,
            Error::Multiplicative => {
                allowed &= forecast > 0.0;
                logs += libm::log(forecast.abs());
                (value - forecast) / forecast
            }
        };
        squares += error * error;
        fitted.push(forecast);
        errors.push(error);
    }
    let likelihood =
        if allowed { values.len() as f64 * libm::log(squares) + 2.0 * logs } else { f64::INFINITY };
    if !state.season.is_empty() {
        let places = state.season.len();
        state.season.rotate_left(values.len() % places);
    }
    Run { fitted, errors, end: state, likelihood }
}

/// Takes a state past the value at position `at`, and gives what was forecast of it. The season of a state that
/// moves stays where it is: its place is `at` modulo its length.
pub(super) fn step(form: Form, smoothing: Smoothing, state: &mut State, at: usize, value: f64) -> f64 {
    let phi = form.phi(smoothing);
    let expected = state.level + phi * state.slope;
    let places = state.season.len().max(1);
    let mut none = 0.0;
    let season = state.season.get_mut(at % places).unwrap_or(&mut none);
    let (forecast, gap) = match form.season {
        Season::None => (expected, value - expected),
        Season::Additive => (expected + *season, value - expected - *season),
        Season::Multiplicative => (expected * *season, value / *season - expected),
    };
    match form.season {
        Season::None => {}
        Season::Additive => *season += smoothing.gamma * gap,
        Season::Multiplicative => *season += smoothing.gamma * (value / expected - *season),
    }
    state.level = expected + smoothing.alpha * gap;
    if form.trend != Trend::None {
        state.slope = phi * state.slope + smoothing.beta * gap;
    }
    forecast
}

/// Forecasts from a state that [`step`] has taken past `at` values.
pub(super) fn ahead(form: Form, smoothing: Smoothing, state: &State, at: usize, horizon: usize) -> Vec<f64> {
    let phi = form.phi(smoothing);
    let (mut level, mut slope) = (state.level, state.slope);
    let places = state.season.len().max(1);
    let one = |step: usize| {
        slope *= phi;
        level += slope;
        let season = state.season.get((at + step) % places).copied().unwrap_or(0.0);
        match form.season {
            Season::None => level,
            Season::Additive => level + season,
            Season::Multiplicative => level * season,
        }
    };
    (0..horizon).map(one).collect()
}

/// What changes with what, in the order of [`super::fit`]'s variables before they are bounded.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Slopes {
    pub alpha: f64,
    pub beta: f64,
    pub gamma: f64,
    pub phi: f64,
    pub level: f64,
    pub slope: f64,
    /// Of the start's season, in its order.
    pub season: Vec<f64>,
}

/// One value of the series on the way forth, for the way back.
#[derive(Clone, Copy, Default)]
struct Past {
    expected: f64,
    slope: f64,
    season: f64,
    gap: f64,
    forecast: f64,
    error: f64,
}

/// Room for [`likelihood`], used again and again.
#[derive(Default)]
pub(super) struct Room {
    past: Vec<Past>,
    season: Vec<f64>,
}

/// [`Run::likelihood`] and how it changes with every parameter, by one way forth and one back (reverse
/// differentiation of the recursions). O(n).
pub(super) fn likelihood(
    form: Form,
    smoothing: Smoothing,
    start: &State,
    values: &[f64],
    room: &mut Room,
    slopes: &mut Slopes,
) -> f64 {
    let phi = form.phi(smoothing);
    let Smoothing { alpha, beta, gamma, .. } = smoothing;
    let trend = form.trend != Trend::None;
    let (mut level, mut slope) = (start.level, start.slope);
    room.season.clear();
    room.season.extend_from_slice(&start.season);
    room.past.clear();
    let places = start.season.len().max(1);
    let (mut squares, mut place) = (0.0, 0);
    let mut product = Product::default();
    for value in values {
        let expected = level + phi * slope;
        let season = room.season.get(place).copied().unwrap_or(0.0);
        let (forecast, gap) = match form.season {
            Season::None => (expected, value - expected),
            Season::Additive => (expected + season, value - expected - season),
            Season::Multiplicative => (expected * season, value / season - expected),
        };
        let error = match form.error {
            Error::Additive => value - forecast,
            Error::Multiplicative => {
                if forecast <= 0.0 || forecast.is_nan() {
                    return f64::INFINITY;
                }
                product.take(forecast);
                value / forecast - 1.0
            }
        };
        squares += error * error;
        room.past.push(Past { expected, slope, season, gap, forecast, error });
        if let Some(season) = room.season.get_mut(place) {
            match form.season {
                Season::None => {}
                Season::Additive => *season += gamma * gap,
                Season::Multiplicative => *season += gamma * (value / expected - *season),
            }
        }
        level = expected + alpha * gap;
        if trend {
            slope = phi * slope + beta * gap;
        }
        place = if place + 1 == places { 0 } else { place + 1 };
    }
    let n = values.len() as f64;
    let squares = f64::max(squares, n * EXACT);
    let result = n * libm::log(squares) + 2.0 * product.log();
    if !result.is_finite() {
        return f64::INFINITY;
    }
    back(form, smoothing, values, 2.0 * n / squares, room, slopes, (place, places));
    result
}

/// The way back: from the last value to the first.
fn back(
    form: Form,
    smoothing: Smoothing,
    values: &[f64],
    weight: f64,
    room: &mut Room,
    slopes: &mut Slopes,
    (mut place, places): (usize, usize),
) {
    let phi = form.phi(smoothing);
    let Smoothing { alpha, beta, gamma, .. } = smoothing;
    let trend = form.trend != Trend::None;
    *slopes = Slopes { season: std::mem::take(&mut slopes.season), ..Slopes::default() };
    slopes.season.clear();
    slopes.season.resize(room.season.len(), 0.0);
    let (mut of_level, mut of_slope) = (0.0, 0.0);
    for (past, value) in room.past.iter().zip(values).rev() {
        place = if place == 0 { places - 1 } else { place - 1 };
        let after = slopes.season.get(place).copied().unwrap_or(0.0);
        let of_forecast = match form.error {
            Error::Additive => -weight * past.error,
            Error::Multiplicative => (2.0 - weight * past.error * (past.error + 1.0)) / past.forecast,
        };
        slopes.alpha += of_level * past.gap;
        let (mut of_expected, mut of_gap, mut of_season) = (of_level, alpha * of_level, after);
        if trend {
            slopes.beta += of_slope * past.gap;
            slopes.phi += of_slope * past.slope;
            of_gap += beta * of_slope;
        }
        match form.season {
            Season::None => {
                of_expected += of_forecast - of_gap;
            }
            Season::Additive => {
                slopes.gamma += after * past.gap;
                of_gap += gamma * after;
                of_season += of_forecast - of_gap;
                of_expected += of_forecast - of_gap;
            }
            Season::Multiplicative => {
                let ratio = value / past.expected;
                slopes.gamma += after * (ratio - past.season);
                of_season *= 1.0 - gamma;
                of_season += of_forecast * past.expected - of_gap * value / (past.season * past.season);
                of_expected += of_forecast * past.season - of_gap - after * gamma * ratio / past.expected;
            }
        }
        if let Some(season) = slopes.season.get_mut(place) {
            *season = of_season;
        }
        of_level = of_expected;
        if trend {
            slopes.phi += of_expected * past.slope;
            of_slope = phi * (of_slope + of_expected);
        }
    }
    slopes.level = of_level;
    slopes.slope = of_slope;
}

/// The logarithm of a product of many numbers above 0 with one logarithm for several of them.
struct Product {
    factor: f64,
    log: f64,
}

impl Default for Product {
    fn default() -> Self {
        Self { factor: 1.0, log: 0.0 }
    }
}

impl Product {
    fn take(&mut self, value: f64) {
        let factor = self.factor * value;
        if (1e-200..1e200).contains(&factor) {
            self.factor = factor;
        } else {
            self.log += libm::log(self.factor) + libm::log(value);
            self.factor = 1.0;
        }
    }

    fn log(&self) -> f64 {
        self.log + libm::log(self.factor)
    }
}
