//! Pair trends: how alike the relation of two columns is in two tables.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{Pair, Thresholds};
use crate::model::mixed::{Column, MISSING};

/// Bins into which numbers are cut beside a category.
const BINS: usize = 10;

/// How the relation of two columns compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trend {
    /// Two numbers, by Pearson's correlation.
    Correlation {
        /// `1 - |r - s| / 2`; NaN where a correlation is undefined or the real one doesn't count.
        score: f64,
        /// The real correlation.
        real: f64,
        /// The synthetic one.
        synthetic: f64,
    },
    /// Two categories, or a category and a number in ten bins, by the shares of their combinations.
    Contingency {
        /// `1 - sum |p - q| / 2` over combinations; NaN where the real association doesn't count.
        score: f64,
        /// Cramér's V of the real columns; NaN where one of them is constant.
        association: f64,
    },
}

impl Trend {
    /// The score.
    pub fn score(self) -> f64 {
        match self {
            Self::Correlation { score, .. } | Self::Contingency { score, .. } => score,
        }
    }
}

/// A column as numbers and as what stands in a table of combinations.
struct Prepared {
    numbers: Option<Vec<f64>>,
    cells: Vec<u32>,
}

fn prepared(column: &Column) -> Prepared {
    match column {
        Column::Numbers(values) => Prepared { cells: binned(values), numbers: Some(values.clone()) },
        Column::Levels { codes, .. } => Prepared { cells: codes.clone(), numbers: None },
    }
}

/// All pairs of columns. A number beside a category is cut into ten bins of equal width between the smallest and
/// the largest value of its own table.
///
/// Reference: SDMetrics 0.32, `ColumnPairTrends`.
pub(super) fn all(real: &[Column], synthetic: &[Column], thresholds: Thresholds) -> Vec<Pair> {
    let real: Vec<Prepared> = real.par_iter().map(prepared).collect();
    let synthetic: Vec<Prepared> = synthetic.par_iter().map(prepared).collect();
    let places: Vec<(usize, usize)> =
        (0..real.len()).flat_map(|one| (one + 1..real.len()).map(move |two| (one, two))).collect();
    let trend = |(one, two): (usize, usize)| {
        let numbers = |table: &[Prepared]| Some((table[one].numbers.clone()?, table[two].numbers.clone()?));
        let trend = match (numbers(&real), numbers(&synthetic)) {
            (Some((x, y)), Some((v, w))) => {
                correlation_similarity((&x, &y), (&v, &w), thresholds.correlation)
            }
            _ => contingency_similarity(
                (&real[one].cells, &real[two].cells),
                (&synthetic[one].cells, &synthetic[two].cells),
                thresholds.association,
            ),
        };
        Pair { one, two, trend }
    };
    places.into_par_iter().map(trend).collect()
}

/// Compares Pearson's correlation of `x` and `y` in two tables, over rows that have both.
///
/// Reference: SDMetrics 0.32, `CorrelationSimilarity`.
pub fn correlation_similarity(real: (&[f64], &[f64]), synthetic: (&[f64], &[f64]), threshold: f64) -> Trend {
    let defined =
        |(x, y): (&[f64], &[f64])| if constant(x) || constant(y) { f64::NAN } else { pearson(x, y) };
    let (r, s) = (defined(real), defined(synthetic));
    let counts = threshold <= 0.0 || r.abs() > threshold;
    let score = if counts { 1.0 - (r - s).abs() / 2.0 } else { f64::NAN };
    Trend::Correlation { score, real: r, synthetic: s }
}

/// Whether there is exactly one different value.
fn constant(values: &[f64]) -> bool {
    let mut there = values.iter().filter(|value| !value.is_nan());
    there.next().is_some_and(|first| there.all(|next| next == first))
}

