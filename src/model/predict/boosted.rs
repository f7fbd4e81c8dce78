//! Gradient boosted trees: a sum of small decision trees, each fitted to what is left to explain.
//!
//! forust grows the trees; they are kept here in a compact form. The same trees grow at any number
//! of threads. Does not know how good a fit is: see [`super::scores`].

use forust_ml::gradientbooster::GrowPolicy;
use forust_ml::objective::ObjectiveType;
use forust_ml::{GradientBooster, Matrix};
use ndarray::{ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::prepare::usable;
use super::{Unfit, check, sigmoid};

/// Trees in the sum.
pub const TREES: usize = 200;

/// Leaves of a tree at most.
pub const LEAVES: usize = 31;

/// How much of a tree's advice is taken.
const LEARNING_RATE: f32 = 0.05;

/// Values that a split can choose between, at most; more of them changed the AUC of a year's churn
/// in the third digit only and cost a third of the time.
const BINS: u16 = 64;

/// The share of columns that a tree may use, drawn anew for each: trees that differ make a better
/// sum, in half the time.
const COLUMNS: f64 = 0.5;

/// The weight that a leaf needs: the sum of `p (1 - p)` over its rows.
const LEAF_WEIGHT: f32 = 5.0;

/// Rows predicted in one task.
const CHUNK: usize = 512;

/// Rows that go down a tree side by side.
const ABREAST: usize = 8;

/// Fitted trees.
#[derive(Clone, Debug, PartialEq)]
pub struct Boosted {
    base: f64,
    nodes: Vec<Node>,
    roots: Vec<u32>,
    /// The loss saved by all splits on each column.
    pub gains: Vec<f64>,
}

/// A split or a leaf. A leaf leads to itself, so that a row that has found its leaf stays there
/// while its neighbours still look for theirs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    column: u32,
    below: f64,
    /// Where a value goes that isn't below, that is below, and that is missing.
    next: [u32; 3],
    /// What a leaf adds to the score.
    value: f64,
}

/// Fits 200 trees of up to 31 leaves to the logistic loss, with a learning rate of 0.05.
///
/// `x` has shape `(n_rows, n_columns)`; NaN (and infinite) values are missing and go to the side
/// of a split where they do better. Columns without two different values are ignored. With fewer
/// than 400 rows leaves may be lighter, in proportion. The seed draws the columns of each tree.
///
/// # Errors
/// See [`Unfit`]. O(trees * columns * n), in parallel.
///
/// Reference: Friedman (2001), Greedy function approximation; Chen and Guestrin (2016), XGBoost.
pub fn fit(x: ArrayView2<'_, f64>, y: &[bool], seed: u64) -> Result<Boosted, Unfit> {
    check(x, y)?;
    let varying: Vec<usize> = (0..x.ncols()).filter(|at| varies(x.column(*at))).collect();
    if varying.is_empty() {
        return Ok(Boosted {
            base: log_odds(y),
            nodes: Vec::new(),
            roots: Vec::new(),
            gains: vec![0.0; x.ncols()],
        });
    }
    let values = column_major(x, &varying);
    let labels: Vec<f64> = y.iter().map(|label| f64::from(u8::from(*label))).collect();
    let mut booster = booster(x.nrows(), varying.len(), seed);
    booster.base_score = log_odds(y);
    let matrix = Matrix::new(&values, x.nrows(), varying.len());
    booster.fit_unweighted(&matrix, &labels, None).map_err(|_| Unfit::Numbers)?;
    compact(&booster, &varying, x.ncols()).ok_or(Unfit::Numbers)
}

impl Boosted {
    /// The chance of the label `true` for every row of `x`.
    pub fn probabilities(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        let chunks: Vec<_> = x.axis_chunks_iter(Axis(0), CHUNK).collect();
        chunks.into_par_iter().flat_map_iter(|rows| self.scores(rows).into_iter().map(sigmoid)).collect()
    }

