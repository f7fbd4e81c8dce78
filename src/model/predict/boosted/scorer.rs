//! Sums of what trees say of rows, for many rows at once.
//!
//! A tree is a list of tests and a row a set of leaves: each test that a row fails takes away the leaves on the
//! left of its split, and the first leaf left is the row's. No step waits for another, so that rows go side
//! by side through vector instructions. Does not know how trees came to be.

use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};

use super::LEAVES;
use super::bins::{Bins, code};
use super::tree::{Node, Tree};

/// Rows scored together: what is kept of them stays in the nearest cache.
pub const CHUNK: usize = 512;

/// The leaves of a tree, a bit each.
type Leaves = u32;

const _: () = assert!(LEAVES <= Leaves::BITS as usize, "a set of leaves is one number");

/// Trees, and the bins that their tests are on.
#[derive(Clone, Debug, PartialEq)]
pub struct Scorer {
    /// For each binned column its place in the matrix.
    columns: Vec<usize>,
    /// For each binned column the lower edges of all bins but the first.
    edges: Vec<Vec<f64>>,
    trees: Vec<Listed>,
}

/// A tree as a list.
#[derive(Clone, Debug, PartialEq)]
struct Listed {
    tests: Vec<Test>,
    /// What each leaf adds, from left to right.
    values: Vec<f64>,
}

/// What a row is asked at a split: whether its bin, counted from `first`, is at most `upto`.
///
/// Counted from 1, a missing value (0) is the largest of all and goes right.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Test {
    column: usize,
    first: u8,
    upto: u8,
    /// The leaves that stay when it isn't: all but those on the left.
    keeps: Leaves,
}

impl Scorer {
    /// No tree yet, on the columns of these bins.
    pub fn new(bins: &Bins) -> Self {
        Self { columns: bins.columns.clone(), edges: bins.edges.clone(), trees: Vec::new() }
    }

    /// Adds a tree that gives `rate` times the values of its leaves.
    pub fn add(&mut self, tree: &Tree, rate: f64) {
        let mut listed = Listed { tests: Vec::new(), values: Vec::new() };
        listed.take(tree, 0, rate);
        self.trees.push(listed);
    }

    /// `base` and what each tree adds to it, in their order, for every row of `x`, shape
    /// `(n_rows, n_columns)`. O(trees * leaves * n), a few instructions a test for 16 rows.
    pub fn scores(&self, x: ArrayView2<'_, f64>, base: f64) -> Vec<f64> {
        let mut codes = Vec::with_capacity(self.columns.len() * x.nrows());
        for (column, edges) in self.columns.iter().zip(&self.edges) {
            codes.extend(x.column(*column).iter().map(|value| code(*value, edges)));
        }
        let mut scores = vec![base; x.nrows()];
        Arch::new().dispatch(Scoring { trees: &self.trees, codes: &codes, scores: &mut scores });
        scores
    }
}

impl Listed {
    /// Lists what is below a node; the leaves there.
    fn take(&mut self, tree: &Tree, node: usize, rate: f64) -> Leaves {
        match &tree.nodes[node] {
            Node::Leaf(value) => {
                self.values.push(rate * value);
                1 << (self.values.len() - 1)
            }
            Node::Split { column, upto, children: [left, right], missing_left, .. } => {
                let first = u8::from(!missing_left);
                let left = self.take(tree, *left, rate);
                self.tests.push(Test { column: *column, first, upto: upto - first, keeps: !left });
                left | self.take(tree, *right, rate)
            }
        }
    }
}

struct Scoring<'a> {
    trees: &'a [Listed],
    /// The bin of every row, column by column.
    codes: &'a [u8],
    scores: &'a mut [f64],
}

impl WithSimd for Scoring<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.scores.len();
        let mut leaves = vec![Leaves::MAX; rows];
        for tree in self.trees {
            leaves.fill(Leaves::MAX);
            for test in &tree.tests {
                test.ask(&mut leaves, &self.codes[test.column * rows..][..rows]);
            }
            for (score, leaves) in self.scores.iter_mut().zip(&leaves) {
                *score += tree.values[leaves.trailing_zeros() as usize];
            }
        }
    }
}

impl Test {
    #[inline(always)]
    fn ask(self, leaves: &mut [Leaves], codes: &[u8]) {
        for (leaves, code) in leaves.iter_mut().zip(codes) {
            let passed = code.wrapping_sub(self.first) <= self.upto;
            *leaves &= if passed { Leaves::MAX } else { self.keeps };
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn split(column: usize, upto: u8, children: [usize; 2], missing_left: bool) -> Node {
        Node::Split { column, upto, children, missing_left, gain: 1.0 }
    }

    fn of(nodes: Vec<Node>) -> Tree {
        Tree { nodes, leaves: Vec::new(), rows: Vec::new() }
    }

    /// Two columns with edges at 1, 2, 3 and at 10, in the matrix's columns 2 and 0.
    fn scorer(trees: &[Tree]) -> Scorer {
        let bins = Bins::empty(vec![2, 0], vec![vec![1.0, 2.0, 3.0], vec![10.0]]);
        let mut scorer = Scorer::new(&bins);
        trees.iter().for_each(|tree| scorer.add(tree, 0.5));
        scorer
    }

    #[test]
    fn rows_fall_into_the_leaves_that_their_values_lead_to() {
        let tree = of(vec![
            split(0, 2, [1, 2], false),
            split(1, 1, [3, 4], true),
            Node::Leaf(1.0),
            Node::Leaf(2.0),
            Node::Leaf(4.0),
        ]);
        let x = array![
            [9.0, 0.0, 1.9],
            [10.0, 0.0, 1.9],
            [f64::NAN, 0.0, -5.0],
            [9.0, 0.0, 2.0],
            [9.0, 0.0, f64::NAN],
            [9.0, 0.0, f64::INFINITY],
        ];
        assert_eq!(scorer(&[tree]).scores(x.view(), 10.0), [11.0, 12.0, 11.0, 10.5, 10.5, 10.5]);
    }

    /// Values behind the last edge all go left when only missing ones go right.
    #[test]
    fn a_split_behind_the_last_edge_parts_off_missing_values() {
        let tree = of(vec![split(1, 2, [1, 2], false), Node::Leaf(2.0), Node::Leaf(-2.0)]);
        let x = array![[9.0, 0.0, 0.0], [1e9, 0.0, 0.0], [f64::NAN, 0.0, 0.0]];
        assert_eq!(scorer(&[tree]).scores(x.view(), 0.0), [1.0, 1.0, -1.0]);
    }

    #[test]
    fn a_tree_of_one_leaf_says_the_same_of_all() {
        let trees = [of(vec![Node::Leaf(1.0)]), of(vec![Node::Leaf(3.0)])];
        assert_eq!(scorer(&trees).scores(Array2::zeros((2, 3)).view(), 0.0), [2.0, 2.0]);
    }
}
