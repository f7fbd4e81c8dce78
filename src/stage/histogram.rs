//! How numbers lie: counts in bins of equal width, for whoever shows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most bins.
const BINS: u32 = 32;

/// How numbers lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// The ends of the bins in rising order, one more than there are bins.
    pub edges: Vec<f64>,
    /// How many numbers lie in each bin: its lower end is part of it, and the upper end of the last one too.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// The histogram of the finite ones of these numbers; none where there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let low = finite().min_by(f64::total_cmp)?;
        let high = finite().max_by(f64::total_cmp)?;
        let share = |at: u32| f64::from(at) / f64::from(BINS);
        let mut edges: Vec<_> = (0..=BINS)
            .map(|at| low * (1.0 - share(at)) + high * share(at))
            .map(|edge| edge.clamp(low, high))
            .collect();
        // Numbers that lie too close for as many bins share one.
        edges.dedup();
        if edges.len() < 2 {
            edges = vec![low - 0.5, high + 0.5];
        }
        let mut counts = vec![0; edges.len() - 1];
        for value in finite() {
            let bin = edges.partition_point(|edge| *edge <= value).saturating_sub(1);
            counts[bin.min(edges.len() - 2)] += 1;
        }
        Some(Self { edges, counts })
    }
}

#[cfg(test)]
mod tests {
    use super::{BINS, Histogram};

    #[test]
    fn every_finite_number_is_in_one_bin() {
        let values: Vec<f64> = (0..=64).map(f64::from).chain([f64::NAN, f64::INFINITY]).collect();
        let Histogram { edges, counts } = Histogram::of(&values).unwrap();
        assert_eq!((edges.len(), counts.len()), (BINS as usize + 1, BINS as usize));
        assert_eq!((edges[0], edges[1], edges[32]), (0.0, 2.0, 64.0));
        // Two a bin, and the largest is in the last one.
        assert_eq!((counts[0], counts[31], counts.iter().sum::<u64>()), (2, 3, 65));
    }

    #[test]
    fn numbers_that_are_equal_or_far_apart_have_bins_too() {
        assert_eq!(Histogram::of(&[3.0, 3.0]), Some(Histogram { edges: vec![2.5, 3.5], counts: vec![2] }));
        assert_eq!(Histogram::of(&[]), None);
        assert_eq!(Histogram::of(&[f64::NAN]), None);
        let far = Histogram::of(&[f64::MIN, 0.0, f64::MAX]).unwrap();
        assert!(far.edges.iter().all(|edge| edge.is_finite()) && far.edges.is_sorted());
        assert_eq!(far.counts.iter().sum::<u64>(), 3);
        let near = Histogram::of(&[1.0, 1.0 + f64::EPSILON]).unwrap();
        assert_eq!((near.edges.len(), near.counts.as_slice()), (2, &[2][..]));
    }
}
