//! Gaussian mixtures: clusters as normal distributions of different size and shape, to which rows belong in part.
//!
//! Knows points; does not know what rows and features mean.

mod climb;
mod density;
mod exponential;
mod pass;
#[cfg(test)]
mod published;
#[cfg(test)]
mod tests;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::climb::Climbed;
use self::pass::Belonging;
use super::chunks::chunk_rows;
use super::{Assigned, Error, Points, Stop};

/// A component is flat whose variance in some direction is below this many times the regularisation.
const FLAT: f64 = 10.0;

/// The shapes that the components of a mixture may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Covariance {
    /// Each component has a covariance of its own: ellipsoids of any size and direction.
    #[default]
    Full,
    /// All components share one covariance: ellipsoids of one size and direction.
    Tied,
    /// Each component has variances of its own and no covariances: ellipsoids along the features.
    Diagonal,
    /// Each component has one variance for all features: balls.
    Spherical,
}

/// Where the starts of a mixture come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// The clusters of k-means, another k-means for each start.
    #[default]
    Kmeans,
    /// Rows drawn at random as means, the covariance of all rows around each of them.
    Random,
    /// k-means for the first start and every second one, random rows for the others.
    Both,
}

/// What a mixture is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianMixture {
    /// Number of components, at least 1.
    pub k: usize,
    /// Their shapes.
    pub covariance: Covariance,
    /// Starts, each climbing by itself (0 counts as 1).
    pub starts: usize,
    /// Where the starts come from.
    pub init: Init,
    /// Steps after which a start ends even if its likelihood still grows.
    pub max_iterations: usize,
    /// A start ends when the log-likelihood a row grows by less than this.
    pub tolerance: f64,
    /// Added to every variance, in squared units of the features.
    pub regularisation: f64,
    /// The seed of all starts.
    pub seed: u64,
}

/// A mixture of normal distributions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// The shapes of the components.
    pub covariance: Covariance,
    /// Their shares of all rows; 0 for one that lost all its rows.
    pub weights: Vec<f64>,
    /// Their means, one row of `n_features` values each.
    pub means: Vec<Vec<f64>>,
    /// `full`: for each component the lower triangle of its covariance, row by row; `tied`: one such triangle;
    /// `diagonal`: each one's variances; `spherical`: each one's only variance.
    pub covariances: Vec<Vec<f64>>,
}

/// The best of all starts, components ordered by descending number of rows and then by mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The mixture.
    pub mixture: Mixture,
    /// The likeliest component of every row.
    pub labels: Vec<u32>,
    /// Rows in each component by these labels.
    pub sizes: Vec<usize>,
    /// The share of that component in every row.
    pub shares: Vec<f64>,
    /// Mahalanobis distance of every row to the mean of that component.
    pub distances: Vec<f64>,
    /// Summed logarithm of the rows' densities.
    pub log_likelihood: f64,
    /// Free parameters.
    pub parameters: usize,
    /// Steps that the best start took.
    pub iterations: usize,
    /// Whether the best start ended by itself.
    pub converged: bool,
    /// Which start was best, from 0.
    pub start: usize,
    /// What was added to every variance in the end: more than asked for where a covariance collapsed nevertheless.
    pub regularisation: f64,
    /// Components that have next to no extent in some direction, so that their density rests on `regularisation`.
    pub flat: Vec<usize>,
    /// Its log-likelihood a row before each step, and in the end.
    pub curve: Vec<f64>,
}

/// Free parameters of a mixture of `k` components in `d` features.
fn parameters(covariance: Covariance, k: usize, d: usize) -> usize {
    let shapes = match covariance {
        Covariance::Full => k * d * (d + 1) / 2,
        Covariance::Tied => d * (d + 1) / 2,
        Covariance::Diagonal => k * d,
        Covariance::Spherical => k,
    };
    shapes + k * d + k - 1
}

