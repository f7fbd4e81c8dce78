//! Columns cut into bins: splits choose between the edges of bins instead of between all values.
//!
//! Does not know what is learnt from them.

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

use crate::model::predict::prepare::usable;

/// Values that a split can choose between, at most; 255 of them changed the AUC of a year's churn in
/// the third digit only and cost a third more time.
const BINS: usize = 64;

/// Bins of a column with the one for missing values, which comes first.
pub const CODES: usize = BINS + 1;

/// The columns of a matrix by bin.
pub struct Bins {
    /// For each column its place in the matrix: columns without two different values are left out.
    pub columns: Vec<usize>,
    /// For each column the lower edges of all bins but the first, ascending.
    pub edges: Vec<Vec<f64>>,
    /// For every row the bins that it is in, column by column: 0 for a missing value, else 1 and the
    /// number of edges that aren't above the value.
    pub codes: Vec<u8>,
    /// The same column by column: rows part by one of them.
    by_column: Vec<u8>,
}

impl Bins {
    /// Bins of about equally many rows for each column of `x`, shape `(n_rows, n_columns)`; a column
    /// with few different values has a bin for each. O(n log n) a column, in parallel.
    pub fn of(x: ArrayView2<'_, f64>) -> Self {
        let varying: Vec<(usize, Vec<f64>)> = (0..x.ncols())
            .into_par_iter()
            .map(|at| (at, edges(x.column(at))))
            .filter(|(_, edges)| !edges.is_empty())
            .collect();
        let codes = |row: usize| varying.iter().map(move |(at, edges)| code(x[[row, *at]], edges));
        let codes: Vec<u8> = (0..x.nrows()).into_par_iter().flat_map_iter(codes).collect();
        let (columns, edges) = varying.into_iter().unzip();
        Self::coded(columns, edges, codes)
    }

    /// Columns whose rows are in the bins given.
    fn coded(columns: Vec<usize>, edges: Vec<Vec<f64>>, codes: Vec<u8>) -> Self {
        let width = columns.len();
        let column = |at: usize| codes.iter().skip(at).step_by(width).copied();
        let by_column = (0..width).flat_map(column).collect();
        Self { columns, edges, codes, by_column }
    }

    /// Columns without rows.
    #[cfg(test)]
    pub fn empty(columns: Vec<usize>, edges: Vec<Vec<f64>>) -> Self {
        Self::coded(columns, edges, Vec::new())
    }

    /// The bins of a column, row by row.
    pub fn column(&self, place: usize) -> &[u8] {
        let rows = self.by_column.len() / self.columns.len().max(1);
        &self.by_column[place * rows..][..rows]
    }

    /// The bins that a row is in.
    pub fn row(&self, row: u32) -> &[u8] {
        let width = self.columns.len();
        let start = row as usize * width;
        &self.codes[start..start + width]
    }
}

/// Edges halfway between neighbouring values; none where all usable values are the same.
fn edges(column: ArrayView1<'_, f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = column.iter().copied().filter(|value| usable(*value)).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let starts = bin_starts(&sorted);
    starts.into_iter().map(|at| between(sorted[at - 1], sorted[at])).collect()
}

/// Positions, behind the first one, where a bin starts: each is the first of its value.
///
/// A value that fills a bin of its own gets one; the others share what is left evenly.
///
/// Reference: Ke et al. (2017), LightGBM; its `GreedyFindBin`.
fn bin_starts(sorted: &[f64]) -> Vec<usize> {
    let rises = |at: &usize| *at == 0 || sorted[*at] > sorted[*at - 1];
    let mut firsts: Vec<usize> = (0..sorted.len()).filter(rises).collect();
    let values = firsts.len();
    if values <= BINS {
        return firsts.split_off(values.min(1));
    }
    firsts.push(sorted.len());
    let sizes: Vec<usize> = firsts.windows(2).map(|ends| ends[1] - ends[0]).collect();
    let is_heavy = |size: usize| size * BINS >= sorted.len();
    let heavy = sizes.iter().filter(|size| is_heavy(**size));
    let (heavy_bins, heavy_rows) = heavy.fold((0, 0), |(bins, rows), size| (bins + 1, rows + size));
    let (mut bins, mut rows) = (BINS - heavy_bins, sorted.len() - heavy_rows);
    let (mut starts, mut held) = (Vec::new(), 0);
    for (pair, start) in sizes.windows(2).zip(&firsts[1..]) {
        let (before, next) = (is_heavy(pair[0]), is_heavy(pair[1]));
        held += if before { 0 } else { pair[0] };
        if before || next || held * bins.max(1) >= rows {
            starts.push(*start);
            if held > 0 {
                (bins, rows, held) = (bins.saturating_sub(1), rows - held, 0);
            }
        }
    }
    starts.truncate(BINS - 1);
    starts
}

/// A number above `low` and not above `high`.
fn between(low: f64, high: f64) -> f64 {
    let middle = low + (high - low) / 2.0;
    if middle > low { middle } else { high }
}

/// The bin of a value: 0 for one that can't be used, else 1 and the number of edges that aren't above it.
pub fn code(value: f64, edges: &[f64]) -> u8 {
    if !usable(value) {
        return 0;
    }
    let below = edges.partition_point(|edge| *edge <= value);
    // At most 64 bins.
    1 + below as u8
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn few_values_have_a_bin_each() {
        let x = array![[3.0, 1.0], [1.0, 1.0], [f64::NAN, 1.0], [2.0, 1.0], [1.0, f64::NAN]];
        let bins = Bins::of(x.view());
        assert_eq!(bins.columns, [0]);
        assert_eq!(bins.edges, [[1.5, 2.5]]);
        assert_eq!(bins.codes, [3, 1, 0, 2, 1]);
    }

    #[test]
    fn many_values_share_bins_of_equal_size() {
        let x = Array2::from_shape_fn((6_400, 1), |(row, _)| ((row * 3_001) % 6_400) as f64);
        let bins = Bins::of(x.view());
        let mut sizes = [0; CODES];
        bins.codes.iter().for_each(|code| sizes[usize::from(*code)] += 1);
        assert_eq!(sizes[0], 0);
        assert!(sizes[1..].iter().all(|size| *size == 100), "{sizes:?}");
    }

    #[test]
    fn a_value_that_most_rows_have_takes_one_bin() {
        let x = Array2::from_shape_fn((1_000, 1), |(row, _)| if row < 900 { 0.0 } else { row as f64 });
        let bins = Bins::of(x.view());
        assert_eq!(bins.codes.iter().filter(|code| **code == 1).count(), 900);
        assert!(bins.edges[0].len() > 4 && bins.edges[0][0] > 0.0, "{:?}", bins.edges[0]);
    }

    #[test]
    fn an_edge_parts_neighbours_that_have_no_number_between_them() {
        let (low, high) = (1.0, 1.0 + f64::EPSILON);
        let bins = Bins::of(array![[low], [high]].view());
        assert_eq!(bins.codes, [1, 2]);
    }
}
