//! How far clusters come back when their rows are drawn anew; it does not know how clusters are found.

use rayon::prelude::*;

use super::draw::below;
use super::{Error, Points, Stop};
use crate::model::random::Streams;

/// A cluster whose best match in a bootstrap has at most this Jaccard similarity is dissolved there.
const DISSOLVED: f64 = 0.5;

/// A cluster whose best match has at least this one is recovered.
const RECOVERED: f64 = 0.75;

/// Clusters the first points, drawn from the second ones, and gives the cluster of each of the second ones.
pub type Clusterer<'a> = &'a (dyn Fn(&Points, &Points, u64) -> Result<Vec<u32>, Error> + Sync);

/// What a sample says of each cluster, and the cluster of every row where it could be clustered.
type Drawn = (Vec<f64>, Option<Vec<u32>>);

/// How stable each cluster of a labelling is.
#[derive(Clone, Debug, PartialEq)]
pub struct Stability {
    /// For each cluster the mean over bootstraps of the largest Jaccard similarity to a cluster found there.
    pub jaccard: Vec<f64>,
    /// Bootstraps in which each cluster was dissolved: a similarity of at most 0.5.
    pub dissolved: Vec<usize>,
    /// Bootstraps in which each cluster was recovered: a similarity of at least 0.75.
    pub recovered: Vec<usize>,
    /// Mean adjusted Rand index of all pairs of bootstraps, each applied to all rows; nothing for fewer than two.
    pub agreement: Option<f64>,
}

/// Clusters `bootstraps` samples of as many rows, drawn with replacement, and compares each with the labels, among the
/// rows that were drawn: `|A n B| / |A u B|` of a cluster and the one most like it.
///
/// A sample with fewer different rows than clusters recovers none. The same bits come out at any thread count.
///
/// # Errors
/// When labels and rows differ in number, `clusterer` fails, or `stop` says so.
///
/// O(B) clusterings and O(B^2 n); 4 bytes a row and bootstrap. Hennig, "Cluster-wise assessment of cluster stability"
/// (2007).
pub fn stability(
    points: &Points,
    labels: &[u32],
    bootstraps: usize,
    seed: u64,
    clusterer: Clusterer<'_>,
    stop: Stop<'_>,
) -> Result<Stability, Error> {
    if labels.len() != points.rows() {
        return Err(Error::Lengths { expected: points.rows(), found: labels.len() });
    }
    let k = labels.iter().max().map_or(0, |largest| *largest as usize + 1);
    let streams = Streams::new(seed, "bootstrap");
    let one = |at: usize| {
        if stop() {
            return Err(Error::Stopped);
        }
        let mut rng = streams.of(at as u64);
        let rows: Vec<usize> = (0..points.rows()).map(|_| below(&mut rng, points.rows())).collect();
        let mut drawn = vec![false; points.rows()];
        rows.iter().for_each(|row| drawn[*row] = true);
        match clusterer(&points.select(&rows)?, points, seed.wrapping_add(at as u64)) {
            Ok(found) => Ok((similarities(labels, k, &found, &drawn), Some(found))),
            Err(Error::TooFewDistinct { .. }) => Ok((vec![0.0; k], None)),
            Err(error) => Err(error),
        }
    };
    let all: Vec<Result<Drawn, Error>> = (0..bootstraps).into_par_iter().map(one).collect();
    let all = all.into_iter().collect::<Result<Vec<_>, _>>()?;
    let of = |cluster: usize| all.iter().map(move |(similar, _)| similar[cluster]);
    let found: Vec<&[u32]> = all.iter().filter_map(|(_, found)| found.as_deref()).collect();
    Ok(Stability {
        jaccard: (0..k).map(|cluster| of(cluster).sum::<f64>() / bootstraps.max(1) as f64).collect(),
        dissolved: (0..k)
            .map(|cluster| of(cluster).filter(|similar| *similar <= DISSOLVED).count())
            .collect(),
        recovered: (0..k)
            .map(|cluster| of(cluster).filter(|similar| *similar >= RECOVERED).count())
            .collect(),
        agreement: agreement(&found),
    })
}

