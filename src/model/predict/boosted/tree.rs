//! One tree: grown leaf by leaf, always where a split saves most.

use std::ops::Range;

use rayon::prelude::*;

use super::bins::{Bins, CODES};
use super::split::{Growth, Search, Split};
use super::sum::Sum;

/// Rows counted in one task: many, because whoever waits for small ones may be handed a large one of
/// somebody else meanwhile.
const ROWS: usize = 1 << 17;

/// A grown tree: nodes in the order in which they came to be, the root first.
#[derive(Debug)]
pub struct Tree {
    /// Splits and leaves.
    pub nodes: Vec<Node>,
    /// Which rows each leaf holds, as a range of `rows`, with the leaf's value.
    pub leaves: Vec<(Range<usize>, f64)>,
    /// All rows, leaf by leaf.
    pub rows: Vec<u32>,
}

/// A split or a leaf.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Rows part.
    Split {
        /// The column, by its place among the binned ones.
        column: usize,
        /// Values in bins up to this one go left.
        upto: u8,
        /// The nodes on the left and right.
        children: [usize; 2],
        /// Whether rows without a value go left.
        missing_left: bool,
        /// The loss that the split saves.
        gain: f64,
    },
    /// The end: what is added to the score.
    Leaf(f64),
}

/// A leaf that may still be split.
struct Leaf {
    node: usize,
    rows: Range<usize>,
    sum: Sum,
    /// For each column of the tree the sums of all bins.
    histogram: Vec<Sum>,
    split: Option<Split>,
}

/// Grows a tree on the columns given (places among the binned ones) to fit the derivatives of each
/// row. O(rows * columns) for each level of a balanced tree, in parallel.
///
/// A leaf's value is `-slope / (curve + penalty)` of its sums, and a split saves half of
/// `left + right - parent` with `slope^2 / (curve + penalty)` of each.
///
/// Reference: Chen and Guestrin (2016), XGBoost, equations 5 to 7; growth as in Ke et al. (2017),
/// LightGBM.
pub fn grow(bins: &Bins, columns: &[usize], derivatives: &[Sum], growth: &Growth) -> Tree {
    let edges = columns.iter().map(|column| bins.edges[*column].len()).collect();
    let grower = Grower { bins, columns, edges, derivatives, growth };
    let mut rows: Vec<u32> = (0..).take(derivatives.len()).collect();
    let mut nodes = vec![Node::Leaf(0.0)];
    let mut leaves = vec![grower.root(&rows)];
    let mut spare = Vec::with_capacity(rows.len());
    while leaves.len() < growth.leaves {
        let Some(at) = best(&leaves) else { break };
        let last = leaves.len() + 1 == growth.leaves;
        let leaf = std::mem::replace(&mut leaves[at], Leaf::nothing());
        let Some((left, right)) = grower.divide(leaf, &mut nodes, &mut rows, &mut spare, last) else { break };
        leaves[at] = left;
        leaves.push(right);
    }
    let mut valued = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let value = -leaf.sum.slope() / (leaf.sum.curve() + growth.penalty);
        nodes[leaf.node] = Node::Leaf(value);
        valued.push((leaf.rows, value));
    }
    Tree { nodes, leaves: valued, rows }
}

/// The leaf whose split saves most, the earliest among equals.
fn best(leaves: &[Leaf]) -> Option<usize> {
    let gains = leaves.iter().enumerate().filter_map(|(at, leaf)| Some((at, leaf.split?.gain)));
    gains.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(at, _)| at)
}

impl Leaf {
    /// Stands in the place of a leaf while it is divided.
    fn nothing() -> Self {
        Self { node: 0, rows: 0..0, sum: Sum::default(), histogram: Vec::new(), split: None }
    }
}

struct Grower<'a> {
    bins: &'a Bins,
    columns: &'a [usize],
    /// For each of them how many edges it has.
    edges: Vec<usize>,
    derivatives: &'a [Sum],
    growth: &'a Growth,
}

