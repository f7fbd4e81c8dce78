//! A forest of regression trees over cells, each leaf a box of cells: what [`super::importance`] looks at.

use rand::Rng;
use rayon::prelude::*;

use crate::model::random::Streams;

/// A leaf: the cells that it covers of each feature, from and to (not included), and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// The cells of each feature.
    pub cells: Vec<(usize, usize)>,
    /// The mean of its rows.
    pub value: f64,
}

/// The leaves of so many trees, each grown until its leaves are pure on rows drawn with replacement.
/// O(trees · rows · log(rows)² · features).
pub fn forest(sizes: &[usize], rows: &[Vec<usize>], values: &[f64], trees: u64, seed: u64) -> Vec<Vec<Leaf>> {
    let streams = Streams::new(seed, "forest of a sweep");
    let tree = |number: u64| {
        let mut random = streams.of(number);
        let count = rows.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "a row's number")]
        let drawn: Vec<usize> = rows.iter().map(|_| (random.next_u64() % count) as usize).collect();
        let mut leaves = Vec::new();
        let whole = sizes.iter().map(|size| (0, *size)).collect();
        grow(&Rows { rows, values }, drawn, whole, &mut leaves);
        leaves
    };
    (0..trees).into_par_iter().map(tree).collect()
}

struct Rows<'a> {
    rows: &'a [Vec<usize>],
    values: &'a [f64],
}

/// Splits a box where that takes most of the variance away, and its parts.
fn grow(data: &Rows<'_>, rows: Vec<usize>, cells: Vec<(usize, usize)>, leaves: &mut Vec<Leaf>) {
    match split(data, &rows, cells.len()) {
        None => {
            let sum: f64 = rows.iter().map(|row| data.values[*row]).sum();
            leaves.push(Leaf { cells, value: sum / rows.len() as f64 });
        }
        Some((feature, from)) => {
            let (below, above): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|row| data.rows[*row][feature] < from);
            let mut lower = cells.clone();
            lower[feature].1 = from;
            let mut upper = cells;
            upper[feature].0 = from;
            grow(data, below, lower, leaves);
            grow(data, above, upper, leaves);
        }
    }
}

/// The feature and the first cell of the upper part; none where nothing is left to explain.
fn split(data: &Rows<'_>, rows: &[usize], features: usize) -> Option<(usize, usize)> {
    let total: f64 = rows.iter().map(|row| data.values[*row]).sum();
    let count = rows.len() as f64;
    let mut best: Option<(f64, usize, usize)> = None;
    for feature in 0..features {
        let mut sorted: Vec<_> =
            rows.iter().map(|row| (data.rows[*row][feature], data.values[*row])).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let (mut sum, mut seen) = (0.0, 0.0);
        for pair in sorted.windows(2) {
            sum += pair[0].1;
            seen += 1.0;
            if pair[0].0 == pair[1].0 {
                continue;
            }
            // What the split takes off the squared error.
            let rest = total - sum;
            let gain = sum * sum / seen + rest * rest / (count - seen) - total * total / count;
            // Half-way between two cells that have rows, as others split between two values.
            let from = (pair[0].0 + pair[1].0).div_ceil(2);
            if best.is_none_or(|(most, ..)| gain > most) {
                best = Some((gain, feature, from));
            }
        }
    }
    let scale = rows.iter().map(|row| data.values[*row] * data.values[*row]).sum::<f64>();
    best.filter(|(gain, ..)| *gain > 1e-12 * scale).map(|(_, feature, from)| (feature, from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_covers_the_space_once() {
        let rows: Vec<_> = (0..12).map(|at| vec![at % 3, at / 3]).collect();
        let values: Vec<_> =
            rows.iter().map(|row| row[0] as f64 * 2.0 + (row[1] as f64 - 1.5).abs()).collect();
        for leaves in forest(&[3, 4], &rows, &values, 8, 1) {
            let size = |leaf: &Leaf| leaf.cells.iter().map(|(from, to)| to - from).product::<usize>();
            assert_eq!(leaves.iter().map(size).sum::<usize>(), 12);
        }
    }

    #[test]
    fn the_forest_is_the_same_at_any_number_of_threads() {
        let rows: Vec<_> = (0..40).map(|at| vec![at % 5, at % 8]).collect();
        let values: Vec<_> = (0..40).map(|at| f64::from(at * 7 % 11)).collect();
        let of = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| forest(&[5, 8], &rows, &values, 16, 3))
        };
        assert_eq!(of(1), of(3));
    }
}