/// Pearson's correlation over rows that have both values; NaN where one is constant there.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let both = || x.iter().zip(y).filter(|(x, y)| !x.is_nan() && !y.is_nan());
    let (mut count, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
    for (x, y) in both() {
        count += 1.0;
        sum_x += x;
        sum_y += y;
    }
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in both() {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    if count < 2.0 || xx == 0.0 || yy == 0.0 {
        return f64::NAN;
    }
    (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0)
}

/// Compares the shares of combinations of two categories in two tables; missing is a category.
///
/// Reference: SDMetrics 0.32, `ContingencySimilarity`.
pub fn contingency_similarity(real: (&[u32], &[u32]), synthetic: (&[u32], &[u32]), threshold: f64) -> Trend {
    let (one, two) = (combinations(real), combinations(synthetic));
    let association = cramers_v(&one);
    if threshold > 0.0 && (association.is_nan() || association <= threshold) {
        return Trend::Contingency { score: f64::NAN, association };
    }
    let (n, m) = (real.0.len() as f64, synthetic.0.len() as f64);
    let mut variation = 0.0;
    for (cell, count) in &one {
        variation += (count / n - two.get(cell).copied().unwrap_or(0.0) / m).abs();
    }
    let new = two.iter().filter(|(cell, _)| !one.contains_key(*cell));
    variation += new.map(|(_, count)| count / m).sum::<f64>();
    Trend::Contingency { score: 1.0 - variation / 2.0, association }
}

/// How many rows have each combination, in order.
type Combinations = BTreeMap<(u32, u32), f64>;

/// The largest table of combinations that is counted as an array.
const DENSE: usize = 1 << 20;

fn combinations((x, y): (&[u32], &[u32])) -> Combinations {
    let width = |codes: &[u32]| {
        codes.iter().filter(|code| **code != MISSING).max().map_or(0, |most| *most as usize + 1)
    };
    let (rows, columns) = (width(x), width(y));
    if (rows + 1).saturating_mul(columns + 1) > DENSE {
        let mut counts = Combinations::new();
        x.iter().zip(y).for_each(|(x, y)| *counts.entry((*x, *y)).or_default() += 1.0);
        return counts;
    }
    let place = |code: u32, width: usize| if code == MISSING { width } else { code as usize };
    let mut counts = vec![0_u32; (rows + 1) * (columns + 1)];
    x.iter().zip(y).for_each(|(x, y)| counts[place(*x, rows) * (columns + 1) + place(*y, columns)] += 1);
    let code = |place: usize, width: usize| if place == width { MISSING } else { place as u32 };
    let cells = counts.into_iter().enumerate().filter(|(_, count)| *count > 0);
    cells
        .map(|(at, count)| {
            ((code(at / (columns + 1), rows), code(at % (columns + 1), columns)), f64::from(count))
        })
        .collect()
}

/// Cramér's V, `sqrt(chi² / n / min(r - 1, c - 1))`; NaN where a side has fewer than two categories.
fn cramers_v(counts: &Combinations) -> f64 {
    let (mut rows, mut columns) = (BTreeMap::<u32, f64>::new(), BTreeMap::<u32, f64>::new());
    for ((x, y), count) in counts {
        *rows.entry(*x).or_default() += count;
        *columns.entry(*y).or_default() += count;
    }
    let total: f64 = rows.values().sum();
    let freedom = rows.len().min(columns.len());
    if freedom < 2 {
        return f64::NAN;
    }
    // sum (o - e)² / e = sum o² / e - n, and cells without rows add nothing to the first sum.
    let squares: f64 = counts.iter().map(|((x, y), count)| count * count / (rows[x] * columns[y])).sum();
    ((squares - 1.0).max(0.0) * total / total / (freedom - 1) as f64).sqrt()
}

/// The bin of each value, from 1, between ten of equal width over the range of all values; what isn't below the last edge
/// is 11, and so is what is missing.
///
/// NumPy 2.4, `digitize` of `histogram_bin_edges`.
pub fn binned(values: &[f64]) -> Vec<u32> {
    let there = || values.iter().filter(|value| !value.is_nan());
    let low = there().fold(f64::INFINITY, |low, value| low.min(*value));
    let high = there().fold(f64::NEG_INFINITY, |high, value| high.max(*value));
    let (low, high) = match (low, high) {
        (low, high) if low > high => (0.0, 1.0),
        (low, high) if low == high => (low - 0.5, high + 0.5),
        range => range,
    };
    let step = (high - low) / BINS as f64;
    let edge = |at: usize| if at == BINS { high } else { at as f64 * step + low };
    let edges: Vec<f64> = (0..=BINS).map(edge).collect();
    let bin = |value: &f64| {
        if value.is_nan() { edges.len() as u32 } else { edges.partition_point(|edge| edge <= value) as u32 }
    };
    values.iter().map(bin).collect()
}