/// Fits a mixture of `k` normal distributions by expectation-maximisation, the best of several starts:
/// `max sum_i ln sum_c w_c N(x_i; m_c, S_c)`. A start with fewer flat components goes before one with a higher likelihood.
///
/// The same bits come out at any thread count; a start is a function of (points, request, its number).
///
/// # Errors
/// When `k` is 0, there are fewer than `k` different rows, covariances collapse at every regularisation, or `stop`
/// says so.
///
/// O(starts * iterations * n k d^2); memory grows with the threads, not with `n k`. Dempster, Laird and Rubin,
/// "Maximum likelihood from incomplete data via the EM algorithm" (1977); McLachlan and Peel, "Finite Mixture Models"
/// (2000).
pub fn gaussian_mixture(
    points: &Points,
    request: &GaussianMixture,
    stop: Stop<'_>,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Fit, Error> {
    if request.k == 0 {
        return Err(Error::NoClusters);
    }
    let starts = request.starts.max(1);
    let finished = std::sync::atomic::AtomicUsize::new(0);
    let run = |start| {
        let found = climb::from(points, request, start, stop)?;
        done(finished.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1);
        Ok(found)
    };
    // A large start keeps all cores busy by itself; small ones run beside each other.
    let all: Vec<Result<Climbed, Error>> = if points.rows() > chunk_rows(points.rows()) {
        (0..starts).map(run).collect()
    } else {
        (0..starts).into_par_iter().map(run).collect()
    };
    // One start that collapses doesn't spoil the others.
    let collapsed = |found: &Result<Climbed, Error>| matches!(found, Err(Error::Collapsed { .. }));
    let usable = !all.iter().all(collapsed);
    let mut all = all.into_iter().enumerate().filter(|(_, found)| !usable || !collapsed(found));
    let first = all.next().map(|(start, found)| found.map(|found| (start, found)));
    let best = all.fold(first.unwrap_or(Err(Error::NoClusters)), |best, (start, next)| {
        let (best, next) = (best?, next?);
        Ok(if next.is_better_than(&best.1) { (start, next) } else { best })
    });
    let (start, best) = best?;
    best.finish(points, start)
}

impl Climbed {
    /// Fewer flat components go before likelihood: a component on a few equal values raises it without end, and says
    /// nothing.
    fn is_better_than(&self, other: &Self) -> bool {
        let flat = |climbed: &Self| climbed.mixture.flat(climbed.regularisation).len();
        let (own, others) = (flat(self), flat(other));
        own < others || (own == others && self.log_likelihood > other.log_likelihood)
    }

    /// Numbers the components by descending size, then by mean.
    fn finish(self, points: &Points, start: usize) -> Result<Fit, Error> {
        let sizes =
            sizes_of(&pass::belonging(points, &self.mixture.densities()?), self.mixture.weights.len());
        let means = &self.mixture.means;
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by(|a, b| sizes[*b].cmp(&sizes[*a]).then_with(|| compare(&means[*a], &means[*b])));
        let mixture = self.mixture.reordered(&order);
        // Once more in the final order, so that whoever applies the mixture finds the same bits.
        let rows = pass::belonging(points, &mixture.densities()?);
        let flat = mixture.flat(self.regularisation);
        let column = |of: fn(&Belonging) -> f64| rows.iter().map(of).collect();
        Ok(Fit {
            labels: rows.iter().map(|row| row.label).collect(),
            sizes: sizes_of(&rows, order.len()),
            shares: column(|row| row.share),
            distances: column(|row| row.distance),
            log_likelihood: self.log_likelihood,
            parameters: parameters(mixture.covariance, order.len(), points.features()),
            iterations: self.curve.len().saturating_sub(1),
            converged: self.converged,
            start,
            regularisation: self.regularisation,
            flat,
            curve: self.curve,
            mixture,
        })
    }
}

fn sizes_of(rows: &[Belonging], k: usize) -> Vec<usize> {
    let mut sizes = vec![0; k];
    rows.iter().for_each(|row| sizes[row.label as usize] += 1);
    sizes
}

