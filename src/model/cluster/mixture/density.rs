//! The normal densities of a mixture, made ready for many rows; it does not know how they were fitted.

use super::{Covariance, Mixture};
use crate::model::cluster::Error;
use crate::model::symmetric::Symmetric;

/// One component: `ln(w N(x; mean, S))` is `constant - |root (x - mean)|^2 / 2`.
pub(super) struct Density {
    pub mean: Vec<f64>,
    pub root: Root,
    pub constant: f64,
}

/// `root' root` is the inverse of the covariance.
pub(super) enum Root {
    /// The inverse of Cholesky's factor: its lower triangle, row by row.
    Triangle(Vec<f64>),
    /// One over each feature's standard deviation.
    Diagonal(Vec<f64>),
}

impl Mixture {
    /// The densities of all components.
    ///
    /// # Errors
    /// When a covariance isn't positive definite.
    pub(super) fn densities(&self) -> Result<Vec<Density>, Error> {
        let features = self.means.first().map_or(0, Vec::len);
        let shared = match self.covariance {
            Covariance::Tied => Some(self.root(0, features)?),
            _ => None,
        };
        let density = |(at, mean): (usize, &Vec<f64>)| {
            let (root, half_log_determinant) = match &shared {
                Some((Root::Triangle(root), half)) => (Root::Triangle(root.clone()), *half),
                _ => self.root(at, features)?,
            };
            let normal = 0.5 * features as f64 * libm::log(2.0 * std::f64::consts::PI);
            let constant = libm::log(self.weights[at]) - normal - half_log_determinant;
            Ok(Density { mean: mean.clone(), root, constant })
        };
        self.means.iter().enumerate().map(density).collect()
    }

    /// The means alone, for sums around them.
    pub(super) fn places(&self) -> Vec<Density> {
        let place = |mean: &Vec<f64>| Density {
            mean: mean.clone(),
            root: Root::Diagonal(vec![1.0; mean.len()]),
            constant: 0.0,
        };
        self.means.iter().map(place).collect()
    }

    /// The root of a component's inverse covariance, and half the logarithm of the covariance's determinant.
    fn root(&self, at: usize, features: usize) -> Result<(Root, f64), Error> {
        let cells = self.covariances.get(at).ok_or(Error::NoClusters)?;
        match self.covariance {
            Covariance::Full | Covariance::Tied => triangle(cells, features),
            Covariance::Diagonal => diagonal(cells.iter().copied()),
            Covariance::Spherical => diagonal(std::iter::repeat_n(cells[0], features)),
        }
        .ok_or(Error::Collapsed { cluster: at })
    }

    /// The smallest variance that a component has left in a feature once the features before it are known.
    pub(super) fn least_variance(&self, at: usize) -> f64 {
        let features = self.means.first().map_or(0, Vec::len);
        let at = if self.covariance == Covariance::Tied { 0 } else { at };
        let Some(cells) = self.covariances.get(at) else { return 0.0 };
        match self.covariance {
            Covariance::Full | Covariance::Tied => unpacked(cells, features).factor().map_or(0.0, |factor| {
                (0..features).map(|at| factor.at(at, at) * factor.at(at, at)).fold(f64::INFINITY, f64::min)
            }),
            _ => cells.iter().copied().fold(f64::INFINITY, f64::min),
        }
    }
}

/// A matrix from its lower triangle, row by row.
fn unpacked(cells: &[f64], features: usize) -> Symmetric {
    let mut matrix = Symmetric::zeros(features);
    let mut cells = cells.iter();
    for row in 0..features {
        for (column, cell) in (0..=row).zip(cells.by_ref()) {
            matrix.set(row, column, *cell);
        }
    }
    matrix
}

fn triangle(cells: &[f64], features: usize) -> Option<(Root, f64)> {
    let factor = unpacked(cells, features).factor()?;
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(features);
    for row in 0..features {
        let pivot = factor.at(row, row);
        // Row by row of `l m = 1`: m is zero above its diagonal.
        let inner =
            |column: usize| -> f64 { (column..row).map(|at| factor.at(row, at) * rows[at][column]).sum() };
        let mut line: Vec<f64> = (0..row).map(|column| -inner(column) / pivot).collect();
        line.push(1.0 / pivot);
        rows.push(line);
    }
    let half = (0..features).map(|at| libm::log(factor.at(at, at))).sum();
    let root = rows.concat();
    root.iter().all(|cell| cell.is_finite()).then_some((Root::Triangle(root), half))
}

fn diagonal(variances: impl Iterator<Item = f64>) -> Option<(Root, f64)> {
    let mut half = 0.0;
    let mut root = Vec::new();
    for variance in variances {
        root.push(Some(1.0 / variance.sqrt()).filter(|root| root.is_finite() && *root > 0.0)?);
        half += 0.5 * libm::log(variance);
    }
    Some((Root::Diagonal(root), half))
}

#[cfg(test)]
mod tests {
    use super::Root;
    use crate::model::cluster::Error;
    use crate::model::cluster::mixture::{Covariance, Mixture};

    fn mixture(covariance: Covariance, cells: &[f64]) -> Mixture {
        Mixture {
            covariance,
            weights: vec![1.0],
            means: vec![vec![0.0, 0.0]],
            covariances: vec![cells.to_vec()],
        }
    }

    #[test]
    fn a_root_by_hand() {
        // [[4, 2], [2, 5]] = l l' with l = [[2, 0], [1, 2]], whose inverse is [[1/2, 0], [-1/4, 1/2]]; determinant 16.
        let densities = mixture(Covariance::Full, &[4.0, 2.0, 5.0]).densities().unwrap();
        let Root::Triangle(root) = &densities[0].root else { panic!("no triangle") };
        assert_eq!(root, &[0.5, -0.25, 0.5]);
        let wanted = -libm::log(2.0 * std::f64::consts::PI) - 0.5 * libm::log(16.0);
        assert!((densities[0].constant - wanted).abs() < 1e-15);
    }

    #[test]
    fn what_has_no_extent_has_no_density() {
        let error = |covariance, cells: &[f64]| mixture(covariance, cells).densities().err();
        assert_eq!(error(Covariance::Full, &[1.0, 1.0, 1.0]), Some(Error::Collapsed { cluster: 0 }));
        assert_eq!(error(Covariance::Diagonal, &[1.0, 0.0]), Some(Error::Collapsed { cluster: 0 }));
        assert_eq!(error(Covariance::Spherical, &[f64::NAN]), Some(Error::Collapsed { cluster: 0 }));
    }
}
