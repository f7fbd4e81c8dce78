//! What an algorithm found for one `k`: segments around centres, or a mixture.
//!
//! Knows labels and rows of customers; knows nothing of how good they are.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Float64Array, RecordBatch};

use super::features::CUSTOMER;
use crate::data::{Table, columns};
use crate::diagnostic::plural;
use crate::model::cluster::{Centroids, Clustering, Fit, Points, Preparation};
use crate::stage::Outcome;

/// Segments for one `k`.
pub(super) enum Found {
    /// Those of k-means.
    Centers(Clustering),
    /// Those of a Gaussian mixture.
    Mixture(Fit),
}

impl Found {
    /// The segment of every customer.
    pub fn labels(&self) -> &[u32] {
        match self {
            Self::Centers(found) => &found.labels,
            Self::Mixture(found) => &found.labels,
        }
    }

    /// The distance of every customer to the centre of its segment.
    pub fn distances(&self) -> &[f64] {
        match self {
            Self::Centers(found) => &found.distances,
            Self::Mixture(found) => &found.distances,
        }
    }

    /// The share of its segment in every customer.
    pub fn shares(&self) -> Option<&[f64]> {
        match self {
            Self::Centers(_) => None,
            Self::Mixture(found) => Some(&found.shares),
        }
    }

    /// Number of segments that were asked for.
    pub fn k(&self) -> usize {
        match self {
            Self::Centers(found) => found.sizes.len(),
            Self::Mixture(found) => found.sizes.len(),
        }
    }

    /// Sum of the squared distances of customers to the centres of their segments.
    pub fn inertia(&self, points: &Points) -> f64 {
        match self {
            Self::Centers(found) => found.inertia,
            Self::Mixture(found) => {
                let squared = |(row, label): (usize, &u32)| -> f64 {
                    let mean = &found.mixture.means[*label as usize];
                    points
                        .row(row)
                        .iter()
                        .zip(mean)
                        .map(|(value, mean)| (value - mean) * (value - mean))
                        .sum()
                };
                found.labels.iter().enumerate().map(squared).sum()
            }
        }
    }

    /// Whether the best start ended by itself.
    pub fn converged(&self) -> bool {
        match self {
            Self::Centers(found) => found.converged,
            Self::Mixture(found) => found.converged,
        }
    }

    /// The name and values of what the best start improved step by step.
    pub fn curve(&self) -> (&'static str, &[f64]) {
        match self {
            Self::Centers(found) => ("inertia", &found.curve),
            Self::Mixture(found) => ("log_likelihood", &found.curve),
        }
    }

    /// The model behind it, to be kept with its preparation.
    pub fn model(&self, preparation: Preparation) -> Centroids {
        match self {
            Self::Centers(found) => Centroids::of_kmeans(preparation, found),
            Self::Mixture(found) => Centroids::of_mixture(preparation, found),
        }
    }

    /// Adds what a mixture had to be helped with.
    pub fn warn(&self, asked: f64, mut outcome: Outcome) -> Outcome {
        let Self::Mixture(found) = self else { return outcome };
        if found.regularisation > asked {
            let message = format!(
                "covariances collapsed: `gmm.regularisation` was raised from {asked} to {}",
                found.regularisation
            );
            outcome = outcome.warn_at("gmm.regularisation", message);
        }
        if !found.flat.is_empty() {
            let message = format!(
                "{} next to no extent in some direction: the likelihood rests on `gmm.regularisation` there",
                have(found.flat.len())
            );
            outcome = outcome.warn_at("gmm.covariance", message);
        }
        let empty = found.sizes.iter().filter(|size| **size == 0).count();
        if empty > 0 {
            outcome = outcome.warn_at("k", format!("{} no customers: a smaller `k` would do", have(empty)));
        }
        outcome
    }
}

fn have(segments: usize) -> String {
    format!("{} {}", plural(segments, "segment"), if segments == 1 { "has" } else { "have" })
}

/// The share of every one of `k` segments in every customer: `segment_0`, `segment_1` and so on; no rows where there are
/// no shares.
pub(super) fn memberships(rows: &RecordBatch, k: usize, shares: Option<&[f64]>) -> Result<Table> {
    let customers = columns::column(rows, CUSTOMER)?;
    let customers = if shares.is_some() { customers.clone() } else { customers.slice(0, 0) };
    let mut fields = vec![(CUSTOMER.to_owned(), customers)];
    for segment in 0..k {
        let column = shares.unwrap_or_default().iter().skip(segment).step_by(k).copied();
        let column: ArrayRef = Arc::new(Float64Array::from_iter_values(column));
        fields.push((format!("segment_{segment}"), column));
    }
    Ok(Table::from_batch(RecordBatch::try_from_iter(fields)?))
}
