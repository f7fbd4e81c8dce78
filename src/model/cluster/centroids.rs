//! A fitted centroid model: its preparation and its centres, ready to be kept and applied.
//!
//! Knows columns by name; knows nothing of tables or files.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distance::Panel;
use super::{Clustering, Error, Fit, Mixture, Points, Preparation};

/// How clusters are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// k-means: compact clusters around centres.
    #[default]
    Kmeans,
    /// A Gaussian mixture: clusters of different size, shape and direction, to which customers belong in part.
    Gmm,
}

/// Centres on the scale of their preparation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Centroids {
    /// How the centres were found.
    pub algorithm: Algorithm,
    /// How rows become points.
    pub preparation: Preparation,
    /// One centre a cluster, one value a feature of the preparation.
    pub centers: Vec<Vec<f64>>,
    /// Rows in each cluster when it was fitted.
    pub sizes: Vec<usize>,
    /// The mixture whose means the centres are, where they were found as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixture: Option<Mixture>,
}

/// The cluster of every row.
#[derive(Clone, Debug, PartialEq)]
pub struct Assigned {
    /// The cluster; the first one among equals.
    pub labels: Vec<u32>,
    /// The distance to its centre: Euclidean, and Mahalanobis' with a mixture.
    pub distances: Vec<f64>,
    /// The cluster's share in the row, with a mixture.
    pub shares: Option<Vec<f64>>,
}

impl Centroids {
    /// The model behind a k-means clustering of points that the preparation gave.
    pub fn of_kmeans(preparation: Preparation, clustering: &Clustering) -> Self {
        let (centers, sizes) = (clustering.centers.clone(), clustering.sizes.clone());
        Self { algorithm: Algorithm::Kmeans, preparation, centers, sizes, mixture: None }
    }

    /// The model behind a mixture fitted to points that the preparation gave.
    pub fn of_mixture(preparation: Preparation, fit: &Fit) -> Self {
        let (centers, sizes) = (fit.mixture.means.clone(), fit.sizes.clone());
        Self { algorithm: Algorithm::Gmm, preparation, centers, sizes, mixture: Some(fit.mixture.clone()) }
    }

    /// The nearest centre of every row, or with a mixture the likeliest component.
    ///
    /// # Errors
    /// When there are no centres, centres and points differ in their number of features, or a covariance of the mixture
    /// isn't positive definite.
    pub fn assign(&self, points: &Points) -> Result<Assigned, Error> {
        if let Some(mixture) = &self.mixture {
            return mixture.assign(points);
        }
        let (labels, distances) = nearest(&self.centers, points)?;
        Ok(Assigned { labels, distances, shares: None })
    }

    /// The centres in the features' own units. On a logarithmic scale this is the exponential of a
    /// mean of logarithms, nearer to a typical row than the mean.
    pub fn in_own_units(&self) -> Vec<Vec<f64>> {
        let back = |center: &Vec<f64>| {
            center
                .iter()
                .zip(&self.preparation.features)
                .map(|(value, feature)| feature.backward(*value))
                .collect()
        };
        self.centers.iter().map(back).collect()
    }
}

/// The nearest centre of every row and the distance to it; the first one among equals.
pub(super) fn nearest(centers: &[Vec<f64>], points: &Points) -> Result<(Vec<u32>, Vec<f64>), Error> {
    if centers.is_empty() {
        return Err(Error::NoClusters);
    }
    let features = points.features();
    if let Some(wrong) = centers.iter().find(|center| center.len() != features) {
        return Err(Error::Lengths { expected: features, found: wrong.len() });
    }
    let panel = Panel::new(features, centers.iter().map(Vec::as_slice));
    let nearest = points.values().par_chunks_exact(points.stride()).map(|row| {
        let nearest = panel.nearest(row);
        (nearest.center, nearest.first.sqrt())
    });
    Ok(nearest.unzip())
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Centroids};
    use crate::model::cluster::{Error, Points, Preparation, Scale};

    fn model() -> Centroids {
        let columns: [(&str, &[f64]); 1] = [("a", &[0.0, 2.0, 4.0])];
        let preparation = Preparation::fit(columns, Scale::Robust);
        let centers = vec![vec![-1.0], vec![1.0]];
        Centroids { algorithm: Algorithm::Kmeans, preparation, centers, sizes: vec![2, 1], mixture: None }
    }

    #[test]
    fn new_rows_go_to_the_nearest_center() {
        // Median 2 and quartiles 1 and 3: prepared values are (a - 2) / 2.
        let points = model().preparation.apply::<Error>(|_| Ok(vec![-2.0, 2.0, 6.0, f64::NAN])).unwrap();
        let found = model().assign(&points).unwrap();
        assert_eq!((found.labels, found.distances), (vec![0, 0, 1, 0], vec![1.0; 4]));
        assert_eq!(model().in_own_units(), [[0.0], [4.0]]);
    }

    #[test]
    fn shapes_must_fit() {
        let points = Points::from_rows(2, &[1.0, 2.0]).unwrap();
        assert_eq!(model().assign(&points), Err(Error::Lengths { expected: 2, found: 1 }));
        let none = Centroids { centers: Vec::new(), ..model() };
        assert_eq!(none.assign(&points), Err(Error::NoClusters));
    }
}
