//! Silhouettes: how much nearer rows are to their own cluster than to the next one.
//!
//! Knows points and labels, not how these were found. A distance is computed once for all the
//! partitions that are asked about and never stored, so memory grows with rows, not their square.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::draw::subset;
use super::{Error, Partition, Points, Stop};
use crate::model::random::Streams;

/// Rows whose distances to another one are found side by side.
const WIDE: usize = 8;

/// Blocks of such rows in a task.
const TASK: usize = 8;

/// Rows with which a task is compared while they are in the nearest cache.
const TILE: usize = 256;

/// The silhouette of every row, each in -1..=1:
/// `s = (b - a) / max(a, b)`, where `a` is the mean distance to the other rows of its cluster and
/// `b` the smallest mean distance to the rows of another cluster; 0 for a row alone in its cluster.
///
/// # Errors
/// When there are fewer than 2 clusters or as many as rows, lengths differ, or `stop` says so.
///
/// O(n^2 d) time, O(n d) memory; Rousseeuw, "Silhouettes" (1987).
pub fn silhouettes(points: &Points, partition: &Partition, stop: Stop<'_>) -> Result<Vec<f64>, Error> {
    partition.separable(points.rows())?;
    Ok(Sums::over(points, &[partition], stop)?.silhouettes(0, partition))
}

/// The mean of [`silhouettes`] over all rows.
///
/// # Errors
/// See [`silhouettes`].
pub fn silhouette(points: &Points, partition: &Partition, stop: Stop<'_>) -> Result<f64, Error> {
    Ok(mean(&silhouettes(points, partition, stop)?))
}

/// The mean silhouette of each partition among `sample` rows drawn without replacement, the same
/// for all, as if there were no others; exact where there are at most that many rows.
///
/// # Errors
/// When the flag is raised; of a single partition see [`silhouettes`], where the clusters counted
/// are those that the sample has.
///
/// O(n^2 (d + p)) time for `n` rows of a sample and `p` partitions.
pub fn silhouettes_sampled(
    points: &Points,
    partitions: &[Partition],
    sample: usize,
    seed: u64,
    stop: Stop<'_>,
) -> Result<Vec<Result<f64, Error>>, Error> {
    if points.rows() <= sample {
        return means(points, partitions, stop);
    }
    let mut rng = Streams::new(seed, "silhouette sample").of(0);
    let rows = subset(&mut rng, points.rows(), sample);
    let drawn = |partition: &Partition| {
        // One of another length is told by its length.
        if partition.rows() == points.rows() { partition.select(&rows) } else { partition.clone() }
    };
    means(&points.select(&rows)?, &partitions.iter().map(drawn).collect::<Vec<_>>(), stop)
}

