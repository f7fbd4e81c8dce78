//! One start of a mixture and its climb by expectation-maximisation; it does not know of other starts.

use rand::Rng;

use super::pass::{Shares, Sums};
use super::{Covariance, GaussianMixture, Init, Mixture};
use crate::model::cluster::draw::below;
use crate::model::cluster::{Error, KMeans, Points, Stop, kmeans, seeding};
use crate::model::random::Streams;

/// A component with fewer rows than this has lost them: it keeps its place and gets weight 0.
const LOST: f64 = 1e-3;

/// What the regularisation is raised to first where covariances collapse.
const RAISED: f64 = 1e-6;

/// Above it nothing of the points would be left.
const MOST: f64 = 1.0;

/// Draws for each random mean before greedy seeding finds rows that differ.
const DRAWS: usize = 20;

/// Where a start ended.
pub(super) struct Climbed {
    pub mixture: Mixture,
    pub log_likelihood: f64,
    pub converged: bool,
    pub regularisation: f64,
    pub curve: Vec<f64>,
}

/// Climbs from one start.
pub(super) fn from(
    points: &Points,
    request: &GaussianMixture,
    start: usize,
    stop: Stop<'_>,
) -> Result<Climbed, Error> {
    let climb = Climb { points, request, regularisation: request.regularisation };
    let random = match request.init {
        Init::Kmeans => false,
        Init::Random => true,
        Init::Both => start % 2 == 1,
    };
    let mut rng = Streams::new(request.seed, "mixture start").of(start as u64);
    let mixture =
        if random { climb.random(&mut rng, stop)? } else { climb.clustered(rng.next_u64(), stop)? };
    climb.up(mixture, stop)
}

struct Climb<'a> {
    points: &'a Points,
    request: &'a GaussianMixture,
    regularisation: f64,
}

