//! The best split of a leaf, from the sums of its bins. Does not know rows.

use pulp::{Arch, Simd, WithSimd};

use super::bins::CODES;
use super::sum::Sum;

/// How a tree grows.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// Leaves at most.
    pub leaves: usize,
    /// The second derivative that a leaf needs in sum.
    pub leaf_weight: f64,
    /// The penalty on squared leaf values (lambda).
    pub penalty: f64,
}

/// A split of a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// The loss that it saves.
    pub gain: f64,
    /// Place among the tree's columns.
    pub place: usize,
    /// Values in bins up to this one go left.
    pub upto: u8,
    /// Whether rows without a value go left.
    pub missing_left: bool,
    /// What goes left, in sum.
    pub left: Sum,
}

/// A leaf whose best split is looked for.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// For each column of the tree the sums of all bins, the one for missing values first.
    pub histogram: &'a [Sum],
    /// For each column of the tree how many bins have an edge above them.
    pub edges: &'a [usize],
    /// All rows of the leaf, in sum.
    pub sum: Sum,
    /// How a tree grows.
    pub growth: &'a Growth,
}

/// What each bin's upper edge would save, as a split.
type Gains = [f64; CODES];

impl Search<'_> {
    /// The split that saves most; among equals that of the first column and the lowest edge.
    pub fn best(self) -> Option<Split> {
        Arch::new().dispatch(self)
    }

    /// What a split saves behind each bin, when the bins up to it sum up to `lefts` and `more` goes left with them.
    /// A split with too light a side saves nothing.
    #[inline(always)]
    fn gains(&self, lefts: &[Sum], more: Sum, gains: &mut Gains) {
        let Growth { penalty, leaf_weight, .. } = *self.growth;
        let before = self.sum.saves(penalty);
        for (gain, left) in gains.iter_mut().zip(lefts) {
            let mut left = *left;
            left += more;
            let right = self.sum - left;
            let saved = (left.saves(penalty) + right.saves(penalty) - before) / 2.0;
            let heavy = left.curve() >= leaf_weight && right.curve() >= leaf_weight;
            *gain = if heavy { saved } else { 0.0 };
        }
    }

    /// The best split on one column, if it saves more than `least`.
    #[inline(always)]
    fn on_column(&self, place: usize, sums: &[Sum], edges: usize, least: f64) -> Option<Split> {
        let missing = sums[0];
        let any_missing = missing != Sum::default();
        // Behind the last bin only missing values are left, if there are any.
        let bins = &sums[1..=edges + usize::from(any_missing)];
        let mut lefts = [Sum::default(); CODES];
        let mut left = Sum::default();
        for (sum, bin) in lefts.iter_mut().zip(bins) {
            left += *bin;
            *sum = left;
        }
        let lefts = &lefts[..bins.len()];
        let (mut with_right, mut with_left) = ([0.0; CODES], [0.0; CODES]);
        self.gains(lefts, Sum::default(), &mut with_right);
        if any_missing {
            self.gains(lefts, missing, &mut with_left);
        }
        let (mut best, mut most) = (None, least);
        let filled = bins.iter().enumerate().filter(|(_, bin)| **bin != Sum::default());
        for (at, _) in filled {
            for (gains, on_left) in [(&with_right, false), (&with_left, true)] {
                if gains[at] > most {
                    most = gains[at];
                    best = Some((at, on_left));
                }
            }
        }
        let (at, on_left) = best?;
        let mut left = lefts[at];
        if on_left {
            left += missing;
        }
        // Where nothing is missing, a missing value would go to the heavier side.
        let missing_left = if any_missing { on_left } else { left.curve() > (self.sum - left).curve() };
        let upto = u8::try_from(at + 1).ok()?;
        Some(Split { gain: most, place, upto, missing_left, left })
    }
}

impl WithSimd for Search<'_> {
    type Output = Option<Split>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Option<Split> {
        let mut best: Option<Split> = None;
        for (place, (sums, edges)) in self.histogram.chunks_exact(CODES).zip(self.edges).enumerate() {
            let least = best.map_or(0.0, |best| best.gain);
            best = self.on_column(place, sums, *edges, least).or(best);
        }
        best
    }
}
