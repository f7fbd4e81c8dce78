//! Clustering of rows by their distances: preparation, k-means, and how good a clustering is.
//!
//! Knows matrices of numbers and labels; knows nothing of customers, tables or stages.

mod agreement;
mod centroids;
mod chunks;
mod distance;
mod draw;
mod error;
mod kmeans;
mod lloyd;
mod mixture;
mod partition;
mod points;
mod prepare;
mod seeding;
mod silhouette;
mod stability;
mod totals;
mod validity;

#[cfg(test)]
mod iris;
#[cfg(test)]
mod published;

pub use agreement::adjusted_rand;
pub use centroids::{Algorithm, Assigned, Centroids};
pub use error::Error;
pub use kmeans::{Clustering, KMeans, kmeans};
pub use mixture::{Covariance, Fit, GaussianMixture, Init, Mixture, gaussian_mixture};
pub use partition::Partition;
pub use points::Points;
pub use prepare::{Dropped, Feature, LARGEST, Preparation, Reason, Scale};
pub use silhouette::{silhouette, silhouettes, silhouettes_sampled};
pub use stability::{Clusterer, Stability, permuted, stability};
pub use validity::{calinski_harabasz, davies_bouldin};

/// Whether to stop: a long computation asks now and then.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);