impl Climb<'_> {
    fn up(mut self, mut mixture: Mixture, stop: Stop<'_>) -> Result<Climbed, Error> {
        let mut curve: Vec<f64> = Vec::new();
        loop {
            if stop() {
                return Err(Error::Stopped);
            }
            let sums = self.expect(&mut mixture)?;
            let mean = sums.log_likelihood / self.points.rows() as f64;
            let converged =
                curve.last().is_some_and(|last: &f64| (mean - last).abs() < self.request.tolerance);
            curve.push(mean);
            if converged || curve.len() > self.request.max_iterations {
                let (log_likelihood, regularisation) = (sums.log_likelihood, self.regularisation);
                return Ok(Climbed { mixture, log_likelihood, converged, regularisation, curve });
            }
            mixture = self.maximise(&mixture, &sums);
        }
    }

    /// The sums of a pass. Where a covariance has collapsed, the regularisation is raised until none has.
    fn expect(&mut self, mixture: &mut Mixture) -> Result<Sums, Error> {
        loop {
            let failed = match mixture.densities() {
                Ok(densities) => {
                    let sums = Sums::over(self.points, &densities, mixture.is_diagonal(), Shares::Likely);
                    if sums.log_likelihood.is_finite() {
                        return Ok(sums);
                    }
                    Error::Collapsed { cluster: 0 }
                }
                Err(error) => error,
            };
            let raised = RAISED.max(10.0 * self.regularisation);
            if raised > MOST {
                return Err(failed);
            }
            mixture.widen(raised - self.regularisation, self.points.features());
            self.regularisation = raised;
        }
    }

    /// The clusters of a k-means, each with the mean and covariance of its rows.
    fn clustered(&self, seed: u64, stop: Stop<'_>) -> Result<Mixture, Error> {
        let request = KMeans { k: self.request.k, restarts: 1, max_iterations: 300, tolerance: 1e-4, seed };
        let found = kmeans(self.points, &request, stop, &|_| ())?;
        Ok(self.labelled(found.centers, &found.labels))
    }

    /// Different rows as means, the covariance of all rows around each.
    fn random(&self, rng: &mut impl Rng, stop: Stop<'_>) -> Result<Mixture, Error> {
        let (points, k) = (self.points, self.request.k);
        let mut rows: Vec<usize> = Vec::new();
        for _ in 0..DRAWS * k {
            let row = below(rng, points.rows());
            if rows.len() < k && rows.iter().all(|other| points.row(*other) != points.row(row)) {
                rows.push(row);
            }
        }
        if rows.len() < k {
            rows = seeding::greedy(points, k, rng, stop)?;
        }
        let labels = vec![0; points.rows()];
        let all = self.labelled(vec![points.row(rows[0]).to_vec()], &labels);
        let shapes = if all.covariance == Covariance::Tied { 1 } else { k };
        Ok(Mixture {
            covariance: all.covariance,
            weights: vec![1.0 / k as f64; k],
            means: rows.iter().map(|row| points.row(*row).to_vec()).collect(),
            covariances: vec![all.covariances.concat(); shapes],
        })
    }

    /// The mixture of labelled rows, given a place near the middle of each label.
    fn labelled(&self, places: Vec<Vec<f64>>, labels: &[u32]) -> Mixture {
        let (k, features, covariance) = (places.len(), self.points.features(), self.request.covariance);
        let shapes = if covariance == Covariance::Tied { 1 } else { k };
        let cells = match covariance {
            Covariance::Full | Covariance::Tied => features * (features + 1) / 2,
            Covariance::Diagonal => features,
            Covariance::Spherical => 1,
        };
        let near = Mixture {
            covariance,
            weights: vec![1.0 / k as f64; k],
            means: places,
            covariances: vec![vec![1.0; cells]; shapes],
        };
        let sums = Sums::over(self.points, &near.places(), near.is_diagonal(), Shares::Labels(labels));
        self.maximise(&near, &sums)
    }

    /// The components of greatest likelihood for the shares behind the sums.
    fn maximise(&self, old: &Mixture, sums: &Sums) -> Mixture {
        let (rows, features) = (self.points.rows() as f64, self.points.features());
        let k = old.means.len();
        let cells = sums.seconds.len() / k;
        let mut tied = vec![0.0; cells];
        let mut new = Mixture { covariances: Vec::new(), ..old.clone() };
        for at in 0..k {
            let weight = sums.weights[at];
            let seconds = &sums.seconds[at * cells..][..cells];
            if weight < LOST {
                new.weights[at] = 0.0;
                if old.covariance != Covariance::Tied {
                    new.covariances.push(old.covariances[at].clone());
                }
                continue;
            }
            let moved: Vec<f64> =
                sums.firsts[at * features..][..features].iter().map(|first| first / weight).collect();
            new.weights[at] = weight / rows;
            new.means[at].iter_mut().zip(&moved).for_each(|(mean, moved)| *mean += moved);
            let around = around(seconds, &moved, weight, old.is_diagonal());
            if old.covariance == Covariance::Tied {
                tied.iter_mut().zip(&around).for_each(|(tied, cell)| *tied += cell / rows);
            } else {
                let cells = around.iter().map(|cell| cell / weight).collect();
                new.covariances.push(self.regular(cells, old.covariance));
            }
        }
        if old.covariance == Covariance::Tied {
            new.covariances.push(self.regular(tied, old.covariance));
        }
        new
    }

    /// Variances with the regularisation, and those of a ball made one.
    fn regular(&self, mut cells: Vec<f64>, covariance: Covariance) -> Vec<f64> {
        let features = self.points.features();
        if covariance == Covariance::Spherical {
            cells = vec![cells.iter().sum::<f64>() / features as f64];
        }
        add_to_variances(&mut cells, covariance, features, self.regularisation);
        cells
    }
}

/// Squares and products around the new mean, from those around the old one, from which it has moved.
fn around(seconds: &[f64], moved: &[f64], weight: f64, diagonal: bool) -> Vec<f64> {
    if diagonal {
        return seconds.iter().zip(moved).map(|(second, moved)| second - weight * moved * moved).collect();
    }
    let pairs = (0..moved.len()).flat_map(|row| (0..=row).map(move |column| (row, column)));
    pairs.zip(seconds).map(|((row, column), second)| second - weight * moved[row] * moved[column]).collect()
}

fn add_to_variances(cells: &mut [f64], covariance: Covariance, features: usize, more: f64) {
    match covariance {
        Covariance::Full | Covariance::Tied => {
            (0..features).for_each(|row| cells[row * (row + 1) / 2 + row] += more);
        }
        Covariance::Diagonal | Covariance::Spherical => cells.iter_mut().for_each(|cell| *cell += more),
    }
}

impl Mixture {
    fn is_diagonal(&self) -> bool {
        matches!(self.covariance, Covariance::Diagonal | Covariance::Spherical)
    }

    fn widen(&mut self, more: f64, features: usize) {
        for cells in &mut self.covariances {
            add_to_variances(cells, self.covariance, features, more);
        }
    }
}
