//! Gamma-Gamma: what a customer spends a purchase, from what the customer has spent so far.
//!
//! A purchase is gamma (`p`, `nu`) around a customer's own mean, and `nu` is gamma (`q`, `gamma`)
//! between customers. Supposes that how much is spent doesn't depend on how often: see
//! [`super::correlation`]. Fader and Hardie, "The Gamma-Gamma model of monetary value" (2013).

use rayon::prelude::*;

use super::local::{Local, SLOTS};
use super::newton::{Minimum, Point, minimise};
use super::special::{NORMAL_95, log_gamma};
use super::{CHUNK, Estimate, Stop, Unfit};
use crate::model::symmetric::Symmetric;

/// Parameters lie within this factor of 1, `gamma` of the mean spend.
const FARTHEST: f64 = 1e5;

/// What a customer has spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Buyer {
    /// How many purchases, `x`; at least 1.
    pub purchases: u32,
    /// What they were worth on average, above 0.
    pub mean: f64,
}

/// A fitted model of spend.
#[derive(Clone, Debug)]
pub struct Spend {
    /// `p`, `q` and `gamma`.
    pub parameters: [f64; 3],
    /// The log-likelihood.
    pub log_likelihood: f64,
    /// The covariance of the logarithms of the parameters; `None` where the likelihood doesn't tell.
    pub covariance: Option<Symmetric>,
    /// Which parameters lie on a bound.
    pub bound: Vec<bool>,
    /// Whether the search ended at a maximum.
    pub converged: bool,
}

impl Spend {
    /// The names of the parameters.
    pub const PARAMETERS: [&str; 3] = ["p", "q", "gamma"];

    /// Fits the model to customers by maximum likelihood. Those without a purchase, or whose mean isn't
    /// above 0, are left out.
    ///
    /// # Errors
    /// [`Unfit::Nobody`] where nobody is left, [`Unfit::Numbers`] where amounts can't be computed with, and
    /// [`Unfit::Stopped`].
    pub fn fit(buyers: &[Buyer], stop: Stop<'_>) -> Result<Self, Unfit> {
        let mut buyers: Vec<Buyer> = buyers.to_vec();
        buyers.retain(|buyer| buyer.purchases > 0 && buyer.mean > 0.0 && buyer.mean.is_finite());
        if buyers.is_empty() {
            return Err(Unfit::Nobody);
        }
        let mean = buyers.iter().map(|buyer| buyer.mean).sum::<f64>() / buyers.len() as f64;
        let (center, far) = (libm::log(mean), libm::log(FARTHEST));
        let bounds = [(-far, far), (-far, far), (center - far, center + far)];
        let start = vec![libm::log(4.0), libm::log(4.0), center];
        let found = minimise(start, &bounds, |at| if stop() { None } else { Some(objective(&buyers, at)) });
        found.map(fitted).ok_or(if stop() { Unfit::Stopped } else { Unfit::Numbers })
    }

    /// The expected spend of a purchase to come: `p (gamma + x z) / (p x + q - 1)`, with `x` purchases of
    /// `z` on average so far, or none.
    ///
    /// `None` where it is infinite: nobody's own purchases tell and `q` is at most 1.
    pub fn expected(&self, purchases: u32, mean: f64) -> Option<f64> {
        expected(&self.parameters, purchases, mean)
    }

    /// The derivatives of the logarithm of [`Spend::expected`] in the logarithms of the parameters.
    pub fn slope(&self, purchases: u32, mean: f64) -> [f64; 3] {
        let [p, q, gamma] = self.parameters;
        let x = f64::from(purchases);
        let (top, bottom) = (gamma + x * mean, p * x + q - 1.0);
        [1.0 - p * x / bottom, -q / bottom, gamma / top]
    }

    /// The variance of the logarithm of an expected spend whose slope is `slope`, from the uncertainty of the
    /// parameters; `None` where the likelihood doesn't tell.
    pub fn variance(&self, slope: &[f64; 3]) -> Option<f64> {
        Some(self.covariance.as_ref()?.form(slope))
    }

