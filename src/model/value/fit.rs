//! Maximum likelihood: the parameters of a model with their standard errors.
//!
//! All models are fitted in the logarithms of their parameters, by Newton's method with exact
//! derivatives. Does not know what is made of the parameters.

use ndarray::ArrayView2;

use super::family::Family;
use super::local::SLOTS;
use super::newton::{Minimum, minimise};
use super::objective::Objective;
use super::special::NORMAL_95;
use super::{History, Stop, Unfit};
use crate::model::symmetric::Symmetric;

/// Parameters lie within this factor of 1, or of the mean age where they are measured in time.
const FARTHEST: f64 = 1e5;

/// The largest size of a covariate's effect.
const STRONGEST: f64 = 20.0;

/// With more histories than this, starts are tried on as many of them, spread evenly.
const SAMPLE: usize = 4_000;

/// Covariates: one row a history, shape `(n_histories, n_covariates)`, all finite, better standardised.
pub type Covariates<'a> = ArrayView2<'a, f64>;

/// What is to be fitted.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The model.
    pub family: Family,
    /// Customers.
    pub histories: &'a [History],
    /// What else is known of them; see [`Family::links`] for where it acts.
    pub covariates: Option<Covariates<'a>>,
    /// Times the sum of the squares of all parameters (times in units of the highest age) and effects,
    /// added to the mean negative log-likelihood, as the Python package lifetimes does; 0 for none.
    pub penalty: f64,
    /// Whether to stop.
    pub stop: Stop<'a>,
}

/// A fitted model.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The model.
    pub family: Family,
    /// The parameters, those of a customer whose covariates are all 0; unused ones are 1.
    pub parameters: [f64; SLOTS],
    /// Effects of covariates: those on the first link, then those on the second.
    pub effects: Vec<f64>,
    /// The log-likelihood, without the penalty and without terms that no model has.
    pub log_likelihood: f64,
    /// The covariance of the logarithms of the parameters, then of the effects; `None` where the
    /// likelihood doesn't tell.
    pub covariance: Option<Symmetric>,
    /// Which parameters and effects lie on a bound, because the likelihood has no maximum within it.
    pub bound: Vec<bool>,
    /// Whether the search ended at a maximum.
    pub converged: bool,
    /// How often the likelihood of all histories was computed.
    pub evaluations: usize,
}

/// A parameter or effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The maximum of the likelihood.
    pub value: f64,
    /// Its standard error, where the likelihood tells.
    pub error: Option<f64>,
    /// The ends of a 95 % interval: a Wald interval on the scale of logarithms for parameters, which are
    /// positive, and on its own for effects.
    pub interval: Option<(f64, f64)>,
}

/// Fits a model.
///
/// Several starts, the best one followed to its end. O(n) a step, in parallel; some ten steps. Standard
/// errors come from the Hessian at the maximum.
///
/// # Errors
/// See [`Unfit`].
pub fn fit(request: &Request<'_>) -> Result<Fitted, Unfit> {
    check(request)?;
    let objective = Objective::new(request);
    let stopped =
        |found: Option<Minimum>| found.ok_or(if (request.stop)() { Unfit::Stopped } else { Unfit::Numbers });
    let sample = objective.sample(SAMPLE);
    let tried = starts(&objective)
        .into_iter()
        .filter_map(|start| search(sample.as_ref().unwrap_or(&objective), start));
    let best = tried.min_by(|one, two| one.point.value.total_cmp(&two.point.value));
    let best = stopped(best)?;
    let minimum = if sample.is_some() { stopped(search(&objective, best.at))? } else { best };
    Ok(fitted(&objective, minimum))
}

fn check(request: &Request<'_>) -> Result<(), Unfit> {
    let histories = request.histories;
    if histories.is_empty() {
        return Err(Unfit::Nobody);
    }
    let discrete = request.family.is_discrete();
    if let Some(row) = histories.iter().position(|history| !is_possible(history, discrete)) {
        return Err(Unfit::Times { row });
    }
    if histories.iter().all(|history| history.repeats == 0) {
        return Err(Unfit::NoRepeats);
    }
    if histories.iter().all(|history| history.age <= 0.0) {
        return Err(Unfit::NoTime);
    }
    let fits =
        |all: &Covariates<'_>| all.nrows() == histories.len() && all.iter().all(|value| value.is_finite());
    if request.covariates.as_ref().is_some_and(|all| !fits(all)) {
        return Err(Unfit::Numbers);
    }
    Ok(())
}

fn is_possible(history: &History, discrete: bool) -> bool {
    let counted =
        f64::from(history.repeats) <= history.last && history.last.fract() + history.age.fract() == 0.0;
    let finite = history.age.is_finite() && history.customers.is_finite() && history.customers >= 0.0;
    finite && history.last >= 0.0 && history.last <= history.age && (counted || !discrete)
}

fn search(objective: &Objective<'_>, start: Vec<f64>) -> Option<Minimum> {
    minimise(start, &bounds(objective), |at| objective.at(at))
}

