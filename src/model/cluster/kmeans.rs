//! k-means: the best of several restarts; it does not know what rows and features mean.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::centroids::nearest;
use super::chunks::chunk_rows;
use super::lloyd::{Lloyd, Settled};
use super::{Error, Points, Stop, seeding};
use crate::model::random::Streams;

/// What k-means is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KMeans {
    /// Number of clusters, at least 1.
    pub k: usize,
    /// Restarts from different centres (0 counts as 1).
    pub restarts: usize,
    /// Steps after which a restart ends even if centres still move.
    pub max_iterations: usize,
    /// A restart ends when the squared distances that the centres moved sum to at most this share
    /// of the mean variance of the features; with 0 only when no row changes cluster.
    pub tolerance: f64,
    /// The seed of all restarts.
    pub seed: u64,
}

/// The best of all restarts, clusters ordered by descending size and then by centre.
#[derive(Clone, Debug, PartialEq)]
pub struct Clustering {
    /// Centres, one row of `n_features` values each.
    pub centers: Vec<Vec<f64>>,
    /// Rows in each cluster.
    pub sizes: Vec<usize>,
    /// The cluster of every row.
    pub labels: Vec<u32>,
    /// The distance of every row to its centre.
    pub distances: Vec<f64>,
    /// Sum of the squared distances.
    pub inertia: f64,
    /// Steps that the best restart took.
    pub iterations: usize,
    /// Whether the best restart ended by itself rather than at `max_iterations`.
    pub converged: bool,
    /// Which restart was best, from 0.
    pub restart: usize,
    /// Its inertia after each step, with the rows where they were before and the centres moved. It never grows
    /// but by rounding, or where an empty cluster was filled.
    pub curve: Vec<f64>,
}

impl Clustering {
    /// The nearest centre of every row; the first one among equals.
    ///
    /// # Errors
    /// When points have another number of features.
    pub fn assign(&self, points: &Points) -> Result<Vec<u32>, Error> {
        Ok(nearest(&self.centers, points)?.0)
    }
}

