//! The parameters of a form under which a series is most likely.

use super::filter::{Room, Slopes, likelihood};
use super::{Form, Model, Season, Smoothing, State, Trend, start};
use crate::model::optimise::bfgs;

/// The range of smoothing parameters, as R has it.
const LOW: f64 = 1e-4;
/// See [`LOW`].
const HIGH: f64 = 0.9999;
/// The range of what a slope dies away by.
const SLOW: f64 = 0.98;
/// See [`SLOW`].
const FAST: f64 = 0.8;
/// Levels' smoothing that a search begins with: the likelihood has several peaks.
const BEGINNINGS: [f64; 3] = [0.1, 0.5, 0.95];
/// When a search is over.
const TOLERANCE: f64 = 1e-9;
/// Steps of a search at most.
const STEPS: usize = 200;

/// Fits a form to a series by maximum likelihood, smoothing parameters and start together.
///
/// `values` has shape `(n,)`, all finite; `season` is the season's length, read only by forms that have one. `None` where
/// there are fewer than two seasons (or three values), or values that the form doesn't allow. Parameters stay in the usual region:
/// `0 < beta < alpha`, `0 < gamma < 1 - alpha`, `0.8 < phi < 0.98`. A search by BFGS with exact gradients begins at
/// several levels of smoothing; the best end counts. O(n) an evaluation.
///
/// Reference: Hyndman et al. (2008), chapter 5.
pub fn fit(form: Form, season: usize, values: &[f64]) -> Option<Model> {
    if form.season != Season::None && season < 2 {
        return None;
    }
    if form.is_for_positive_values() && values.iter().any(|value| *value <= 0.0) {
        return None;
    }
    let n = values.len() as f64;
    let scale = values.iter().map(|value| value.abs()).sum::<f64>() / n;
    let scale = if scale > 0.0 && scale.is_finite() { scale } else { 1.0 };
    let scaled: Vec<f64> = values.iter().map(|value| value / scale).collect();
    let begin = start::state(form, season, &scaled)?;
    let mut problem = Problem { form, values: &scaled, room: Room::default(), slopes: Slopes::default() };
    let mut best: Option<(f64, Vec<f64>)> = None;
    for alpha in BEGINNINGS {
        let variables = problem.begin(alpha, &begin);
        let mut function = |at: &[f64], gradient: &mut [f64]| problem.value(at, &begin, gradient);
        let found = bfgs(&mut function, &variables, TOLERANCE, STEPS);
        let better = best.as_ref().is_none_or(|(value, _)| found.value < *value);
        if found.value.is_finite() && better {
            best = Some((found.value, found.at));
        }
    }
    let (value, at) = best?;
    let (smoothing, mut start) = problem.read(&at, &begin);
    start.level *= scale;
    start.slope *= scale;
    if form.season == Season::Additive {
        start.season.iter_mut().for_each(|place| *place *= scale);
    }
    let value = value + 2.0 * n * libm::log(scale);
    let parameters = form.parameters(season);
    Some(Model { form, smoothing, start, log_likelihood: -0.5 * value, parameters, values: values.len() })
}

/// The likelihood as a function of variables without bounds: alpha, then as the form has them beta, gamma, phi, each
/// through a sigmoid into its range, then the level, the slope and all but the last place of the season.
struct Problem<'a> {
    form: Form,
    values: &'a [f64],
    room: Room,
    slopes: Slopes,
}

impl Problem<'_> {
    fn has(&self) -> (bool, bool, bool) {
        (self.form.trend != Trend::None, self.form.season != Season::None, self.form.trend == Trend::Damped)
    }

    /// Variables that a search begins with.
    fn begin(&self, alpha: f64, start: &State) -> Vec<f64> {
        let (trend, season, damped) = self.has();
        let mut variables = vec![unbounded(alpha, LOW, HIGH)];
        variables.extend(trend.then(|| logit(0.1)));
        variables.extend(season.then(|| logit(0.1)));
        variables.extend(damped.then(|| logit(0.9)));
        variables.push(start.level);
        variables.extend(trend.then_some(start.slope));
        variables.extend(start.season.iter().take(start.season.len().saturating_sub(1)));
        variables
    }

    fn read(&self, variables: &[f64], begin: &State) -> (Smoothing, State) {
        let (trend, season, damped) = self.has();
        let mut next = variables.iter().copied();
        let mut take = |is: bool| if is { next.next().unwrap_or(0.0) } else { 0.0 };
        let alpha = bounded(take(true), LOW, HIGH);
        let beta = if trend { bounded(take(true), LOW, alpha) } else { 0.0 };
        let gamma = if season { bounded(take(true), LOW, 1.0 - alpha) } else { 0.0 };
        let phi = if damped { bounded(take(true), FAST, SLOW) } else { 1.0 };
        let (level, slope) = (take(true), take(trend));
        let mut places: Vec<f64> = next.collect();
        if season {
            let whole =
                if self.form.season == Season::Multiplicative { begin.season.len() as f64 } else { 0.0 };
            places.push(whole - places.iter().sum::<f64>());
        }
        (Smoothing { alpha, beta, gamma, phi }, State { level, slope, season: places })
    }

    fn value(&mut self, variables: &[f64], begin: &State, gradient: &mut [f64]) -> f64 {
        let (smoothing, start) = self.read(variables, begin);
        if self.form.season == Season::Multiplicative && start.season.iter().any(|place| *place <= 0.0) {
            return f64::INFINITY;
        }
        let value = likelihood(self.form, smoothing, &start, self.values, &mut self.room, &mut self.slopes);
        if !value.is_finite() {
            return f64::INFINITY;
        }
        self.gradient(variables, smoothing, gradient);
        value
    }

    /// By the chain rule, from slopes in parameters to slopes in variables.
    fn gradient(&self, variables: &[f64], smoothing: Smoothing, gradient: &mut [f64]) {
        let (trend, season, damped) = self.has();
        let slopes = &self.slopes;
        let mut at = 1;
        let mut of_alpha = slopes.alpha;
        let mut put = |at: usize, value: f64| {
            if let Some(cell) = gradient.get_mut(at) {
                *cell = value;
            }
        };
        let share = |at: usize| sigmoid(variables.get(at).copied().unwrap_or(0.0));
        if trend {
            let part = share(at);
            of_alpha += slopes.beta * part;
            put(at, slopes.beta * (smoothing.alpha - LOW) * part * (1.0 - part));
            at += 1;
        }
        if season {
            let part = share(at);
            of_alpha -= slopes.gamma * part;
            put(at, slopes.gamma * (1.0 - smoothing.alpha - LOW) * part * (1.0 - part));
            at += 1;
        }
        if damped {
            let part = share(at);
            put(at, slopes.phi * (SLOW - FAST) * part * (1.0 - part));
            at += 1;
        }
        let part = share(0);
        put(0, of_alpha * (HIGH - LOW) * part * (1.0 - part));
        put(at, slopes.level);
        at += 1;
        if trend {
            put(at, slopes.slope);
            at += 1;
        }
        if let Some((last, others)) = slopes.season.split_last() {
            for (place, slope) in others.iter().enumerate() {
                put(at + place, slope - last);
            }
        }
    }
}

fn sigmoid(variable: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-variable))
}

fn logit(share: f64) -> f64 {
    libm::log(share / (1.0 - share))
}

fn bounded(variable: f64, low: f64, high: f64) -> f64 {
    low + (high - low) * sigmoid(variable)
}

fn unbounded(value: f64, low: f64, high: f64) -> f64 {
    logit((value - low) / (high - low))
}
