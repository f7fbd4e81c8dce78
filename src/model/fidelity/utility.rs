//! Utility: whether a classifier can tell synthetic rows from real ones, and whether one that learns from synthetic rows
//! is as good on real ones.
//!
//! The classifier is [`predict::boosted`](crate::model::predict::boosted).

use ndarray::Array2;
use rand::RngExt;
use rayon::prelude::*;

use crate::model::mixed::{Column, MISSING, rows, take};
use crate::model::predict::scores::scores;
use crate::model::predict::{Method, fit};
use crate::model::random::Streams;

/// A column that other columns predict worse than this (AUC) is no task.
const PREDICTABLE: f64 = 0.55;

/// Columns of a table for a classifier: categories as numbers, by their shares in `like`, the most frequent first.
fn matrix(columns: &[Column], like: &[Column], without: Option<usize>) -> Array2<f64> {
    let kept: Vec<usize> = (0..columns.len()).filter(|at| Some(*at) != without).collect();
    let mut matrix = Array2::from_elem((rows(columns), kept.len()), f64::NAN);
    for (place, at) in kept.into_iter().enumerate() {
        let values: Vec<f64> = match (&columns[at], &like[at]) {
            (Column::Levels { codes, count }, Column::Levels { codes: known, .. }) => {
                let ranks = by_frequency(known, *count);
                let rank = |code: &u32| if *code == MISSING { f64::NAN } else { ranks[*code as usize] };
                codes.iter().map(rank).collect()
            }
            (Column::Numbers(values), _) => values.clone(),
            (Column::Levels { codes, .. }, _) => codes.iter().map(|code| f64::from(*code)).collect(),
        };
        matrix.column_mut(place).iter_mut().zip(values).for_each(|(cell, value)| *cell = value);
    }
    matrix
}

/// The rank of each level, the most frequent first.
fn by_frequency(codes: &[u32], count: u32) -> Vec<f64> {
    let mut counts = vec![0_usize; count as usize];
    for code in codes.iter().filter(|code| **code < count) {
        counts[*code as usize] += 1;
    }
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by(|one, two| counts[*two].cmp(&counts[*one]).then(one.cmp(two)));
    let mut ranks = vec![0.0; counts.len()];
    order.into_iter().enumerate().for_each(|(rank, level)| ranks[level] = rank as f64);
    ranks
}

/// Up to `most` rows drawn without replacement, in random order.
pub fn drawn(rows: usize, most: usize, seed: u64, purpose: &str) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    let mut rng = Streams::new(seed, purpose).of(0);
    let wanted = most.min(rows);
    for at in 0..wanted {
        order.swap(at, rng.random_range(at..rows));
    }
    order.truncate(wanted);
    order
}

/// The classifier two-sample test: the area under the ROC curve of boosted trees that tell synthetic rows from real ones, on
/// the half of them that they did not learn from. 0.5 means that they can't; none where there are fewer than two
/// rows of each.
///
/// At most `most` rows of each table are used, equally many.
///
/// Reference: Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests.
pub fn two_sample(real: &[Column], synthetic: &[Column], most: usize, seed: u64) -> Option<f64> {
    let count = rows(real).min(rows(synthetic)).min(most) / 2 * 2;
    let draw = |columns: &[Column], purpose| take(columns, &drawn(rows(columns), count, seed, purpose));
    let (real, synthetic) = (draw(real, "two-sample real"), draw(synthetic, "two-sample synthetic"));
    let half = |from: usize| -> (Array2<f64>, Vec<bool>) {
        let places: Vec<usize> = (from..from + count / 2).collect();
        let (one, two) = (take(&real, &places), take(&synthetic, &places));
        let both = [matrix(&one, &real, None), matrix(&two, &real, None)];
        let width = both[0].ncols();
        let cells = both.iter().flat_map(|part| part.iter().copied()).collect();
        let labels = (0..count / 2 * 2).map(|row| row >= count / 2).collect();
        (Array2::from_shape_vec((count / 2 * 2, width), cells).unwrap_or_default(), labels)
    };
    if count < 2 {
        return None;
    }
    let ((x, y), (new, truth)) = (half(0), half(count / 2));
    let fitted = fit(Method::Boosted, x.view(), &y, seed).ok()?;
    Some(scores(&truth, &fitted.probabilities(new.view()))?.auc)
}

/// How well a column is predicted on real rows by models that learnt from real and from synthetic ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    /// The column's position.
    pub column: usize,
    /// The AUC on new real rows of the model that learnt from real rows.
    pub real: f64,
    /// That of the model that learnt from synthetic ones.
    pub synthetic: f64,
}

impl Task {
    /// `synthetic / real`.
    pub fn ratio(&self) -> f64 {
        self.synthetic / self.real
    }
}

/// Train on synthetic, test on real: each column in turn is predicted from all others. Of numbers it is predicted whether they are
/// above the real median, of categories whether they are the most frequent one. Columns that real rows don't
/// predict (AUC below 0.55) are left out.
///
/// `train` and `test` are real rows, of which none is in both; as many synthetic rows are learnt from as real
/// ones.
///
/// Reference: Esteban, Hyland and Rätsch (2017), Real-valued medical time series generation with recurrent conditional
/// GANs.
pub fn tasks(
    train: &[Column],
    test: &[Column],
    synthetic: &[Column],
    columns: &[usize],
    seed: u64,
) -> Vec<Task> {
    let count = rows(train).min(rows(synthetic));
    let draw = |columns: &[Column], purpose| take(columns, &drawn(rows(columns), count, seed, purpose));
    let (real, made) = (draw(train, "utility real"), draw(synthetic, "utility synthetic"));
    let task = |column: &usize| -> Option<Task> {
        let rule = Rule::of(&train[*column])?;
        let truth = rule.labels(&test[*column]);
        let new = matrix(test, train, Some(*column));
        let auc = |learnt: &[Column]| -> Option<f64> {
            let x = matrix(learnt, train, Some(*column));
            let fitted = fit(Method::Boosted, x.view(), &rule.labels(&learnt[*column]), seed).ok();
            // One kind of rows only teaches nothing.
            fitted.map_or(Some(0.5), |fitted| Some(scores(&truth, &fitted.probabilities(new.view()))?.auc))
        };
        let real_auc = auc(&real).filter(|auc| *auc >= PREDICTABLE)?;
        Some(Task { column: *column, real: real_auc, synthetic: auc(&made)? })
    };
    columns.par_iter().filter_map(task).collect()
}

/// Which rows are to be told from the others.
enum Rule {
    Above(f64),
    Is(u32),
}

impl Rule {
    fn of(column: &Column) -> Option<Self> {
        match column {
            Column::Numbers(values) => {
                let median = super::privacy::quantile(values, 0.5);
                (!median.is_nan()).then_some(Self::Above(median))
            }
            Column::Levels { codes, count } => {
                let ranks = by_frequency(codes, *count);
                ranks.iter().position(|rank| *rank == 0.0).map(|level| Self::Is(level as u32))
            }
        }
    }

    fn labels(&self, column: &Column) -> Vec<bool> {
        match (self, column) {
            (Self::Above(median), Column::Numbers(values)) => {
                values.iter().map(|value| value > median).collect()
            }
            (Self::Is(level), Column::Levels { codes, .. }) => {
                codes.iter().map(|code| code == level).collect()
            }
            _ => vec![false; column.rows()],
        }
    }
}