/// Groups points into `k` clusters so that the inertia, the sum of squared distances
/// `sum_i |x_i - c(i)|^2` of rows to their centres, is as low as the best restart finds it.
///
/// A restart is a pure function of (points, k, seed, its number); the same bits come out at any
/// thread count. `done` is told the number of finished restarts.
///
/// # Errors
/// When `k` is 0, there are fewer than `k` different rows, or `stop` says so.
///
/// O(restarts * iterations * n k d) at worst, far below with Hamerly's pruning; 20 bytes a row
/// beside the points. Lloyd, "Least squares quantization in PCM" (1982).
pub fn kmeans(
    points: &Points,
    config: &KMeans,
    stop: Stop<'_>,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Clustering, Error> {
    let restarts = config.restarts.max(1);
    let finished = AtomicUsize::new(0);
    let squares = points.squares();
    let enough = config.tolerance * points.total_variance() / points.features() as f64;
    let run = |restart| {
        let found = run_restart(points, config, restart, Goal { enough, squares }, stop)?;
        done(finished.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(found)
    };
    // A large restart keeps all cores busy by itself; small ones run beside each other.
    let best = if points.rows() > chunk_rows(points.rows()) {
        (0..restarts).map(run).reduce(|best, next| Ok(better(best?, next?)))
    } else {
        let all: Vec<_> = (0..restarts).into_par_iter().map(run).collect();
        all.into_iter().reduce(|best, next| Ok(better(best?, next?)))
    };
    best.unwrap_or(Err(Error::NoClusters)).map(|found| found.ordered(points))
}

/// What one restart found.
struct Found {
    settled: Settled,
    converged: bool,
    restart: usize,
    curve: Vec<f64>,
}

/// What all restarts share.
#[derive(Clone, Copy)]
struct Goal {
    /// A restart ends when the centres' squared moves sum to at most this.
    enough: f64,
    /// Sum of the squares of all values.
    squares: f64,
}

/// The first of two in order wins unless the second is truly better.
fn better(best: Found, next: Found) -> Found {
    if next.settled.inertia < best.settled.inertia { next } else { best }
}

/// One restart.
fn run_restart(
    points: &Points,
    config: &KMeans,
    restart: usize,
    goal: Goal,
    stop: Stop<'_>,
) -> Result<Found, Error> {
    if config.k == 0 {
        return Err(Error::NoClusters);
    }
    let mut rng = Streams::new(config.seed, "kmeans restart").of(restart as u64);
    let rows = seeding::greedy(points, config.k, &mut rng, stop)?;
    let centers = rows.iter().flat_map(|row| points.padded(*row)).copied().collect();
    let mut lloyd = Lloyd::start(points, centers);
    let mut converged = false;
    let mut curve = Vec::new();
    while curve.len() < config.max_iterations && !converged {
        if stop() {
            return Err(Error::Stopped);
        }
        let shift = lloyd.update();
        curve.push(lloyd.inertia(goal.squares));
        converged = lloyd.reassign() == 0 || shift <= goal.enough;
    }
    Ok(Found { settled: lloyd.settle(), converged, restart, curve })
}

impl Found {
    /// Numbers clusters by descending size, then by centre.
    fn ordered(self, points: &Points) -> Clustering {
        let Settled { centers, labels, distances, inertia } = self.settled;
        let centers: Vec<&[f64]> =
            centers.chunks_exact(points.stride()).map(|center| &center[..points.features()]).collect();
        let mut sizes = vec![0_usize; centers.len()];
        for label in &labels {
            sizes[*label as usize] += 1;
        }
        let mut order: Vec<usize> = (0..centers.len()).collect();
        order.sort_by(|a, b| {
            let by_center =
                || centers[*a].iter().zip(centers[*b]).map(|(a, b)| a.total_cmp(b)).find(|by| by.is_ne());
            sizes[*b].cmp(&sizes[*a]).then_with(|| by_center().unwrap_or(std::cmp::Ordering::Equal))
        });
        let mut number = vec![0_u32; centers.len()];
        order.iter().zip(0..).for_each(|(old, new)| number[*old] = new);
        Clustering {
            centers: order.iter().map(|old| centers[*old].to_vec()).collect(),
            sizes: order.iter().map(|old| sizes[*old]).collect(),
            labels: labels.iter().map(|label| number[*label as usize]).collect(),
            distances,
            inertia,
            iterations: self.curve.len(),
            converged: self.converged,
            restart: self.restart,
            curve: self.curve,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{Clustering, KMeans, Stop, kmeans};
    use crate::model::cluster::draw::unit;
    use crate::model::cluster::{Error, Points};
    use crate::model::random::Streams;

    const GO: Stop<'_> = &|| false;

    fn config(k: usize) -> KMeans {
        KMeans { k, restarts: 5, max_iterations: 300, tolerance: 0.0, seed: 42 }
    }

    fn fit(points: &Points, config: &KMeans) -> Result<Clustering, Error> {
        kmeans(points, config, GO, &|_| ())
    }

    fn blobs(rows: usize) -> Points {
        let mut rng = Streams::new(9, "blobs").of(0);
        let values: Vec<f64> = (0..rows)
            .flat_map(|row| [(row % 3) as f64 + unit(&mut rng), (row % 5) as f64 + unit(&mut rng)])
            .collect();
        Points::from_rows(2, &values).unwrap()
    }

    #[test]
    fn two_pairs_by_hand() {
        let points = Points::from_rows(1, &[0.0, 10.0, 2.0, 14.0, 1.0]).unwrap();
        let found = fit(&points, &config(2)).unwrap();
        assert_eq!(found.labels, [0, 1, 0, 1, 0]);
        assert_eq!((found.centers, found.sizes), (vec![vec![1.0], vec![12.0]], vec![3, 2]));
        assert_eq!((found.inertia, found.converged), (10.0, true));
        assert_eq!(found.distances, [1.0, 2.0, 1.0, 2.0, 0.0]);
    }

    #[test]
    fn clusters_of_equal_size_are_ordered_by_center() {
        let points = Points::from_rows(1, &[9.0, 5.0, 7.0, 5.0, 9.0, 7.0]).unwrap();
        assert_eq!(fit(&points, &config(3)).unwrap().labels, [2, 0, 1, 0, 2, 1]);
    }

    #[test]
    fn as_many_clusters_as_different_rows_and_not_one_more() {
        let points = Points::from_rows(1, &[1.0, 1.0, 2.0, 2.0, 3.0]).unwrap();
        assert_eq!(fit(&points, &config(3)).unwrap().inertia, 0.0);
        assert_eq!(fit(&points, &config(4)).unwrap_err(), Error::TooFewDistinct { k: 4, distinct: 3 });
        assert_eq!(fit(&points, &config(0)).unwrap_err(), Error::NoClusters);
        let one = Points::from_rows(3, &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(fit(&one, &config(1)).unwrap().centers, [[1.0, 2.0, 3.0]]);
        assert_eq!(fit(&one, &config(2)).unwrap_err(), Error::TooFewDistinct { k: 2, distinct: 1 });
    }

    #[test]
    fn one_cluster_is_the_mean() {
        let points = Points::from_rows(2, &[0.0, 0.0, 2.0, 0.0, 1.0, 3.0]).unwrap();
        let found = fit(&points, &config(1)).unwrap();
        assert_eq!((found.centers, found.inertia), (vec![vec![1.0, 1.0]], 8.0));
    }

    #[test]
    fn the_same_bits_at_any_thread_count() {
        // Several chunks of rows, and the small case in which restarts run beside each other.
        for rows in [20_000, 300] {
            let points = blobs(rows);
            let with = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| fit(&points, &KMeans { restarts: 3, ..config(6) }).unwrap())
            };
            let one = with(1);
            assert_eq!(one, with(2));
            assert_eq!(one, with(7));
            assert_eq!(one.sizes.iter().sum::<usize>(), rows);
        }
    }

    #[test]
    fn centers_are_means_and_inertia_is_theirs() {
        let points = blobs(9_000);
        let found = fit(&points, &config(4)).unwrap();
        for (center, values) in found.centers.iter().enumerate() {
            let members: Vec<usize> =
                (0..points.rows()).filter(|row| found.labels[*row] == center as u32).collect();
            assert_eq!(members.len(), found.sizes[center]);
            for (feature, value) in values.iter().enumerate() {
                let sum: f64 = members.iter().map(|row| points.row(*row)[feature]).sum();
                assert!((sum / members.len() as f64 - value).abs() < 1e-12);
            }
        }
        let inertia: f64 = found.distances.iter().map(|distance| distance * distance).sum();
        assert!((inertia - found.inertia).abs() < 1e-9 * inertia);
    }

    #[test]
    fn the_curve_falls_to_the_inertia() {
        let points = blobs(900);
        let found = fit(&points, &config(7)).unwrap();
        assert_eq!(found.curve.len(), found.iterations);
        assert!(found.curve.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-12)), "{:?}", found.curve);
        let last = found.curve.last().unwrap();
        assert!((last - found.inertia).abs() < 1e-9 * found.inertia, "{last} and {}", found.inertia);
    }

    #[test]
    fn more_restarts_are_never_worse() {
        let points = blobs(900);
        let inertia = |restarts| fit(&points, &KMeans { restarts, ..config(11) }).unwrap().inertia;
        let all: Vec<f64> = (1..12).map(inertia).collect();
        assert!(all.windows(2).all(|pair| pair[1] <= pair[0]));
    }

    #[test]
    fn it_says_when_it_ran_out_of_steps() {
        let points = blobs(3_000);
        let found = fit(&points, &KMeans { max_iterations: 1, restarts: 1, ..config(9) }).unwrap();
        assert_eq!((found.iterations, found.converged), (1, false));
        assert!(found.sizes.iter().all(|size| *size > 0));
    }

    #[test]
    fn it_counts_restarts_and_stops() {
        let points = blobs(300);
        let told = AtomicUsize::new(0);
        let tell = |done| {
            told.fetch_max(done, Ordering::Relaxed);
        };
        kmeans(&points, &config(3), GO, &tell).unwrap();
        assert_eq!(told.load(Ordering::Relaxed), 5);
        let stopped = kmeans(&points, &config(3), &|| true, &tell);
        assert_eq!(stopped.unwrap_err(), Error::Stopped);
    }
}