fn compare(one: &[f64], other: &[f64]) -> std::cmp::Ordering {
    let by_value = one.iter().zip(other).map(|(one, other)| one.total_cmp(other)).find(|by| by.is_ne());
    by_value.unwrap_or(std::cmp::Ordering::Equal)
}

impl Mixture {
    /// Components with rows that have next to no extent in some direction but what the regularisation gives them.
    fn flat(&self, regularisation: f64) -> Vec<usize> {
        let flat = |at: &usize| self.weights[*at] > 0.0 && self.least_variance(*at) < FLAT * regularisation;
        (0..self.weights.len()).filter(flat).collect()
    }

    fn reordered(&self, order: &[usize]) -> Self {
        let covariances = match self.covariance {
            Covariance::Tied => self.covariances.clone(),
            _ => order.iter().map(|old| self.covariances[*old].clone()).collect(),
        };
        Self {
            covariance: self.covariance,
            weights: order.iter().map(|old| self.weights[*old]).collect(),
            means: order.iter().map(|old| self.means[*old].clone()).collect(),
            covariances,
        }
    }

    /// The likeliest component of every row, the first one among equals, with the Mahalanobis distance to its mean and
    /// its share in the row.
    ///
    /// # Errors
    /// When there are no components, points have another number of features, or a covariance isn't positive definite.
    pub fn assign(&self, points: &Points) -> Result<Assigned, Error> {
        let rows = pass::belonging(points, &self.fitting(points)?);
        Ok(Assigned {
            labels: rows.iter().map(|row| row.label).collect(),
            distances: rows.iter().map(|row| row.distance).collect(),
            shares: Some(rows.iter().map(|row| row.share).collect()),
        })
    }

    /// The shares of all components in every row, shape `(n, k)`; they sum to 1 in a row.
    ///
    /// # Errors
    /// See [`Mixture::assign`].
    pub fn memberships(&self, points: &Points) -> Result<Vec<f64>, Error> {
        Ok(pass::memberships(points, &self.fitting(points)?))
    }

    fn fitting(&self, points: &Points) -> Result<Vec<density::Density>, Error> {
        let features = points.features();
        let (k, cells) = (self.means.len(), features * (features + 1) / 2);
        let (shapes, cells) = match self.covariance {
            Covariance::Full => (k, cells),
            Covariance::Tied => (1, cells),
            Covariance::Diagonal => (k, features),
            Covariance::Spherical => (k, 1),
        };
        if k == 0 {
            return Err(Error::NoClusters);
        }
        let lengths = self.means.iter().map(|mean| (features, mean.len()));
        let lengths = lengths.chain(self.covariances.iter().map(|covariance| (cells, covariance.len())));
        let mut lengths = lengths.chain([(k, self.weights.len()), (shapes, self.covariances.len())]);
        if let Some((expected, found)) = lengths.find(|(expected, found)| expected != found) {
            return Err(Error::Lengths { expected, found });
        }
        self.densities()
    }
}

impl Fit {
    /// The Bayesian information criterion, lower is better: `-2 ln L + p ln n`. Schwarz (1978).
    pub fn bic(&self) -> f64 {
        self.parameters as f64 * libm::log(self.labels.len() as f64) - 2.0 * self.log_likelihood
    }

    /// Akaike's information criterion, lower is better: `-2 ln L + 2 p`. Akaike (1974).
    pub fn aic(&self) -> f64 {
        2.0 * self.parameters as f64 - 2.0 * self.log_likelihood
    }

    /// The integrated completed likelihood, lower is better: BIC `- 2 sum_i ln max_c r_ic`, which also counts how
    /// doubtful rows are. Biernacki, Celeux and Govaert (2000), with rows in their likeliest component, as in mclust.
    pub fn icl(&self) -> f64 {
        self.bic() - 2.0 * self.shares.iter().map(|share| libm::log(*share)).sum::<f64>()
    }
}
