//! Sums and sizes of clusters, from which centres follow; it does not know how labels were found.

use rayon::prelude::*;

use super::Points;
use super::chunks::chunk_rows;

/// For each of `k` clusters the sum of its rows, shape `(k, stride)`, and how many there are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Totals {
    sums: Vec<f64>,
    sizes: Vec<i64>,
    stride: usize,
}

impl Totals {
    /// The totals of no rows.
    pub fn none(k: usize, stride: usize) -> Self {
        Self { sums: vec![0.0; k * stride], sizes: vec![0; k], stride }
    }

    /// The totals of all points under labels below `k`. O(n d), in parallel.
    pub fn of(points: &Points, labels: &[u32], k: usize) -> Self {
        let (chunk, stride) = (chunk_rows(points.rows()), points.stride());
        let parts: Vec<Self> = points
            .values()
            .par_chunks(chunk * stride)
            .zip(labels.par_chunks(chunk))
            .map(|(rows, labels)| {
                let mut part = Self::none(k, stride);
                for (row, label) in rows.chunks_exact(stride).zip(labels) {
                    part.insert(*label as usize, row);
                }
                part
            })
            .collect();
        let mut totals = Self::none(k, stride);
        for part in &parts {
            totals.merge(part);
        }
        totals
    }

    /// Counts a row in.
    #[inline]
    pub fn insert(&mut self, cluster: usize, row: &[f64]) {
        let sum = &mut self.sums[cluster * self.stride..][..self.stride];
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        self.sizes[cluster] += 1;
    }

    /// Counts a row out.
    #[inline]
    pub fn remove(&mut self, cluster: usize, row: &[f64]) {
        let sum = &mut self.sums[cluster * self.stride..][..self.stride];
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum -= value);
        self.sizes[cluster] -= 1;
    }

    /// Adds totals, or changes of totals, of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, more)| *sum += more);
        self.sizes.iter_mut().zip(&other.sizes).for_each(|(size, more)| *size += more);
    }

    /// Number of rows in each cluster.
    pub fn sizes(&self) -> &[i64] {
        &self.sizes
    }

    /// The mean row of each cluster with its padding; `None` for an empty one.
    pub fn means(&self) -> impl Iterator<Item = Option<Vec<f64>>> + '_ {
        self.sums
            .chunks_exact(self.stride)
            .zip(&self.sizes)
            .map(|(sum, size)| (*size > 0).then(|| sum.iter().map(|value| value / *size as f64).collect()))
    }

    /// What the inertia around the means lacks to the sum of all squares: `sum_c |sum_c|^2 / n_c`.
    pub fn explained(&self) -> f64 {
        let sums = self.sums.chunks_exact(self.stride).zip(&self.sizes).filter(|(_, size)| **size > 0);
        sums.map(|(sum, size)| sum.iter().map(|value| value * value).sum::<f64>() / *size as f64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;
    use crate::model::cluster::Points;

    #[test]
    fn means_by_hand_and_none_for_an_empty_cluster() {
        let points = Points::from_rows(1, &[1.0, 3.0, 10.0]).unwrap();
        let totals = Totals::of(&points, &[2, 2, 0], 3);
        assert_eq!(totals.sizes(), [1, 0, 2]);
        let means: Vec<_> = totals.means().map(|mean| mean.map(|mean| mean[0])).collect();
        assert_eq!(means, [Some(10.0), None, Some(2.0)]);
    }

    #[test]
    fn what_is_counted_out_was_never_in() {
        let mut totals = Totals::none(2, 4);
        totals.insert(1, &[1.0, 2.0, 0.0, 0.0]);
        totals.remove(1, &[1.0, 2.0, 0.0, 0.0]);
        assert_eq!(totals, Totals::none(2, 4));
    }
}