fn means(
    points: &Points,
    partitions: &[Partition],
    stop: Stop<'_>,
) -> Result<Vec<Result<f64, Error>>, Error> {
    let defined: Vec<Result<(), Error>> =
        partitions.iter().map(|partition| partition.separable(points.rows())).collect();
    let asked: Vec<&Partition> = partitions
        .iter()
        .zip(&defined)
        .filter(|(_, defined)| defined.is_ok())
        .map(|(partition, _)| partition)
        .collect();
    let sums = Sums::over(points, &asked, stop)?;
    let mut found = asked.iter().enumerate().map(|(at, partition)| mean(&sums.silhouettes(at, partition)));
    Ok(defined.into_iter().map(|defined| defined.map(|()| found.next().unwrap_or(f64::NAN))).collect())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The summed distances of every row to the rows of every cluster of some partitions.
struct Sums {
    /// Block by block of [`WIDE`] rows; in a block cluster by cluster, those of all partitions one
    /// after the other, with one value for each row. The last block may be part full.
    blocks: Vec<[f64; WIDE]>,
    /// Where the clusters of each partition begin, and how many clusters there are.
    starts: Vec<usize>,
}

impl Sums {
    /// Sums in the order of the rows, so that every bit is the same at any thread count.
    fn over(points: &Points, partitions: &[&Partition], stop: Stop<'_>) -> Result<Self, Error> {
        let mut starts = vec![0];
        starts.extend(partitions.iter().scan(0, |end, partition| {
            *end += partition.count();
            Some(*end)
        }));
        if partitions.is_empty() {
            return Ok(Self { blocks: Vec::new(), starts });
        }
        let codes = codes(points.rows(), partitions, &starts);
        let (arch, width) = (Arch::new(), starts[partitions.len()]);
        let task = |start: &usize| {
            if stop() {
                return Vec::new();
            }
            let rows = *start..(start + TASK * WIDE).min(points.rows());
            let blocks = Blocks::new(points, rows);
            let mut sums = vec![[0.0; WIDE]; blocks.count * width];
            let partitions = partitions.len();
            arch.dispatch(Adding { blocks: &blocks, points, codes: &codes, partitions, sums: &mut sums });
            sums
        };
        let starting: Vec<usize> = (0..points.rows()).step_by(TASK * WIDE).collect();
        let tasks: Vec<Vec<[f64; WIDE]>> = starting.par_iter().map(task).collect();
        if stop() {
            return Err(Error::Stopped);
        }
        Ok(Self { blocks: tasks.concat(), starts })
    }

    /// The silhouettes of the rows for the `at`-th partition.
    fn silhouettes(&self, at: usize, partition: &Partition) -> Vec<f64> {
        let width = self.starts[self.starts.len() - 1];
        let clusters = self.starts[at]..self.starts[at + 1];
        let of_row = |(row, own): (usize, &u32)| {
            let block = &self.blocks[row / WIDE * width..][clusters.clone()];
            one_silhouette(block, row % WIDE, *own as usize, partition.sizes())
        };
        partition.clusters().iter().enumerate().map(of_row).collect()
    }
}

/// For each row where in the sums its cluster in each partition is.
fn codes(rows: usize, partitions: &[&Partition], starts: &[usize]) -> Vec<u32> {
    let mut codes = vec![0; rows * partitions.len()];
    for (at, partition) in partitions.iter().enumerate() {
        for (code, cluster) in codes.iter_mut().skip(at).step_by(partitions.len()).zip(partition.clusters()) {
            *code = starts[at] as u32 + cluster;
        }
    }
    codes
}

/// Rows laid out in blocks of [`WIDE`]: feature by feature, one value of each row in the block.
struct Blocks {
    values: Vec<[f64; WIDE]>,
    features: usize,
    count: usize,
}

impl Blocks {
    fn new(points: &Points, rows: Range<usize>) -> Self {
        let (features, count) = (points.features(), rows.len().div_ceil(WIDE));
        let mut values = vec![[0.0; WIDE]; count * features];
        for (at, row) in rows.enumerate() {
            let block = &mut values[at / WIDE * features..][..features];
            block.iter_mut().zip(points.row(row)).for_each(|(values, value)| values[at % WIDE] = *value);
        }
        Self { values, features, count }
    }
}

/// Adds the distances of blocks to all points to the sums of the clusters that these belong to.
struct Adding<'a> {
    blocks: &'a Blocks,
    points: &'a Points,
    codes: &'a [u32],
    partitions: usize,
    sums: &'a mut [[f64; WIDE]],
}

impl WithSimd for Adding<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { blocks, points, codes, partitions, sums } = self;
        let width = sums.len() / blocks.count;
        for tile in (0..points.rows()).step_by(TILE) {
            let rows = tile..(tile + TILE).min(points.rows());
            let all = blocks.values.chunks_exact(blocks.features).zip(sums.chunks_exact_mut(width));
            for (block, sums) in all {
                for row in rows.clone() {
                    let distances = distances(points.row(row), block);
                    for code in &codes[row * partitions..][..partitions] {
                        let sum = &mut sums[*code as usize];
                        for lane in 0..WIDE {
                            sum[lane] += distances[lane];
                        }
                    }
                }
            }
        }
    }
}

/// The distances of a row to those of a block.
#[inline(always)]
fn distances(row: &[f64], block: &[[f64; WIDE]]) -> [f64; WIDE] {
    let mut squares = [0.0; WIDE];
    for (value, others) in row.iter().zip(block) {
        for lane in 0..WIDE {
            let difference = value - others[lane];
            squares[lane] += difference * difference;
        }
    }
    squares.map(f64::sqrt)
}