fn bounds(objective: &Objective<'_>) -> Vec<(f64, f64)> {
    let farthest = libm::log(FARTHEST);
    let family = objective.family();
    let middle = |at: usize| if family.in_time().contains(&at) { libm::log(objective.mean_age) } else { 0.0 };
    let shapes = (0..family.parameters().len()).map(|at| (middle(at) - farthest, middle(at) + farthest));
    shapes.chain((0..objective.effects()).map(|_| (-STRONGEST, STRONGEST))).collect()
}

/// Where searches start: rates that differ much or little, around what was seen on average.
fn starts(objective: &Objective<'_>) -> Vec<Vec<f64>> {
    let wait = objective.mean_age / (objective.mean_repeats + 0.1);
    let age = objective.mean_age;
    let shapes: Vec<Vec<f64>> = match objective.family() {
        Family::Nbd => vec![vec![0.5, 0.5 * wait]],
        Family::BetaGeometric | Family::ModifiedBetaGeometric => {
            vec![vec![0.5, 0.4 * wait, 0.8, 3.0], vec![2.0, wait, 1.0, 15.0]]
        }
        Family::Pareto => vec![vec![0.5, 0.4 * wait, 0.6, 0.4 * age], vec![2.0, wait, 1.0, 4.0 * age]],
        Family::BetaBinomial => vec![vec![1.0, 1.0, 0.7, 3.0], vec![0.5, 2.0, 1.0, 20.0]],
        Family::ShiftedGeometric => vec![vec![0.7, 2.0], vec![2.0, 10.0]],
    };
    let logs = |shape: Vec<f64>| {
        shape.into_iter().map(libm::log).chain((0..objective.effects()).map(|_| 0.0)).collect()
    };
    shapes.into_iter().map(logs).collect()
}

fn fitted(objective: &Objective<'_>, minimum: Minimum) -> Fitted {
    let count = objective.family().parameters().len();
    let mut parameters = [1.0; SLOTS];
    parameters.iter_mut().zip(&minimum.at[..count]).for_each(|(parameter, log)| *parameter = libm::exp(*log));
    Fitted {
        family: objective.family(),
        parameters,
        effects: minimum.at[count..].to_vec(),
        log_likelihood: objective.penalty_at(&minimum.at) - minimum.point.value,
        covariance: covariance(&minimum),
        bound: minimum.bound,
        converged: minimum.converged,
        evaluations: minimum.evaluations,
    }
}

/// The inverse of the Hessian over the parameters that aren't on a bound; 0 for those that are.
fn covariance(minimum: &Minimum) -> Option<Symmetric> {
    let free: Vec<usize> = (0..minimum.at.len()).filter(|at| !minimum.bound[*at]).collect();
    let inverse = minimum.point.hessian.part(&free).inverse()?;
    let mut covariance = Symmetric::zeros(minimum.at.len());
    for (i, row) in free.iter().enumerate() {
        free.iter()
            .enumerate()
            .take(i + 1)
            .for_each(|(j, column)| covariance.set(*row, *column, inverse.at(i, j)));
    }
    Some(covariance)
}

impl Fitted {
    /// Parameters, then effects, with their uncertainty.
    pub fn estimates(&self) -> Vec<Estimate> {
        let count = self.family.parameters().len();
        let error = |at: usize| {
            let variance = self.covariance.as_ref()?.at(at, at);
            (!self.bound[at]).then(|| variance.sqrt())
        };
        let parameter = |at: usize| {
            let (value, error) = (self.parameters[at], error(at));
            let reach = error.map(|error| libm::exp(NORMAL_95 * error)).filter(|reach| reach.is_finite());
            let interval = reach.map(|reach| (value / reach, value * reach));
            Estimate { value, error: error.map(|error| value * error), interval }
        };
        let effect = |at: usize| {
            let (value, error) = (self.effects[at - count], error(at));
            let interval = error.map(|error| (value - NORMAL_95 * error, value + NORMAL_95 * error));
            Estimate { value, error, interval }
        };
        (0..self.bound.len()).map(|at| if at < count { parameter(at) } else { effect(at) }).collect()
    }

    /// The parameters of a customer with these covariates.
    pub fn parameters_with(&self, covariates: &[f64]) -> [f64; SLOTS] {
        let mut parameters = self.parameters;
        for (link, effects) in self.family.links().iter().zip(self.effects.chunks(covariates.len().max(1))) {
            let shift: f64 = effects.iter().zip(covariates).map(|(effect, value)| effect * value).sum();
            parameters[link.parameter] *= libm::exp(link.sign * shift);
        }
        parameters
    }

    /// How many numbers were fitted.
    pub fn degrees(&self) -> usize {
        self.bound.len()
    }

    /// Akaike's information criterion: smaller is better.
    pub fn aic(&self) -> f64 {
        2.0 * (self.degrees() as f64 - self.log_likelihood)
    }
}