    /// The score of every row: the base and what each tree adds to it, in their order. Tree by tree,
    /// so that its nodes stay in the nearest cache.
    fn scores(&self, rows: ArrayView2<'_, f64>) -> Vec<f64> {
        let known = |value: &f64| if usable(*value) { *value } else { f64::NAN };
        let values: Vec<f64> = rows.iter().map(known).collect();
        let width = rows.ncols();
        let mut scores = vec![self.base; rows.nrows()];
        for root in &self.roots {
            for (scores, rows) in scores.chunks_mut(ABREAST).zip(values.chunks(ABREAST * width)) {
                let leaves = self.leaves(*root, rows, width);
                scores.iter_mut().zip(leaves).for_each(|(score, at)| *score += self.nodes[at as usize].value);
            }
        }
        scores
    }

    /// The leaves that up to [`ABREAST`] rows fall into, found step by step side by side: which way a
    /// row goes can't be foretold, and one alone would wait for every step.
    fn leaves(&self, root: u32, rows: &[f64], width: usize) -> [u32; ABREAST] {
        let mut at = [root; ABREAST];
        let mut moved = true;
        while moved {
            moved = false;
            for (at, row) in at.iter_mut().zip(rows.chunks_exact(width)) {
                let node = &self.nodes[*at as usize];
                let value = row[node.column as usize];
                let next = node.next[usize::from(value < node.below) + 2 * usize::from(value.is_nan())];
                moved |= next != *at;
                *at = next;
            }
        }
        at
    }
}

fn booster(rows: usize, columns: usize, seed: u64) -> GradientBooster {
    let mut booster = GradientBooster::default();
    booster.objective_type = ObjectiveType::LogLoss;
    booster.grow_policy = GrowPolicy::LossGuide;
    booster.iterations = TREES;
    booster.learning_rate = LEARNING_RATE;
    booster.max_leaves = LEAVES;
    booster.max_depth = LEAVES;
    booster.nbins = BINS;
    // The cast is deliberate: it only loses digits where the smaller of the two is the constant.
    booster.min_leaf_weight = LEAF_WEIGHT.min(rows as f32 / 80.0);
    booster.colsample_bytree = if columns < 4 { 1.0 } else { COLUMNS };
    booster.seed = seed;
    booster.parallel = true;
    booster
}

/// Whether there are two different usable values.
fn varies(column: ArrayView1<'_, f64>) -> bool {
    let mut values = column.iter().filter(|value| usable(**value));
    values.next().is_some_and(|first| values.any(|value| value != first))
}

fn column_major(x: ArrayView2<'_, f64>, columns: &[usize]) -> Vec<f64> {
    let mut values = Vec::with_capacity(x.nrows() * columns.len());
    for column in columns {
        values.extend(x.column(*column).iter().map(|value| if usable(*value) { *value } else { f64::NAN }));
    }
    values
}

fn log_odds(y: &[bool]) -> f64 {
    let positive = y.iter().filter(|label| **label).count() as f64;
    libm::log(positive / (y.len() as f64 - positive))
}

