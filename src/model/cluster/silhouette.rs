//! Silhouettes: how much nearer rows are to their own cluster than to the next one.
//!
//! Knows points and labels, not how these were found. Distances are computed tile by tile and
//! never stored, so memory grows with rows and not with their square.

use rayon::prelude::*;

use super::draw::subset;
use super::{Error, Partition, Points, Stop};
use crate::model::random::Streams;

/// Rows whose distances are found side by side.
const WIDE: usize = 8;

/// Rows of a task, each compared with a tile while the tile is in the nearest cache.
const TASK: usize = 64;

/// Values of a tile: 16 KiB, half of the usual nearest cache.
const TILE: usize = 2048;

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
    let tiles = Tiles::new(points, partition);
    let tasks: Vec<Vec<f64>> = (0..points.rows())
        .step_by(TASK)
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|start| {
            if stop() {
                return Vec::new();
            }
            let rows = start..(start + TASK).min(points.rows());
            tiles.silhouettes(points, partition, rows)
        })
        .collect();
    if stop() {
        return Err(Error::Stopped);
    }
    Ok(tasks.concat())
}

/// The mean of [`silhouettes`] over all rows.
///
/// # Errors
/// See [`silhouettes`].
pub fn silhouette(points: &Points, partition: &Partition, stop: Stop<'_>) -> Result<f64, Error> {
    let each = silhouettes(points, partition, stop)?;
    Ok(each.iter().sum::<f64>() / each.len() as f64)
}

/// The mean silhouette among `sample` rows drawn without replacement, as if there were no others;
/// exact where there are at most that many rows.
///
/// # Errors
/// See [`silhouettes`]; the clusters counted are those that the sample has.
pub fn silhouette_sampled(
    points: &Points,
    partition: &Partition,
    sample: usize,
    seed: u64,
    stop: Stop<'_>,
) -> Result<f64, Error> {
    if points.rows() <= sample || partition.rows() != points.rows() {
        return silhouette(points, partition, stop);
    }
    let mut rng = Streams::new(seed, "silhouette sample").of(0);
    let rows = subset(&mut rng, points.rows(), sample);
    silhouette(&points.select(&rows)?, &partition.select(&rows), stop)
}

/// Rows ordered by cluster and laid out in blocks of [`WIDE`]: feature by feature, one value of
/// each row in the block. A cluster begins with a new block; its last one may be part full.
struct Tiles {
    blocks: Vec<[f64; WIDE]>,
    parts: Vec<Tile>,
    features: usize,
}

/// Blocks of one cluster that fit the nearest cache together.
struct Tile {
    cluster: usize,
    blocks: std::ops::Range<usize>,
    /// Rows in the last block.
    last: usize,
}

impl Tiles {
    fn new(points: &Points, partition: &Partition) -> Self {
        let features = points.features();
        let mut members: Vec<Vec<usize>> =
            partition.sizes().iter().map(|size| Vec::with_capacity(*size)).collect();
        for (row, cluster) in partition.clusters().iter().enumerate() {
            members[*cluster as usize].push(row);
        }
        let per_tile = (TILE / (WIDE * features)).max(1);
        let mut tiles = Self { blocks: Vec::new(), parts: Vec::new(), features };
        for (cluster, rows) in members.iter().enumerate() {
            for rows in rows.chunks(per_tile * WIDE) {
                tiles.push(points, cluster, rows);
            }
        }
        tiles
    }

    fn push(&mut self, points: &Points, cluster: usize, rows: &[usize]) {
        let start = self.blocks.len();
        for block in rows.chunks(WIDE) {
            for feature in 0..self.features {
                let mut values = [0.0; WIDE];
                for (value, row) in values.iter_mut().zip(block) {
                    *value = points.row(*row)[feature];
                }
                self.blocks.push(values);
            }
        }
        let last = rows.len() - (rows.len() - 1) / WIDE * WIDE;
        self.parts.push(Tile { cluster, blocks: start..self.blocks.len(), last });
    }

    fn silhouettes(&self, points: &Points, partition: &Partition, rows: std::ops::Range<usize>) -> Vec<f64> {
        let clusters = partition.count();
        let mut sums = vec![0.0; rows.len() * clusters];
        for tile in &self.parts {
            let blocks = &self.blocks[tile.blocks.clone()];
            let (whole, part) = blocks.split_at(blocks.len() - self.features);
            for (row, sums) in rows.clone().zip(sums.chunks_exact_mut(clusters)) {
                let row = points.row(row);
                sums[tile.cluster] += distance_sum(row, whole) + partial_sum(row, part, tile.last);
            }
        }
        let of_row = |(row, sums): (usize, &[f64])| {
            one_silhouette(sums, partition.clusters()[row] as usize, partition.sizes())
        };
        rows.zip(sums.chunks_exact(clusters)).map(of_row).collect()
    }
}

/// Sum of the distances of a row to all rows of whole blocks.
fn distance_sum(row: &[f64], blocks: &[[f64; WIDE]]) -> f64 {
    let mut sums = [0.0; WIDE];
    for block in blocks.chunks_exact(row.len()) {
        let squares = squares(row, block);
        for lane in 0..WIDE {
            sums[lane] += squares[lane].sqrt();
        }
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
}

/// Sum of the distances of a row to the first `count` rows of a block.
fn partial_sum(row: &[f64], block: &[[f64; WIDE]], count: usize) -> f64 {
    squares(row, block).iter().take(count).map(|square| square.sqrt()).sum()
}

#[inline]
fn squares(row: &[f64], block: &[[f64; WIDE]]) -> [f64; WIDE] {
    let mut squares = [0.0; WIDE];
    for (value, others) in row.iter().zip(block) {
        for lane in 0..WIDE {
            let difference = value - others[lane];
            squares[lane] += difference * difference;
        }
    }
    squares
}

/// The silhouette of a row from its summed distances to each cluster.
fn one_silhouette(sums: &[f64], own: usize, sizes: &[usize]) -> f64 {
    if sizes[own] == 1 {
        return 0.0;
    }
    // The row itself is among its cluster's, at distance zero.
    let within = sums[own] / (sizes[own] - 1) as f64;
    let others = sums.iter().zip(sizes).enumerate().filter(|(cluster, _)| *cluster != own);
    let between = others.map(|(_, (sum, size))| sum / *size as f64).fold(f64::INFINITY, f64::min);
    let larger = within.max(between);
    if larger > 0.0 { (between - within) / larger } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::{Stop, silhouette, silhouette_sampled, silhouettes};
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
        let sampled = |sample, seed| silhouette_sampled(&points, &partition, sample, seed, GO).unwrap();
        let exact = silhouette(&points, &partition, GO).unwrap();
        assert_eq!(sampled(400, 1), exact);
        assert_eq!(sampled(100, 1), sampled(100, 1));
        assert_ne!(sampled(100, 1), sampled(100, 2));
        assert!((sampled(200, 1) - exact).abs() < 0.05);
    }
}
