//! How compact and apart clusters are, judged by their centres.
//!
//! Knows points and labels, not how these were found.

use rayon::prelude::*;

use super::chunks::chunk_rows;
use super::distance::squared;
use super::totals::Totals;
use super::{Error, Partition, Points};

/// The Davies-Bouldin index, lower is better: the mean over clusters of the largest
/// `(s_i + s_j) / |c_i - c_j|`, where `s` is the mean distance of a cluster's rows to its centre `c`.
/// Two clusters with the same centre count as a ratio of 0, so that equal rows give 0.
///
/// # Errors
/// When there are fewer than 2 clusters or as many as rows, or lengths differ.
///
/// O(n d + c^2 d); Davies and Bouldin, "A cluster separation measure" (1979).
pub fn davies_bouldin(points: &Points, partition: &Partition) -> Result<f64, Error> {
    let centers = centers(points, partition)?;
    let spread: Vec<f64> = within(points, partition, &centers, f64::sqrt)
        .iter()
        .zip(partition.sizes())
        .map(|(sum, size)| sum / *size as f64)
        .collect();
    let worst = |at: usize| {
        let ratio = |other: usize| {
            let apart = squared(&centers[at], &centers[other]).sqrt();
            if apart > 0.0 { (spread[at] + spread[other]) / apart } else { 0.0 }
        };
        (0..centers.len()).filter(|other| *other != at).map(ratio).fold(0.0, f64::max)
    };
    Ok((0..centers.len()).map(worst).sum::<f64>() / centers.len() as f64)
}

/// The Calinski-Harabasz index, higher is better: `(B / (c - 1)) / (W / (n - c))`, where `B` is the
/// dispersion of the centres around the overall mean, weighted by size, and `W` that of the rows
/// around their centres; 1 where `W` is 0.
///
/// # Errors
/// When there are fewer than 2 clusters or as many as rows, or lengths differ.
///
/// O(n d); Calinski and Harabasz, "A dendrite method for cluster analysis" (1974).
pub fn calinski_harabasz(points: &Points, partition: &Partition) -> Result<f64, Error> {
    let centers = centers(points, partition)?;
    let (n, c) = (points.rows() as f64, centers.len() as f64);
    let sizes = || partition.sizes().iter().map(|size| *size as f64);
    let mut mean = vec![0.0; points.stride()];
    for (center, size) in centers.iter().zip(sizes()) {
        mean.iter_mut().zip(center).for_each(|(mean, value)| *mean += value * size / n);
    }
    let between: f64 = centers.iter().zip(sizes()).map(|(center, size)| size * squared(center, &mean)).sum();
    let within: f64 = within(points, partition, &centers, |square| square).iter().sum();
    Ok(if within > 0.0 { (between * (n - c)) / (within * (c - 1.0)) } else { 1.0 })
}

/// The mean of each cluster's rows, with padding.
fn centers(points: &Points, partition: &Partition) -> Result<Vec<Vec<f64>>, Error> {
    partition.separable(points.rows())?;
    let totals = Totals::of(points, partition.clusters(), partition.count());
    Ok(totals.means().flatten().collect())
}

/// For each cluster the sum over its rows of `measure` of the squared distance to its centre.
fn within(points: &Points, partition: &Partition, centers: &[Vec<f64>], measure: fn(f64) -> f64) -> Vec<f64> {
    let (chunk, stride) = (chunk_rows(points.rows()), points.stride());
    let parts: Vec<Vec<f64>> = points
        .values()
        .par_chunks(chunk * stride)
        .zip(partition.clusters().par_chunks(chunk))
        .map(|(rows, clusters)| {
            let mut sums = vec![0.0; centers.len()];
            for (row, cluster) in rows.chunks_exact(stride).zip(clusters) {
                let cluster = *cluster as usize;
                sums[cluster] += measure(squared(row, &centers[cluster]));
            }
            sums
        })
        .collect();
    let mut sums = vec![0.0; centers.len()];
    for part in &parts {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::{calinski_harabasz, davies_bouldin};
    use crate::model::cluster::{Error, Partition, Points};

    #[test]
    fn by_hand() {
        // Rows 0, 2 | 10, 14: centres 1 and 12, spreads 1 and 2, W = 2 + 8, mean 6.5, B = 2 * 2 * 5.5^2.
        let points = Points::from_rows(1, &[0.0, 10.0, 2.0, 14.0]).unwrap();
        let partition = Partition::of(&['b', 'a', 'b', 'a']);
        assert_eq!(davies_bouldin(&points, &partition).unwrap(), 3.0 / 11.0);
        assert_eq!(calinski_harabasz(&points, &partition).unwrap(), 121.0 * 2.0 / 10.0);
    }

    #[test]
    fn equal_rows() {
        let points = Points::from_rows(2, &[1.0; 8]).unwrap();
        let partition = Partition::of(&[0, 0, 1, 1]);
        assert_eq!(davies_bouldin(&points, &partition).unwrap(), 0.0);
        assert_eq!(calinski_harabasz(&points, &partition).unwrap(), 1.0);
    }

    #[test]
    fn undefined() {
        let points = Points::from_rows(1, &[1.0, 2.0]).unwrap();
        for labels in [[0, 0], [0, 1]] {
            let partition = Partition::of(&labels);
            let error = Error::Inseparable { clusters: partition.count(), rows: 2 };
            assert_eq!(davies_bouldin(&points, &partition), Err(error));
            assert_eq!(calinski_harabasz(&points, &partition), Err(error));
        }
    }
}
