//! How much of a result's variance each parameter explains: functional analysis of variance on a forest.
//!
//! Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance" (2014): a
//! forest predicts the result anywhere in the space, the marginal of a parameter is that prediction averaged
//! over all others, and its importance the marginal's share of the whole variance.

use super::forest::{Leaf, forest};

/// Trees of the forest.
const TREES: u64 = 64;

/// Cells of a parameter; of more different values neighbours share one.
const CELLS: usize = 32;

/// Shares of the variance.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// What each parameter explains by itself; from 0 to 1.
    pub single: Vec<f64>,
    /// What only several together explain.
    pub together: f64,
}

/// The importance of parameters. `rows` hold the number of each parameter's value among the `sizes` that it
/// has, in their order; `values` are the results, all finite. None where there is nothing to explain: fewer than
/// two rows, or all alike.
pub fn importance(sizes: &[usize], rows: &[Vec<usize>], values: &[f64], seed: u64) -> Option<Importance> {
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    if values.len() < 2 || high <= low {
        return None;
    }
    let cells: Vec<_> = sizes.iter().map(|size| (*size).clamp(1, CELLS)).collect();
    let cell = |(value, (size, cells)): (&usize, (&usize, &usize))| value * cells / (*size).max(1);
    let rows: Vec<Vec<usize>> =
        rows.iter().map(|row| row.iter().zip(sizes.iter().zip(&cells)).map(cell).collect()).collect();
    // Shares don't depend on the scale, and small numbers keep their digits.
    let values: Vec<_> = values.iter().map(|value| (value - low) / (high - low)).collect();
    let trees = forest(&cells, &rows, &values, TREES, seed);
    let shares: Vec<_> = trees.iter().filter_map(|leaves| of_tree(&cells, leaves)).collect();
    let mean = |at: usize| shares.iter().map(|one| one[at]).sum::<f64>() / shares.len().max(1) as f64;
    let single: Vec<_> = (0..cells.len()).map(mean).collect();
    let together = (1.0 - single.iter().sum::<f64>()).max(0.0);
    (!shares.is_empty()).then_some(Importance { single, together })
}

/// The share of each parameter in the variance of one tree; none where it is constant.
fn of_tree(cells: &[usize], leaves: &[Leaf]) -> Option<Vec<f64>> {
    let share = |(range, cells): (&(usize, usize), &usize)| (range.1 - range.0) as f64 / *cells as f64;
    let volume = |leaf: &Leaf| leaf.cells.iter().zip(cells).map(share).product::<f64>();
    let mean: f64 = leaves.iter().map(|leaf| volume(leaf) * leaf.value).sum();
    let square = |x: f64| x * x;
    let variance: f64 = leaves.iter().map(|leaf| volume(leaf) * square(leaf.value - mean)).sum();
    if variance <= 0.0 {
        return None;
    }
    let of = |at: usize| {
        let mut marginal = vec![0.0; cells[at]];
        for leaf in leaves {
            let (from, to) = leaf.cells[at];
            // The part of the others' space that the leaf covers.
            let others = volume(leaf) * cells[at] as f64 / (to - from) as f64;
            marginal[from..to].iter_mut().for_each(|sum| *sum += others * leaf.value);
        }
        marginal.iter().map(|value| square(value - mean)).sum::<f64>() / cells[at] as f64 / variance
    };
    Some((0..cells.len()).map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full grid of `sizes`, and what a function gives there.
    fn grid(sizes: &[usize], of: impl Fn(&[f64]) -> f64) -> (Vec<Vec<usize>>, Vec<f64>) {
        let count: usize = sizes.iter().product();
        let row = |mut at: usize| {
            let place = |size: &usize| {
                let place = at % size;
                at /= size;
                place
            };
            sizes.iter().map(place).collect::<Vec<_>>()
        };
        let rows: Vec<_> = (0..count).map(row).collect();
        let part = |(at, size): (&usize, &usize)| *at as f64 / (size - 1) as f64;
        let values =
            rows.iter().map(|row| of(&row.iter().zip(sizes).map(part).collect::<Vec<_>>())).collect();
        (rows, values)
    }

    /// Of `2x + y` the variances are as 4 to 1, whatever the number of cells; the third doesn't matter.
    #[test]
    fn a_sum_is_split_as_its_variances() {
        let sizes = [8, 8, 4];
        let (rows, values) = grid(&sizes, |x| 2.0 * x[0] + x[1]);
        let found = importance(&sizes, &rows, &values, 1).unwrap();
        for (single, expected) in found.single.iter().zip([0.8, 0.2, 0.0]) {
            assert!((single - expected).abs() < 0.03, "{found:?}");
        }
        assert!(found.together < 0.03, "{found:?}");
    }

    /// `(x - 1/2)(y - 1/2)` has no main effects at all.
    #[test]
    fn an_interaction_is_explained_by_none_alone() {
        let sizes = [8, 8];
        let (rows, values) = grid(&sizes, |x| (x[0] - 0.5) * (x[1] - 0.5));
        let found = importance(&sizes, &rows, &values, 1).unwrap();
        assert!(found.together > 0.8, "{found:?}");
    }

    #[test]
    fn nothing_is_explained_where_nothing_differs() {
        assert_eq!(importance(&[2], &[vec![0], vec![1]], &[3.0, 3.0], 1), None);
        assert_eq!(importance(&[1], &[vec![0]], &[3.0], 1), None);
        assert_eq!(importance(&[], &[], &[], 1), None);
        let rows: Vec<_> = (0..8).map(|at| vec![at % 2]).collect();
        let one = importance(&[2], &rows, &[1.0, 2.0].repeat(4), 1).unwrap();
        assert!((one.single[0] - 1.0).abs() < 1e-12, "{one:?}");
    }

    #[test]
    fn many_different_values_share_cells() {
        let rows: Vec<_> = (0..500).map(|at| vec![at, at * 7 % 500]).collect();
        let values: Vec<_> = (0..500).map(f64::from).collect();
        let found = importance(&[500, 500], &rows, &values, 1).unwrap();
        assert!(found.single[0] > 0.95, "{found:?}");
    }
}