impl Grower<'_> {
    fn root(&self, rows: &[u32]) -> Leaf {
        let mut sum = Sum::default();
        self.derivatives.iter().for_each(|one| sum += *one);
        let histogram = self.count(rows);
        let split = self.search(&histogram, sum);
        Leaf { node: 0, rows: 0..rows.len(), sum, histogram, split }
    }

    /// Splits a leaf into two; the last split of a tree needs no more counting.
    fn divide(
        &self,
        leaf: Leaf,
        nodes: &mut Vec<Node>,
        rows: &mut [u32],
        spare: &mut Vec<u32>,
        last: bool,
    ) -> Option<(Leaf, Leaf)> {
        let Split { gain, place, upto, missing_left, left: left_sum } = leaf.split?;
        let column = *self.columns.get(place)?;
        let mut goes = [false; 256];
        goes[1..=usize::from(upto)].fill(true);
        goes[0] = missing_left;
        let codes = self.bins.column(column);
        let goes_left = |row: u32| goes[usize::from(codes[row as usize])];
        let middle = leaf.rows.start + part(&mut rows[leaf.rows.clone()], spare, goes_left);
        let children = [nodes.len(), nodes.len() + 1];
        nodes[leaf.node] = Node::Split { column, upto, children, missing_left, gain };
        nodes.extend([Node::Leaf(0.0), Node::Leaf(0.0)]);
        let child = |node, rows, sum| Leaf { node, rows, sum, histogram: Vec::new(), split: None };
        let mut left = child(children[0], leaf.rows.start..middle, left_sum);
        let mut right = child(children[1], middle..leaf.rows.end, leaf.sum - left_sum);
        if !last {
            let left_is_smaller = left.rows.len() < right.rows.len();
            let (small, large) =
                if left_is_smaller { (&mut left, &mut right) } else { (&mut right, &mut left) };
            self.look(small, large, leaf.histogram, rows);
        }
        Some((left, right))
    }

    /// Counts the smaller of two children, takes it from their parent for the other, and finds the
    /// best split of each that is heavy enough for one.
    fn look(&self, small: &mut Leaf, large: &mut Leaf, mut parent: Vec<Sum>, rows: &[u32]) {
        let heavy = |leaf: &Leaf| leaf.sum.curve() >= 2.0 * self.growth.leaf_weight;
        if !heavy(small) && !heavy(large) {
            return;
        }
        small.histogram = self.count(&rows[small.rows.clone()]);
        parent.iter_mut().zip(&small.histogram).for_each(|(all, part)| *all -= *part);
        large.histogram = parent;
        for leaf in [small, large] {
            if heavy(leaf) {
                leaf.split = self.search(&leaf.histogram, leaf.sum);
            }
        }
    }

    /// The sums of every bin of every column over some rows.
    fn count(&self, rows: &[u32]) -> Vec<Sum> {
        let parts = rows.par_chunks(ROWS).map(|rows| self.count_some(rows));
        if rows.len() <= ROWS { self.count_some(rows) } else { parts.reduce_with(added).unwrap_or_default() }
    }

    fn count_some(&self, rows: &[u32]) -> Vec<Sum> {
        let mut sums = vec![Sum::default(); self.columns.len() * CODES];
        for row in rows {
            let (codes, one) = (self.bins.row(*row), self.derivatives[*row as usize]);
            for (sums, column) in sums.chunks_exact_mut(CODES).zip(self.columns) {
                sums[usize::from(codes[*column])] += one;
            }
        }
        sums
    }

    fn search(&self, histogram: &[Sum], sum: Sum) -> Option<Split> {
        Search { histogram, edges: &self.edges, sum, growth: self.growth }.best()
    }
}

fn added(mut some: Vec<Sum>, others: Vec<Sum>) -> Vec<Sum> {
    some.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
    some
}