/// The silhouette of the row in a lane from the summed distances to each cluster.
fn one_silhouette(sums: &[[f64; WIDE]], lane: usize, own: usize, sizes: &[usize]) -> f64 {
    if sizes[own] == 1 {
        return 0.0;
    }
    // The row itself is among its cluster's, at distance zero.
    let within = sums[own][lane] / (sizes[own] - 1) as f64;
    let others = sums.iter().zip(sizes).enumerate().filter(|(cluster, _)| *cluster != own);
    let between = others.map(|(_, (sum, size))| sum[lane] / *size as f64).fold(f64::INFINITY, f64::min);
    let larger = within.max(between);
    if larger > 0.0 { (between - within) / larger } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::{Stop, silhouette, silhouettes, silhouettes_sampled};
    use crate::model::cluster::draw::unit;
    use crate::model::cluster::{Error, Partition, Points};
    use crate::model::random::Streams;

    const GO: Stop<'_> = &|| false;

    fn plain(points: &Points, labels: &[u32]) -> Vec<f64> {
        let distance = |a: usize, b: usize| -> f64 {
            points.row(a).iter().zip(points.row(b)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
        };
        let mean = |row: usize, cluster: u32| -> Option<f64> {
            let others: Vec<usize> =
                (0..labels.len()).filter(|other| *other != row && labels[*other] == cluster).collect();
            let sum: f64 = others.iter().map(|other| distance(row, *other)).sum();
            (!others.is_empty()).then(|| sum / others.len() as f64)
        };
        let clusters: std::collections::BTreeSet<u32> = labels.iter().copied().collect();
        (0..labels.len())
            .map(|row| {
                let Some(a) = mean(row, labels[row]) else { return 0.0 };
                let others = clusters.iter().filter(|cluster| **cluster != labels[row]);
                let b = others.filter_map(|cluster| mean(row, *cluster)).fold(f64::INFINITY, f64::min);
                (b - a) / a.max(b)
            })
            .collect()
    }

    #[test]
    fn tiles_agree_with_the_definition() {
        // Sizes around the widths of blocks, tasks and tiles; labels with gaps; a lonely row.
        for (rows, features) in [(9, 1), (130, 3), (517, 9)] {
            let mut rng = Streams::new(5, "test").of(rows as u64);
            let values: Vec<f64> = (0..rows * features).map(|_| unit(&mut rng)).collect();
            let points = Points::from_rows(features, &values).unwrap();
            let mut labels: Vec<u32> = (0..rows).map(|row| [2, 7, 40][(row * row) % 3]).collect();
            labels[4] = 99;
            let found = silhouettes(&points, &Partition::of(&labels), GO).unwrap();
            assert_eq!(found[4], 0.0);
            for (found, expected) in found.iter().zip(plain(&points, &labels)) {
                assert!((found - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn by_hand() {
        // Rows at 0, 2 | 10: a = 2 and b = 10 and 8; the third is alone.
        let points = Points::from_rows(1, &[0.0, 2.0, 10.0]).unwrap();
        let found = silhouettes(&points, &Partition::of(&[1, 1, 0]), GO).unwrap();
        assert_eq!(found, [0.8, 0.75, 0.0]);
    }

    #[test]
    fn equal_rows_have_no_silhouette() {
        let points = Points::from_rows(1, &[3.0; 4]).unwrap();
        assert_eq!(silhouette(&points, &Partition::of(&[0, 0, 1, 1]), GO).unwrap(), 0.0);
    }

    #[test]
    fn undefined_and_stopped() {
        let points = Points::from_rows(1, &[1.0, 2.0]).unwrap();
        let of = |labels: &[u32], stop| silhouette(&points, &Partition::of(labels), stop);
        assert_eq!(of(&[0, 0], GO), Err(Error::Inseparable { clusters: 1, rows: 2 }));
        assert_eq!(of(&[0, 1], GO), Err(Error::Inseparable { clusters: 2, rows: 2 }));
        let points = Points::from_rows(1, &[1.0, 2.0, 3.0]).unwrap();
        let stopped = silhouette(&points, &Partition::of(&[0, 1, 1]), &|| true);
        assert_eq!(stopped, Err(Error::Stopped));
    }

    #[test]
    fn samples_depend_on_the_seed_and_are_exact_when_large_enough() {
        let values: Vec<f64> = (0..400).map(|row| f64::from(row % 20) + f64::from(row % 7)).collect();
        let points = Points::from_rows(1, &values).unwrap();
        let labels: Vec<bool> = values.iter().map(|value| *value > 12.0).collect();
        let partition = Partition::of(&labels);
        let sampled = |sample, seed| {
            let all = [partition.clone()];
            silhouettes_sampled(&points, &all, sample, seed, GO).unwrap().remove(0).unwrap()
        };
        let exact = silhouette(&points, &partition, GO).unwrap();
        assert_eq!(sampled(400, 1), exact);
        assert_eq!(sampled(100, 1), sampled(100, 1));
        assert_ne!(sampled(100, 1), sampled(100, 2));
        assert!((sampled(200, 1) - exact).abs() < 0.05);
    }

    #[test]
    fn several_partitions_at_once_are_each_of_them_alone() {
        let mut rng = Streams::new(6, "test").of(0);
        let values: Vec<f64> = (0..903).map(|_| unit(&mut rng)).collect();
        let points = Points::from_rows(3, &values).unwrap();
        let partition =
            |clusters: usize| Partition::of(&(0..301).map(|row| row * row % clusters).collect::<Vec<_>>());
        let partitions = [partition(2), partition(1), partition(9), Partition::of(&[0, 1]), partition(301)];
        for sample in [301, 120] {
            let together = silhouettes_sampled(&points, &partitions, sample, 8, GO).unwrap();
            for (partition, found) in partitions.iter().zip(together) {
                let alone = silhouettes_sampled(&points, std::slice::from_ref(partition), sample, 8, GO);
                assert_eq!(found, alone.unwrap().remove(0));
            }
        }
        let stopped = silhouettes_sampled(&points, &partitions, 120, 8, &|| true);
        assert_eq!(stopped, Err(Error::Stopped));
    }
}
