//! Privacy: whether synthetic rows lie closer to the rows learnt from than new rows of the same kind would.
//!
//! Does not know which columns tell people apart.

use rayon::prelude::*;
use std::collections::BTreeMap;

use super::mean;
use crate::model::mixed::{Column, MISSING, rows};

/// How columns are made comparable: Gower's distance.
#[derive(Clone, Debug)]
pub struct Space {
    /// One over the range of numbers; none for categories.
    scales: Vec<Option<f64>>,
}

/// Rows laid out for distances, row by row.
#[derive(Clone, Debug)]
pub struct Points {
    cells: Vec<f64>,
    width: usize,
}

/// The nearest rows of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// The distance of the nearest row, from 0 to 1: the distance to closest record (DCR).
    pub first: Vec<f64>,
    /// The distance of the nearest over that of the second nearest (NNDR); 1 where both are 0.
    pub ratio: Vec<f64>,
}

impl Space {
    /// The space of a table's rows: numbers are divided by their range.
    pub fn of(columns: &[Column]) -> Self {
        let scale = |column: &Column| match column {
            Column::Numbers(values) => {
                let there = || values.iter().filter(|value| value.is_finite());
                let low = there().fold(f64::INFINITY, |low, value| low.min(*value));
                let high = there().fold(f64::NEG_INFINITY, |high, value| high.max(*value));
                Some(if high > low { 1.0 / (high - low) } else { 0.0 })
            }
            Column::Levels { .. } => None,
        };
        Self { scales: columns.iter().map(scale).collect() }
    }

    /// Lays out the rows at these places.
    pub fn points(&self, columns: &[Column], places: &[usize]) -> Points {
        let cell = |at: usize, row: usize| match (&columns[at], self.scales[at]) {
            (Column::Numbers(values), Some(scale)) => values[row] * scale,
            (Column::Levels { codes, .. }, _) => f64::from(codes[row]),
            (Column::Numbers(values), None) => values[row],
        };
        let cells = places.iter().flat_map(|row| (0..columns.len()).map(move |at| cell(at, *row))).collect();
        Points { cells, width: columns.len() }
    }

    /// Gower's distance: the mean over columns of `|a - b| / range` (at most 1) or of whether categories differ; missing
    /// differs from every value.
    fn distance(&self, one: &[f64], two: &[f64]) -> f64 {
        let mut sum = 0.0;
        for ((a, b), scale) in one.iter().zip(two).zip(&self.scales) {
            sum += match scale {
                None => f64::from(u8::from(a != b)),
                Some(_) if a.is_nan() || b.is_nan() => f64::from(u8::from(a.is_nan() != b.is_nan())),
                Some(_) => (a - b).abs().min(1.0),
            };
        }
        sum / one.len().max(1) as f64
    }

    /// The nearest row of `among` for each row of `of`. O(n m p), in parallel.
    ///
    /// Reference: Gower (1971), A general coefficient of similarity.
    pub fn nearest(&self, of: &Points, among: &Points) -> Nearest {
        let width = of.width.max(1);
        let found: Vec<(f64, f64)> = of
            .cells
            .par_chunks(width)
            .map(|row| {
                let (mut first, mut second) = (f64::INFINITY, f64::INFINITY);
                for other in among.cells.chunks_exact(width) {
                    let distance = self.distance(row, other);
                    if distance < first {
                        (first, second) = (distance, first);
                    } else if distance < second {
                        second = distance;
                    }
                }
                (first, second)
            })
            .collect();
        let ratio = |(first, second): &(f64, f64)| if *second == 0.0 { 1.0 } else { first / second };
        Nearest {
            first: found.iter().map(|(first, _)| *first).collect(),
            ratio: found.iter().filter(|(_, second)| second.is_finite()).map(ratio).collect(),
        }
    }
}

/// The share of rows that are nearer to the rows learnt from than to as many that were held out, ties counting half.
/// A half is what it should be.
pub fn closer(train: &Nearest, holdout: &Nearest) -> f64 {
    let share = |(train, holdout): (&f64, &f64)| match train.total_cmp(holdout) {
        std::cmp::Ordering::Less => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Greater => 0.0,
    };
    mean(train.first.iter().zip(&holdout.first).map(share))
}

/// The share of rows of a table that are, cell by cell, among the rows of another. O(n log n).
pub fn exact_matches(of: &[Column], among: &[Column]) -> f64 {
    let key = |columns: &[Column], row: usize| -> Vec<u64> {
        let cell = |column: &Column| match column {
            Column::Numbers(values) if values[row].is_nan() => u64::MAX,
            // -0 is 0.
            Column::Numbers(values) => (values[row] + 0.0).to_bits(),
            Column::Levels { codes, .. } => u64::from(codes[row]),
        };
        columns.iter().map(cell).collect()
    };
    let known: BTreeMap<Vec<u64>, ()> = (0..rows(among)).map(|row| (key(among, row), ())).collect();
    let count = rows(of);
    let found = (0..count).into_par_iter().filter(|row| known.contains_key(&key(of, *row))).count();
    found as f64 / count as f64
}

/// The quantile of values, between the two next to it; NaN of none.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    if sorted.is_empty() {
        return f64::NAN;
    }
    sorted.sort_unstable_by(f64::total_cmp);
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (place - low as f64)
}

/// Whether a column says nothing: no value, or one only.
pub fn idle(column: &Column) -> bool {
    match column {
        Column::Numbers(values) => values.iter().all(|value| value.is_nan() || *value == values[0]),
        Column::Levels { codes, .. } => codes.iter().all(|code| *code == MISSING || *code == codes[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<Column> {
        vec![
            Column::Numbers(vec![0.0, 5.0, f64::NAN, 10.0]),
            Column::Levels { codes: vec![0, 1, 1, MISSING], count: 2 },
        ]
    }

    #[test]
    fn distances_by_hand() {
        let table = table();
        let space = Space::of(&table);
        let all = space.points(&table, &[0, 1, 2, 3]);
        let nearest = space.nearest(&space.points(&table, &[0]), &space.points(&table, &[1, 2, 3]));
        // To row 1: (0.5 + 1) / 2; to row 2: (1 + 1) / 2; to row 3: (1 + 1) / 2.
        assert_eq!(nearest, Nearest { first: vec![0.75], ratio: vec![0.75] });
        assert_eq!(space.nearest(&all, &all).first, [0.0; 4]);
        let missing = space.nearest(&space.points(&table, &[2]), &space.points(&table, &[0, 1]));
        assert_eq!(missing.first, [0.5], "the category is the same, one number is missing");
    }

    #[test]
    fn copies_are_closer_to_what_was_learnt_and_match_exactly() {
        let table = table();
        let space = Space::of(&table);
        let (half, rest) = (space.points(&table, &[0, 1]), space.points(&table, &[2, 3]));
        let copies = space.points(&table, &[1, 0]);
        let near = |to: &Points| space.nearest(&copies, to);
        assert_eq!(closer(&near(&half), &near(&rest)), 1.0);
        assert_eq!(closer(&near(&half), &near(&half)), 0.5);
        assert_eq!(exact_matches(&table, &table), 1.0);
        let other = [table[0].take(&[1, 0, 2, 3]), table[1].clone()];
        assert_eq!(exact_matches(&other, &table), 0.5);
    }

    #[test]
    fn quantiles_lie_between_values() {
        assert_eq!(quantile(&[3.0, 1.0, f64::NAN, 2.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0], 0.25), 1.25);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