/// Moves the rows that go left to the front, both sides in their order; how many go left. Every row
/// is written to both sides, because which one it takes can't be foretold and a wrong guess costs more.
fn part(rows: &mut [u32], spare: &mut Vec<u32>, goes_left: impl Fn(u32) -> bool) -> usize {
    spare.resize(rows.len(), 0);
    let (mut kept, mut moved) = (0, 0);
    for at in 0..rows.len() {
        let row = rows[at];
        let left = goes_left(row);
        rows[kept] = row;
        spare[moved] = row;
        kept += usize::from(left);
        moved += usize::from(!left);
    }
    rows[kept..].copy_from_slice(&spare[..moved]);
    kept
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayView2};

    use super::*;
    use crate::model::predict::samples::iris;

    const GROWTH: Growth = Growth { leaves: 31, leaf_weight: 1.25, penalty: 1.0 };

    fn grown(x: ArrayView2<'_, f64>, y: &[bool], growth: &Growth) -> (Tree, Bins) {
        let bins = Bins::of(x);
        let columns: Vec<usize> = (0..bins.columns.len()).collect();
        let derivatives: Vec<Sum> =
            y.iter().map(|label| Sum::of(0.5 - f64::from(u8::from(*label)), 0.25)).collect();
        (grow(&bins, &columns, &derivatives, growth), bins)
    }

    /// The first tree of LightGBM 4.7.0 on virginica against versicolor (see the test beside): splits
    /// at 1.75 cm of petal width and 4.95 cm of petal length, into 48, 6 and 46 flowers. Its leaf
    /// values hold the learning rate of 0.05, its gains are twice the loss saved.
    #[test]
    fn one_tree_is_that_of_lightgbm() {
        let (x, y) = iris();
        let (tree, bins) = grown(x.view(), &y, &GROWTH);
        let splits: Vec<_> = tree
            .nodes
            .iter()
            .filter_map(|node| match node {
                Node::Split { column, upto, gain, .. } => {
                    Some((bins.columns[*column], bins.edges[*column][usize::from(*upto) - 1], 2.0 * gain))
                }
                Node::Leaf(_) => None,
            })
            .collect();
        let published = [(3, 1.75, 72.099_296_57), (2, 4.95, 7.712_999_82)];
        assert_eq!(splits.len(), 2);
        for (split, published) in splits.iter().zip(published) {
            assert_eq!(split.0, published.0);
            assert!(
                (split.1 - published.1).abs() < 1e-9 && (split.2 / published.2 - 1.0).abs() < 1e-6,
                "{split:?}"
            );
        }
        let mut leaves: Vec<_> = tree.leaves.iter().map(|(rows, value)| (rows.len(), 0.05 * value)).collect();
        leaves.sort_by_key(|leaf| leaf.0);
        let published = [(6, 0.02), (46, 0.088), (48, -0.088_461_538_46)];
        for (leaf, published) in leaves.iter().zip(published) {
            assert_eq!(leaf.0, published.0);
            assert!((leaf.1 - published.1).abs() < 1e-9, "{leaf:?}");
        }
    }

    #[test]
    fn every_row_is_in_the_leaf_that_its_values_lead_to() {
        let x = Array2::from_shape_fn((5_000, 3), |(row, column)| {
            let value = (row * 7_919 + column * 104_729) % 1_009;
            if value % 11 == 0 { f64::NAN } else { value as f64 }
        });
        let y: Vec<bool> = x.rows().into_iter().map(|row| row[0] > 500.0 || row[2].is_nan()).collect();
        let (tree, bins) = grown(x.view(), &y, &GROWTH);
        let mut all = tree.rows.clone();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..5_000));
        assert!(tree.leaves.len() > 4 && tree.leaves.len() <= 31);
        for (range, value) in &tree.leaves {
            for row in &tree.rows[range.clone()] {
                let mut at = 0;
                while let Node::Split { column, upto, children, missing_left, .. } = &tree.nodes[at] {
                    let code = bins.row(*row)[*column];
                    let left = if code == 0 { *missing_left } else { code <= *upto };
                    at = children[usize::from(!left)];
                }
                assert_eq!(tree.nodes[at], Node::Leaf(*value));
            }
        }
    }

    #[test]
    fn without_anything_to_tell_apart_there_is_one_leaf() {
        let x = Array2::from_shape_fn((40, 1), |(row, _)| (row % 2) as f64);
        let y: Vec<bool> = (0..40).map(|row| row % 4 < 2).collect();
        let (tree, _) = grown(x.view(), &y, &GROWTH);
        assert_eq!(tree.nodes, [Node::Leaf(0.0)]);
        let heavy = Growth { leaf_weight: 100.0, ..GROWTH };
        let (iris, y) = iris();
        assert_eq!(grown(iris.view(), &y, &heavy).0.nodes.len(), 1);
    }
}
