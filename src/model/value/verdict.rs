//! What the data can't tell: models whose parameters they don't pin down.
//!
//! Gives findings as values; words are for others.

use super::Fitted;
use super::family::Family;
use super::special::chi_squared_tail;

/// A standard error of a logarithm from which on the data don't tell a parameter within a factor of seven.
const VAGUE: f64 = 1.0;

/// What is wrong with a fit.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The likelihood grows as long as a parameter does, or falls.
    Bound {
        /// The parameter's position.
        parameter: usize,
        /// Whether it grows without end, or shrinks to 0.
        grows: bool,
    },
    /// Parameters are uncertain by more than a factor of seven, though something made of them may be known.
    Ridge {
        /// The most uncertain parameter.
        parameter: usize,
        /// The standard error of its logarithm.
        error: f64,
        /// The parameter that moves with it, and their correlation.
        with: Option<(usize, f64)>,
    },
    /// The likelihood has no curvature that would tell how uncertain parameters are.
    Flat,
    /// The search didn't end at a maximum.
    Unfinished,
}

/// A likelihood ratio test of a model against one in which nobody leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoDropout {
    /// Twice the difference of log-likelihoods.
    pub ratio: f64,
    /// The chance of a ratio as large where nobody leaves. No dropout lies on the edge of what the
    /// parameters can be, so chi-squared with 2 degrees of freedom is an upper bound.
    pub p_value: f64,
}

impl Fitted {
    /// What is wrong with the fit; empty where the data pin all parameters down.
    pub fn findings(&self) -> Vec<Finding> {
        let count = self.family.parameters().len();
        let mut findings = Vec::new();
        for parameter in (0..count).filter(|at| self.bound[*at]) {
            findings.push(Finding::Bound { parameter, grows: self.parameters[parameter] > 1.0 });
        }
        match &self.covariance {
            None => findings.push(Finding::Flat),
            Some(_) => findings.extend(self.ridge()),
        }
        if !self.converged {
            findings.push(Finding::Unfinished);
        }
        findings
    }

    fn ridge(&self) -> Option<Finding> {
        let covariance = self.covariance.as_ref()?;
        let count = self.family.parameters().len();
        let error = |at: usize| covariance.at(at, at).max(0.0).sqrt();
        let parameter = (0..count).max_by(|one, two| error(*one).total_cmp(&error(*two)))?;
        let most = error(parameter);
        if most <= VAGUE {
            return None;
        }
        let correlation = |at: &usize| covariance.at(parameter, *at) / (most * error(*at));
        let others = (0..count).filter(|at| *at != parameter && error(*at) > 0.0);
        let with = others.max_by(|one, two| correlation(one).abs().total_cmp(&correlation(two).abs()));
        let with = with.map(|at| (at, correlation(&at))).filter(|(_, correlation)| correlation.abs() > 0.9);
        Some(Finding::Ridge { parameter, error: most, with })
    }
}

/// Tests whether anybody leaves at all; `None` for models that can't be compared with `nbd`, which is
/// [`Family::Nbd`] fitted to the same histories.
pub fn no_dropout(fitted: &Fitted, nbd: &Fitted) -> Option<NoDropout> {
    if fitted.family.is_discrete() || fitted.family == Family::Nbd || nbd.family != Family::Nbd {
        return None;
    }
    let ratio = 2.0 * (fitted.log_likelihood - nbd.log_likelihood);
    Some(NoDropout { ratio, p_value: chi_squared_tail(ratio, 2) })
}

/// Pearson's correlation; `None` for fewer than three pairs or where one side is constant.
pub fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let count = pairs.len() as f64;
    let (one, two) =
        pairs.iter().fold((0.0, 0.0), |(one, two), pair| (one + pair.0 / count, two + pair.1 / count));
    let mut sums = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (x, y) = (x - one, y - two);
        sums = (sums.0 + x * x, sums.1 + y * y, sums.2 + x * y);
    }
    let scale = (sums.0 * sums.1).sqrt();
    (pairs.len() > 2 && scale > 0.0 && scale.is_finite()).then(|| sums.2 / scale)
}
