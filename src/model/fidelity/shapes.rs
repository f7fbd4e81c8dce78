//! Column shapes: how alike two columns are, each taken by itself.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::model::mixed::{Column, MISSING};

/// The share of a category that is only in the synthetic column, in rows.
const UNSEEN: f64 = 1e-6;

/// The score of each column: [`ks_complement`] of numbers, [`tv_complement`] of categories.
pub(super) fn all(real: &[Column], synthetic: &[Column]) -> Vec<f64> {
    let pairs: Vec<_> = real.iter().zip(synthetic).collect();
    pairs
        .into_par_iter()
        .map(|pair| match pair {
            (Column::Numbers(real), Column::Numbers(synthetic)) => ks_complement(real, synthetic),
            (Column::Levels { codes: real, count }, Column::Levels { codes: synthetic, count: other }) => {
                tv_complement(real, synthetic, *count.max(other))
            }
            _ => f64::NAN,
        })
        .collect()
}

/// `1 - max |F(x) - G(x)|`, the complement of the two-sample Kolmogorov-Smirnov statistic, of values that aren't NaN;
/// NaN where a sample has none. O(n log n).
///
/// Reference: SDMetrics 0.32, `KSComplement`; like it, values are rounded to 14 decimal places.
pub fn ks_complement(real: &[f64], synthetic: &[f64]) -> f64 {
    let sorted = |values: &[f64]| {
        let rounded = values.iter().filter(|value| !value.is_nan()).map(|value| rounded(*value));
        let mut sorted: Vec<f64> = rounded.collect();
        sorted.sort_unstable_by(|one, two| one.partial_cmp(two).unwrap_or(Ordering::Equal));
        sorted
    };
    let (one, two) = (sorted(real), sorted(synthetic));
    if one.is_empty() || two.is_empty() {
        return f64::NAN;
    }
    let (mut i, mut j, mut most) = (0, 0, 0.0_f64);
    while i < one.len() && j < two.len() {
        let value = one[i].min(two[j]);
        i += one[i..].iter().take_while(|next| **next <= value).count();
        j += two[j..].iter().take_while(|next| **next <= value).count();
        let gap = i as f64 / one.len() as f64 - j as f64 / two.len() as f64;
        most = most.max(gap.abs());
    }
    1.0 - most
}

/// Rounded to 14 places where that is a number.
fn rounded(value: f64) -> f64 {
    let rounded = (value * 1e14).round_ties_even() / 1e14;
    if rounded.is_finite() { rounded } else { value }
}

/// `1 - sum |p - q| / 2`, the complement of the total variation distance, of rows that have a value; NaN where a sample
/// has none. O(n).
///
/// Reference: SDMetrics 0.32, `TVComplement`; like it, a category that only the synthetic column has counts as a
/// millionth of a row of the real one.
pub fn tv_complement(real: &[u32], synthetic: &[u32], count: u32) -> f64 {
    let counts = |codes: &[u32]| {
        let mut counts = vec![0.0; count as usize];
        codes.iter().filter(|code| **code != MISSING).for_each(|code| counts[*code as usize] += 1.0);
        counts
    };
    let (mut one, two) = (counts(real), counts(synthetic));
    if one.iter().sum::<f64>() == 0.0 || two.iter().sum::<f64>() == 0.0 {
        return f64::NAN;
    }
    for (real, synthetic) in one.iter_mut().zip(&two) {
        if *real == 0.0 && *synthetic > 0.0 {
            *real = UNSEEN;
        }
    }
    let (total, other): (f64, f64) = (one.iter().sum(), two.iter().sum());
    1.0 - 0.5 * one.iter().zip(&two).map(|(p, q)| (q / other - p / total).abs()).sum::<f64>()
}
