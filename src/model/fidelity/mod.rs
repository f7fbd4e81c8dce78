//! How much a synthetic table is like the real one it was learnt from, and how safe it is.
//!
//! Knows numbers and categories; knows nothing of column names or of how rows were made. Column shapes and pair trends
//! are SDMetrics' (MIT), number by number.

pub mod privacy;
pub mod shapes;
pub mod trends;
pub mod utility;

use crate::model::mixed::{Column, rows, take};
use crate::model::random::Streams;
use rand::RngExt;

/// Which pairs of columns count: SDMetrics' thresholds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Two numbers count where their real correlation is above this, sign apart.
    pub correlation: f64,
    /// Two categories (or a category and a number in ten bins) count where their real Cramér's V is above this.
    pub association: f64,
}

/// What a pair of columns is compared by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The position of the first column.
    pub one: usize,
    /// The position of the second.
    pub two: usize,
    /// What is compared.
    pub trend: trends::Trend,
}

/// Column shapes and pair trends.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// The score of each column; NaN where one of the tables has no value in it.
    pub columns: Vec<f64>,
    /// All pairs, those of the first column first.
    pub pairs: Vec<Pair>,
    /// The mean of `columns`.
    pub shapes: f64,
    /// The mean over the pairs that count; NaN where none does.
    pub trends: f64,
}

impl Quality {
    /// The mean of shapes and trends, as far as there are such.
    pub fn overall(&self) -> f64 {
        mean([self.shapes, self.trends])
    }
}

/// The mean of the values that aren't NaN.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values
        .into_iter()
        .filter(|value| !value.is_nan())
        .fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// Column shapes and pair trends of a synthetic table against the real one with the same columns.
///
/// Scores go from 0 to 1, which is best. O(p n log n + p² n), in parallel over columns and pairs.
///
/// Reference: SDMetrics 0.32, `QualityReport`, without its sampling of rows.
pub fn quality(real: &[Column], synthetic: &[Column], thresholds: Thresholds) -> Quality {
    let columns = shapes::all(real, synthetic);
    let pairs = trends::all(real, synthetic, thresholds);
    let shapes = mean(columns.iter().copied());
    let trends = mean(pairs.iter().map(|pair| pair.trend.score()));
    Quality { columns, pairs, shapes, trends }
}

/// Every column shuffled by itself: what a synthesizer gives that only knows columns one by one.
pub fn shuffled(real: &[Column], seed: u64) -> Vec<Column> {
    let streams = Streams::new(seed, "fidelity floor");
    let shuffle = |(at, column): (u64, &Column)| {
        let mut order: Vec<usize> = (0..column.rows()).collect();
        let mut rng = streams.of(at);
        for last in (1..order.len()).rev() {
            order.swap(last, rng.random_range(0..=last));
        }
        column.take(&order)
    };
    (0..).zip(real).map(shuffle).collect()
}

/// So many rows drawn with replacement: what a synthesizer gives that copies rows.
pub fn bootstrapped(real: &[Column], count: usize, seed: u64) -> Vec<Column> {
    let rows = rows(real);
    let mut rng = Streams::new(seed, "fidelity ceiling").of(0);
    let drawn: Vec<usize> =
        (0..if rows == 0 { 0 } else { count }).map(|_| rng.random_range(0..rows)).collect();
    take(real, &drawn)
}

#[cfg(test)]
mod tests;
