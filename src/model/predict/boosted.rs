//! Gradient boosted trees: a sum of small decision trees, each fitted to what is left to explain.
//!
//! [`bins`] cuts the columns, [`tree`] grows one tree ([`split`] by split, on [`sum`]s), this file two hundred of them,
//! and [`scorer`] adds them up.
//! The same trees grow at any number of threads. Does not know how good a fit is: see [`super::scores`].

mod bins;
mod scorer;
mod split;
mod sum;
mod tree;

use ndarray::{ArrayView2, Axis};
use rand::RngExt;
use rayon::prelude::*;

use self::bins::Bins;
use self::scorer::{CHUNK, Scorer};
use self::split::Growth;
use self::sum::derivatives;
use self::tree::{Node, Tree, grow};
use super::{Unfit, check, sigmoid};
use crate::model::random::Streams;

/// Trees in the sum.
pub const TREES: usize = 200;

/// Leaves of a tree at most.
pub const LEAVES: usize = 31;

/// How much of a tree's advice is taken.
const LEARNING_RATE: f64 = 0.05;

/// The share of columns that a tree may use, drawn anew for each: trees that differ make a better
/// sum, in half the time.
const COLUMNS: f64 = 0.5;

/// The weight that a leaf needs: the sum of `p (1 - p)` over its rows.
const LEAF_WEIGHT: f64 = 5.0;

/// The penalty on squared leaf values.
const PENALTY: f64 = 1.0;

/// The loss of a tree is told of about so many rows.
const TOLD: usize = 1_024;

/// Fitted trees.
#[derive(Clone, Debug, PartialEq)]
pub struct Boosted {
    base: f64,
    scorer: Scorer,
    /// The loss saved by all splits on each column.
    pub gains: Vec<f64>,
    /// The mean logistic loss of the rows learnt from after each tree; of very many rows, of about 1,024 spread
    /// evenly.
    pub losses: Vec<f64>,
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
    let bins = Bins::of(x);
    let growth =
        Growth { leaves: LEAVES, leaf_weight: LEAF_WEIGHT.min(x.nrows() as f64 / 80.0), penalty: PENALTY };
    let (base, scorer) = (log_odds(y), Scorer::new(&bins));
    let mut boosted = Boosted { base, scorer, gains: vec![0.0; x.ncols()], losses: Vec::new() };
    let streams = Streams::new(seed, "columns of boosted trees");
    let mut scores = vec![boosted.base; x.nrows()];
    for number in (0..TREES as u64).take_while(|_| !bins.columns.is_empty()) {
        let columns = drawn(bins.columns.len(), &mut streams.of(number));
        let tree = grow(&bins, &columns, &derivatives(&scores, y), &growth);
        for (range, value) in &tree.leaves {
            let step = LEARNING_RATE * value;
            tree.rows[range.clone()].iter().for_each(|row| scores[*row as usize] += step);
        }
        boosted.add(&tree, &bins);
        boosted.losses.push(loss(&scores, y));
    }
    if scores.iter().all(|score| score.is_finite()) { Ok(boosted) } else { Err(Unfit::Numbers) }
}

impl Boosted {
    fn add(&mut self, tree: &Tree, bins: &Bins) {
        for node in &tree.nodes {
            if let Node::Split { column, gain, .. } = node {
                self.gains[bins.columns[*column]] += gain;
            }
        }
        self.scorer.add(tree, LEARNING_RATE);
    }

    /// The chance of the label `true` for every row of `x`.
    pub fn probabilities(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        let chunks: Vec<_> = x.axis_chunks_iter(Axis(0), CHUNK).collect();
        let chances = |rows| self.scorer.scores(rows, self.base).into_iter().map(sigmoid);
        chunks.into_par_iter().flat_map_iter(chances).collect()
    }
}

/// The places of the columns that a tree may use, ascending.
fn drawn(columns: usize, rng: &mut impl rand::Rng) -> Vec<usize> {
    let mut places: Vec<usize> = (0..columns).collect();
    if columns < 4 {
        return places;
    }
    let wanted = (columns as f64 * COLUMNS).ceil() as usize;
    for at in 0..wanted {
        places.swap(at, rng.random_range(at..columns));
    }
    places.truncate(wanted);
    places.sort_unstable();
    places
}

/// The mean logistic loss, `log(1 + exp(s)) - y s`, of rows spread evenly.
fn loss(scores: &[f64], y: &[bool]) -> f64 {
    let every = scores.len().div_ceil(TOLD).max(1);
    let (mut sum, mut count) = (0.0, 0.0);
    for (score, label) in scores.iter().zip(y).step_by(every) {
        let against = if *label { -*score } else { *score };
        // Without overflow on either side.
        sum += against.max(0.0) + libm::log1p(libm::exp(-against.abs()));
        count += 1.0;
    }
    sum / count
}

fn log_odds(y: &[bool]) -> f64 {
    let positive = y.iter().filter(|label| **label).count() as f64;
    libm::log(positive / (y.len() as f64 - positive))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

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

    /// More cells than are counted on one thread, so that an order of sums would show.
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

    /// XGBoost 3.2.0 on virginica against versicolor (100 rows, so that leaves need a weight of 1.25):
    /// `tree_method=hist, grow_policy=lossguide, max_leaves=31, max_depth=0, min_child_weight=1.25,
    /// lambda=1, eta=0.05, base_score=0.5`, 200 trees; log-loss of the rows learnt from, and some chances.
    /// The rows with gaps are LightGBM 4.7.0's, with the same settings (`min_data_in_leaf=1, max_bin=64`).
    #[test]
    fn agrees_with_xgboost_and_lightgbm() {
        let (iris, y) = iris();
        let mut gaps = iris.select(Axis(1), &[2, 3]);
        gaps.column_mut(0).iter_mut().step_by(7).for_each(|value| *value = f64::NAN);
        gaps.column_mut(1).iter_mut().skip(3).step_by(5).for_each(|value| *value = f64::NAN);
        let samples = [
            (
                iris.select(Axis(1), &[0, 1, 2]),
                0.115_431_09,
                [0.014_737_79, 0.487_061_98, 0.992_432_59, 0.976_046_56],
            ),
            (
                iris.select(Axis(1), &[2, 3]),
                0.088_916_38,
                [0.017_915_23, 0.778_538_90, 0.991_254_68, 0.991_254_68],
            ),
            (gaps, 0.115_080_34, [0.327_061_54, 0.561_184_46, 0.995_136_77, 0.972_115_35]),
        ];
        for (x, log_loss, some) in samples {
            let fitted = fit(x.view(), &y, 0).unwrap();
            let chances = fitted.probabilities(x.view());
            let told = fitted.losses.last().unwrap();
            assert!(
                fitted.losses.len() == TREES && (told - log_loss).abs() < 1e-5,
                "{told} is not {log_loss}"
            );
            let found = scores(&y, &chances).unwrap().log_loss;
            assert!((found - log_loss).abs() < 1e-5, "{found} is not {log_loss}");
            for (row, published) in [0, 20, 50, 70].into_iter().zip(some) {
                assert!((chances[row] - published).abs() < 1e-5, "{} is not {published}", chances[row]);
            }
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