/// All trees in one list of nodes, with the columns of `x` instead of those that were fitted.
fn compact(booster: &GradientBooster, varying: &[usize], columns: usize) -> Option<Boosted> {
    let (mut nodes, mut roots, mut gains) = (Vec::new(), Vec::new(), vec![0.0; columns]);
    for tree in &booster.trees {
        let root = u32::try_from(nodes.len()).ok()?;
        roots.push(root);
        for node in &tree.nodes {
            let own = u32::try_from(nodes.len()).ok()?;
            if node.is_leaf {
                let value = f64::from(node.weight_value);
                nodes.push(Node { column: 0, below: 0.0, next: [own; 3], value });
                continue;
            }
            let column = *varying.get(node.split_feature)?;
            *gains.get_mut(column)? += f64::from(node.split_gain);
            let place = |child: usize| u32::try_from(child).ok().map(|child| root + child);
            let next = [place(node.right_child)?, place(node.left_child)?, place(node.missing_node)?];
            nodes.push(Node {
                column: u32::try_from(column).ok()?,
                below: node.split_value,
                next,
                value: 0.0,
            });
        }
    }
    Some(Boosted { base: booster.base_score, nodes, roots, gains })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use rand::RngExt;

    use super::*;
    use crate::model::predict::samples::iris;
    use crate::model::predict::scores::scores;
    use crate::model::random::Streams;

    /// Rows whose label depends on two columns at once, one value in ten missing.
    fn noisy(rows: usize) -> (Array2<f64>, Vec<bool>) {
        let streams = Streams::new(3, "boosted test");
        let mut x = Array2::zeros((rows, 8));
        let mut y = Vec::new();
        for (entity, mut row) in (0..).zip(x.axis_iter_mut(Axis(0))) {
            let mut rng = streams.of(entity);
            row.iter_mut().for_each(|value| *value = rng.random::<f64>());
            y.push((row[0] > 0.5) != (row[3] > 0.3) || rng.random::<f64>() < 0.1);
            row.iter_mut().for_each(|value| {
                if rng.random::<f64>() < 0.1 {
                    *value = f64::NAN
                }
            });
        }
        (x, y)
    }

    fn on_threads<T: Send>(threads: usize, compute: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(compute)
    }

    /// More rows than forust sums in one task (16,384), so that parallel sums would show.
    #[test]
    fn the_same_trees_grow_on_one_thread_and_on_two() {
        let (x, y) = noisy(20_000);
        let fitted = |threads| on_threads(threads, || fit(x.view(), &y, 5).unwrap());
        let (one, two) = (fitted(1), fitted(2));
        assert_eq!(one, two);
        let bits = |threads| -> Vec<u64> {
            let chances = on_threads(threads, || one.probabilities(x.view()));
            chances.into_iter().map(f64::to_bits).collect()
        };
        assert_eq!(bits(1), bits(2));
    }

    #[test]
    fn the_compact_trees_score_as_forust_does() {
        let (x, y) = noisy(2_000);
        let all: Vec<usize> = (0..8).collect();
        let values = column_major(x.view(), &all);
        let labels: Vec<f64> = y.iter().map(|label| f64::from(u8::from(*label))).collect();
        let mut booster = booster(2_000, 8, 1);
        let matrix = Matrix::new(&values, 2_000, 8);
        booster.fit_unweighted(&matrix, &labels, None).unwrap();
        let ours = compact(&booster, &all, 8).unwrap();
        for (ours, theirs) in ours.scores(x.view()).into_iter().zip(booster.predict(&matrix, false)) {
            assert_eq!(ours.to_bits(), theirs.to_bits());
        }
    }

    #[test]
    fn an_interaction_is_found_that_no_weighted_sum_can_see() {
        let (x, y) = noisy(4_000);
        let fitted = fit(x.view(), &y, 0).unwrap();
        let (new, truth) = noisy(6_000);
        let auc = scores(&truth, &fitted.probabilities(new.view())).unwrap().auc;
        assert!(auc > 0.8, "{auc}");
        let strongest = |at: usize| fitted.gains.iter().filter(|gain| **gain > fitted.gains[at]).count() < 2;
        assert!(strongest(0) && strongest(3));
    }

    #[test]
    fn the_seed_draws_the_columns() {
        let (x, y) = noisy(500);
        let fitted = |seed| fit(x.view(), &y, seed).unwrap();
        assert_eq!(fitted(1), fitted(1));
        assert_ne!(fitted(1), fitted(2));
    }

    #[test]
    fn few_rows_are_learnt_all_the_same() {
        let x = array![[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0]];
        let y = [false, false, false, false, true, true, true, true];
        let chances = fit(x.view(), &y, 0).unwrap().probabilities(x.view());
        assert!(chances[0] < 0.2 && chances[7] > 0.8, "{chances:?}");
    }

    #[test]
    fn one_column_of_many_may_vary() {
        let (iris, y) = iris();
        let mut x = Array2::zeros((100, 5));
        x.column_mut(3).assign(&iris.column(2));
        let fitted = fit(x.view(), &y, 0).unwrap();
        assert!(scores(&y, &fitted.probabilities(x.view())).unwrap().auc > 0.95);
        assert!(fitted.gains[3] > 0.0 && fitted.gains.iter().filter(|gain| **gain > 0.0).count() == 1);
    }
}