    /// The parameters with their uncertainty.
    pub fn estimates(&self) -> Vec<Estimate> {
        let one = |at: usize| {
            let value = self.parameters[at];
            let error = self.covariance.as_ref().filter(|_| !self.bound[at]).map(|all| all.at(at, at).sqrt());
            let reach = error.map(|error| libm::exp(NORMAL_95 * error)).filter(|reach| reach.is_finite());
            let interval = reach.map(|reach| (value / reach, value * reach));
            Estimate { value, error: error.map(|error| value * error), interval }
        };
        (0..3).map(one).collect()
    }
}

fn expected([p, q, gamma]: &[f64; 3], purchases: u32, mean: f64) -> Option<f64> {
    let x = f64::from(purchases);
    let bottom = p * x + q - 1.0;
    (bottom > 0.0).then(|| p * (gamma + x * if purchases == 0 { 0.0 } else { mean }) / bottom)
}

fn fitted(minimum: Minimum) -> Spend {
    let free: Vec<usize> = (0..3).filter(|at| !minimum.bound[*at]).collect();
    let covariance = minimum.point.hessian.part(&free).inverse().map(|inverse| {
        let mut all = Symmetric::zeros(3);
        for (i, row) in free.iter().enumerate() {
            free.iter()
                .enumerate()
                .take(i + 1)
                .for_each(|(j, column)| all.set(*row, *column, inverse.at(i, j)));
        }
        all
    });
    Spend {
        parameters: [0, 1, 2].map(|at| libm::exp(minimum.at[at])),
        log_likelihood: -minimum.point.value,
        covariance,
        bound: minimum.bound,
        converged: minimum.converged,
    }
}

/// The negative log-likelihood with derivatives in the logarithms of the parameters.
fn objective(buyers: &[Buyer], at: &[f64]) -> Point {
    let p = [libm::exp(at[0]), libm::exp(at[1]), libm::exp(at[2]), 1.0];
    let of_q = log_gamma(p[1]);
    let chunk = |buyers: &[Buyer]| {
        let mut sum = Local::default();
        buyers.iter().for_each(|buyer| sum.add(&log_likelihood(&p, of_q, buyer), 1.0));
        sum
    };
    let parts: Vec<Local> = buyers.par_chunks(CHUNK).map(chunk).collect();
    let mut sum = Local::default();
    parts.iter().for_each(|part| sum.add(part, -1.0));
    let logs = sum.in_logs(&p);
    let mut hessian = Symmetric::zeros(3);
    (0..3).for_each(|row| (0..=row).for_each(|column| hessian.set(row, column, logs.curve[row][column])));
    Point { value: logs.value, gradient: logs.slope[..3].to_vec(), hessian }
}

/// `ln Gamma(p x + q) - ln Gamma(p x) - ln Gamma(q) + q ln gamma + (p x - 1) ln z + p x ln x
/// - (p x + q) ln(gamma + x z)`.
fn log_likelihood(parameters: &[f64; SLOTS], of_q: [f64; 3], buyer: &Buyer) -> Local {
    let [p, q, gamma, _] = *parameters;
    let x = f64::from(buyer.purchases);
    let (n, total) = (p * x + q, gamma + x * buyer.mean);
    let (log_total, log_gamma_scale) = (libm::log(total), libm::log(gamma));
    let log_spent = libm::log(buyer.mean * x);
    let (of_n, of_px) = (log_gamma(n), log_gamma(p * x));
    let value = of_n[0] - of_px[0] - of_q[0] + q * log_gamma_scale + p * x * log_spent
        - libm::log(buyer.mean)
        - n * log_total;
    let mut sum = Local { value, ..Local::default() };
    sum.slope[0] = x * (of_n[1] - of_px[1] + log_spent - log_total);
    sum.slope[1] = of_n[1] - of_q[1] + log_gamma_scale - log_total;
    sum.slope[2] = q / gamma - n / total;
    sum.curve[0][0] = x * x * (of_n[2] - of_px[2]);
    sum.curve[1][1] = of_n[2] - of_q[2];
    sum.curve[2][2] = n / (total * total) - q / (gamma * gamma);
    sum.set_mixed(0, 1, x * of_n[2]);
    sum.set_mixed(0, 2, -x / total);
    sum.set_mixed(1, 2, 1.0 / gamma - 1.0 / total);
    sum
}
