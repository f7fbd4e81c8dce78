//! A labelling of rows, with labels of any kind made contiguous; it does not know the rows.

use std::collections::BTreeMap;

use super::Error;

/// Clusters numbered from 0 in the order of their labels; labels that no row carries don't exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    clusters: Vec<u32>,
    sizes: Vec<usize>,
}

impl Partition {
    /// The clusters of rows by their labels. O(n log c).
    pub fn of<L: Ord>(labels: &[L]) -> Self {
        let mut numbers: BTreeMap<&L, u32> = labels.iter().map(|label| (label, 0)).collect();
        numbers.values_mut().zip(0..).for_each(|(number, next)| *number = next);
        let clusters: Vec<u32> = labels.iter().map(|label| numbers[label]).collect();
        let mut sizes = vec![0; numbers.len()];
        for cluster in &clusters {
            sizes[*cluster as usize] += 1;
        }
        Self { clusters, sizes }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.clusters.len()
    }

    /// Number of clusters.
    pub fn count(&self) -> usize {
        self.sizes.len()
    }

    /// The cluster of every row.
    pub fn clusters(&self) -> &[u32] {
        &self.clusters
    }

    /// Rows in each cluster, at least 1.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The labelling of the rows at the indices alone.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let kept: Vec<u32> = indices.iter().map(|row| self.clusters[*row]).collect();
        Self::of(&kept)
    }

    /// Checks that separation is defined for `rows` rows: 2 to `rows - 1` clusters.
    pub(super) fn separable(&self, rows: usize) -> Result<(), Error> {
        if self.rows() != rows {
            return Err(Error::Lengths { expected: rows, found: self.rows() });
        }
        if self.count() < 2 || self.count() >= rows {
            return Err(Error::Inseparable { clusters: self.count(), rows });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Partition;
    use crate::model::cluster::Error;

    #[test]
    fn labels_become_contiguous_in_their_order() {
        let partition = Partition::of(&[7, -1, 7, 100]);
        assert_eq!(partition.clusters(), [1, 0, 1, 2]);
        assert_eq!(partition.sizes(), [1, 2, 1]);
        assert_eq!(partition.select(&[3, 0]), Partition::of(&["b", "a"]));
    }

    #[test]
    fn separation_needs_two_clusters_and_more_rows() {
        let check = |labels: &[u32]| Partition::of(labels).separable(labels.len());
        assert_eq!(check(&[0, 1, 1]), Ok(()));
        assert_eq!(check(&[1, 1, 1]), Err(Error::Inseparable { clusters: 1, rows: 3 }));
        assert_eq!(check(&[0, 1, 2]), Err(Error::Inseparable { clusters: 3, rows: 3 }));
        assert_eq!(check(&[]), Err(Error::Inseparable { clusters: 0, rows: 0 }));
        let two = Partition::of(&[0, 1]);
        assert_eq!(two.separable(3), Err(Error::Lengths { expected: 3, found: 2 }));
    }
}
