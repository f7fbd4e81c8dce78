//! A sample of rows that is always the same for the same number of rows.
//!
//! Knows no tables. A picture of a sample must not change from run to run, nor depend on a
//! pipeline's seed, so the stream has a seed of its own.

use std::collections::BTreeSet;

use rand::RngExt;

use crate::model::random::Streams;

/// At most `most` of `rows` places without repetition, ascending; all subsets are equally likely.
///
/// O(most log most). Reference: Robert Floyd's method in Bentley & Floyd (1987), "A sample of
/// brilliance", CACM 30(9).
pub fn places(rows: usize, most: usize) -> Vec<usize> {
    if rows <= most {
        return (0..rows).collect();
    }
    let mut rng = Streams::new(0, "chart sample").of(rows as u64);
    let mut chosen = BTreeSet::new();
    for last in rows - most..rows {
        let draw = rng.random_range(0..=last as u64);
        let draw = usize::try_from(draw).unwrap_or(last);
        if !chosen.insert(draw) {
            chosen.insert(last);
        }
    }
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_size_and_no_repetition() {
        let sample = places(10_000, 500);
        assert_eq!(sample.len(), 500);
        assert!(sample.iter().zip(&sample[1..]).all(|(a, b)| a < b));
        assert!(sample[499] < 10_000);
        assert_eq!(sample, places(10_000, 500));
    }

    #[test]
    fn few_rows_are_all_taken() {
        assert_eq!(places(3, 500), [0, 1, 2]);
        assert!(places(0, 500).is_empty());
        assert!(places(5, 0).is_empty());
    }

    #[test]
    fn a_sample_is_spread_over_all_rows() {
        // The mean place of 2,000 of 100,000: 50,000, standard error 100,000 / sqrt(12 * 2000) = 645.
        let sample = places(100_000, 2_000);
        let mean = sample.iter().sum::<usize>() as f64 / 2_000.0;
        assert!((mean - 50_000.0).abs() < 4.0 * 645.0, "{mean}");
    }
}