/// For each cluster of the first labelling the largest Jaccard similarity to one of the second, among some rows.
fn similarities(labels: &[u32], k: usize, found: &[u32], among: &[bool]) -> Vec<f64> {
    let among = || (0..labels.len()).filter(|row| among[*row]);
    let table = Contingency::of(among().map(|row| (labels[row], found[row])), k);
    let similar = |cluster: usize| {
        let jaccard = |other: usize| {
            let both = table.cells[cluster * table.others.len() + other];
            let either = table.ones[cluster] + table.others[other] - both;
            if either > 0 { both as f64 / either as f64 } else { 0.0 }
        };
        (0..table.others.len()).map(jaccard).fold(0.0, f64::max)
    };
    (0..k).map(similar).collect()
}

fn agreement(found: &[&[u32]]) -> Option<f64> {
    let pairs: Vec<(usize, usize)> =
        (0..found.len()).flat_map(|one| (one + 1..found.len()).map(move |other| (one, other))).collect();
    let counts = |labels: &[u32]| labels.iter().max().map_or(0, |largest| *largest as usize + 1);
    let index = |(one, other): &(usize, usize)| {
        let (one, other) = (found[*one], found[*other]);
        Contingency::of(one.iter().copied().zip(other.iter().copied()), counts(one)).adjusted_rand()
    };
    let all: Vec<f64> = pairs.par_iter().map(index).collect();
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

/// How many rows each pair of clusters of two labellings has.
struct Contingency {
    cells: Vec<u64>,
    ones: Vec<u64>,
    others: Vec<u64>,
}

impl Contingency {
    fn of(pairs: impl Iterator<Item = (u32, u32)> + Clone, k: usize) -> Self {
        let width = pairs.clone().map(|(_, other)| other as usize + 1).max().unwrap_or(0);
        let mut table = Self { cells: vec![0; k * width], ones: vec![0; k], others: vec![0; width] };
        for (one, other) in pairs {
            table.cells[one as usize * width + other as usize] += 1;
            table.ones[one as usize] += 1;
            table.others[other as usize] += 1;
        }
        table
    }

    /// See [`super::adjusted_rand`].
    fn adjusted_rand(&self) -> f64 {
        let pairs = |sizes: &[u64]| -> f64 {
            sizes.iter().map(|size| size * size.saturating_sub(1) / 2).sum::<u64>() as f64
        };
        let rows: u64 = self.ones.iter().sum();
        let both = pairs(&self.cells);
        let (one, other) = (pairs(&self.ones) - both, pairs(&self.others) - both);
        let neither = pairs(&[rows]) - both - one - other;
        if one == 0.0 && other == 0.0 {
            return 1.0;
        }
        2.0 * (both * neither - one * other)
            / ((both + one) * (one + neither) + (both + other) * (other + neither))
    }
}

/// The points with each feature's values in an order of its own: what is left when features have nothing to do with each
/// other.
///
/// # Errors
/// None that points which exist can cause.
pub fn permuted(points: &Points, seed: u64) -> Result<Points, Error> {
    let streams = Streams::new(seed, "permuted features");
    let column = |feature: usize| {
        let mut rng = streams.of(feature as u64);
        let mut values: Vec<f64> = (0..points.rows()).map(|row| points.row(row)[feature]).collect();
        for at in (1..values.len()).rev() {
            values.swap(at, below(&mut rng, at + 1));
        }
        values
    };
    Points::from_columns(&(0..points.features()).map(column).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::{Contingency, permuted, similarities, stability};
    use crate::model::cluster::draw::unit;
    use crate::model::cluster::{Error, KMeans, Partition, Points, adjusted_rand, kmeans};
    use crate::model::random::Streams;

    fn cluster(k: usize) -> impl Fn(&Points, &Points, u64) -> Result<Vec<u32>, Error> + Sync {
        move |sample, all, seed| {
            let request = KMeans { k, restarts: 3, max_iterations: 100, tolerance: 1e-4, seed };
            let found = kmeans(sample, &request, &|| false, &|_| ())?;
            found.assign(all)
        }
    }

    /// Two squares far apart, the second one split in two along nothing.
    fn squares(rows: usize) -> Points {
        let mut rng = Streams::new(2, "squares").of(0);
        let values: Vec<f64> =
            (0..rows).flat_map(|at| [(at % 2) as f64 * 9.0 + unit(&mut rng), unit(&mut rng)]).collect();
        Points::from_rows(2, &values).unwrap()
    }

    #[test]
    fn jaccard_by_hand() {
        // Among all but the last row: {0, 1} and {2, 3, 4} against {0} and {1, 2, 3, 4}.
        let among = [true, true, true, true, true, false];
        let found = similarities(&[0, 0, 1, 1, 1, 0], 2, &[7, 3, 3, 3, 3, 3], &among);
        assert_eq!(found, [0.5, 0.75]);
    }

    #[test]
    fn what_is_there_comes_back_and_what_is_not_does_not() {
        let points = squares(200);
        let labels: Vec<u32> = (0..200).map(|at| at % 2).collect();
        let two = stability(&points, &labels, 20, 4, &cluster(2), &|| false).unwrap();
        assert_eq!((two.jaccard, two.dissolved, two.recovered), (vec![1.0; 2], vec![0; 2], vec![20; 2]));
        assert_eq!(two.agreement, Some(1.0));
        let labels: Vec<u32> = (0..200).map(|at| if at % 2 == 0 { 0 } else { 1 + at / 2 % 2 }).collect();
        let three = stability(&points, &labels, 20, 4, &cluster(3), &|| false).unwrap();
        assert!(three.jaccard[1] < 0.7 && three.jaccard[2] < 0.7, "{three:?}");
        assert!(three.agreement.unwrap() < 0.95);
    }

    #[test]
    fn the_index_is_the_other_one() {
        let (one, other) = ([0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 1, 0, 2, 2]);
        let found = Contingency::of(one.into_iter().zip(other), 3).adjusted_rand();
        assert_eq!(found, adjusted_rand(&Partition::of(&one), &Partition::of(&other)).unwrap());
    }

    #[test]
    fn few_rows_and_none() {
        let points = Points::from_rows(1, &[0.0, 0.0, 0.0, 5.0]).unwrap();
        let found = stability(&points, &[0, 0, 0, 1], 30, 4, &cluster(2), &|| false).unwrap();
        assert!(found.dissolved[1] > 0 && found.jaccard.iter().all(|jaccard| jaccard.is_finite()));
        let none = stability(&points, &[0, 0, 0, 1], 0, 4, &cluster(2), &|| false).unwrap();
        assert_eq!((none.jaccard, none.agreement), (vec![0.0; 2], None));
        let wrong = stability(&points, &[0], 3, 4, &cluster(2), &|| false);
        assert_eq!(wrong, Err(Error::Lengths { expected: 4, found: 1 }));
        let stopped = stability(&points, &[0, 0, 0, 1], 3, 4, &cluster(2), &|| true);
        assert_eq!(stopped, Err(Error::Stopped));
    }

    #[test]
    fn the_same_bits_at_any_thread_count() {
        let points = squares(120);
        let labels: Vec<u32> = (0..120).map(|at| at % 3).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| stability(&points, &labels, 10, 1, &cluster(3), &|| false).unwrap())
        };
        assert_eq!(with(1), with(4));
    }

    #[test]
    fn permuting_keeps_each_feature_and_breaks_rows() {
        let points = Points::from_rows(2, &(0..40).map(|at| f64::from(at / 2)).collect::<Vec<_>>()).unwrap();
        let mixed = permuted(&points, 3).unwrap();
        for feature in 0..2 {
            let mut values: Vec<f64> = (0..20).map(|row| mixed.row(row)[feature]).collect();
            values.sort_by(f64::total_cmp);
            assert_eq!(values, (0..20).map(f64::from).collect::<Vec<_>>());
        }
        assert!((0..20).any(|row| mixed.row(row)[0] != mixed.row(row)[1]));
    }
}
