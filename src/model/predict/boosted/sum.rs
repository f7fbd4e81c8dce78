//! Derivatives of the logistic loss, of a row and in sum.
//!
//! Sums are in fixed point, so that they are exact: neither the order of the rows nor the number of
//! threads can change a tree, and what a brother leaves of its parent is as good as counted.

use std::ops::{AddAssign, Sub, SubAssign};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// What 1 is in fixed point: sums of up to 2^30 derivatives fit.
const ONE: f64 = (1_u64 << 32) as f64;

/// Beside this number those between -2^51 and 2^51 have no fraction: adding it rounds.
const WHOLE: f64 = 6_755_399_441_055_744.0;

/// The same for single precision, between -2^22 and 2^22.
const WHOLE_SINGLE: f32 = 12_582_912.0;

/// Rows whose derivatives are computed in one task.
const LARGE: usize = 1 << 17;

/// First and second derivative of the loss, of a row or summed, in fixed point. Aligned, so that none lies in two
/// lines of the cache: most of the time goes into adding up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(16))]
pub struct Sum {
    slope: i64,
    curve: i64,
}

impl Sum {
    /// Derivatives of one row, each at most 1 in size, to the next multiple of 2^-32.
    #[inline(always)]
    pub fn of(slope: f64, curve: f64) -> Self {
        let fixed = |value: f64| (value * ONE + WHOLE).to_bits().wrapping_sub(WHOLE.to_bits()).cast_signed();
        Self { slope: fixed(slope), curve: fixed(curve) }
    }

    /// The first derivative.
    #[inline(always)]
    pub fn slope(self) -> f64 {
        self.slope as f64 / ONE
    }

    /// The second derivative.
    #[inline(always)]
    pub fn curve(self) -> f64 {
        self.curve as f64 / ONE
    }

    /// Twice what a leaf with the best value saves.
    #[inline(always)]
    pub fn saves(self, penalty: f64) -> f64 {
        self.slope() * self.slope() / (self.curve() + penalty)
    }
}

impl AddAssign for Sum {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        self.slope += other.slope;
        self.curve += other.curve;
    }
}

impl SubAssign for Sum {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        self.slope -= other.slope;
        self.curve -= other.curve;
    }
}

impl Sub for Sum {
    type Output = Self;

    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        self -= other;
        self
    }
}

/// First and second derivatives of the logistic loss at the scores so far: `p - y` and `p (1 - p)`.
pub fn derivatives(scores: &[f64], y: &[bool]) -> Vec<Sum> {
    let mut sums = vec![Sum::default(); scores.len()];
    sums.par_chunks_mut(LARGE)
        .zip(scores.par_chunks(LARGE).zip(y.par_chunks(LARGE)))
        .for_each(|(sums, (scores, labels))| Arch::new().dispatch(Deriving { scores, labels, sums }));
    sums
}

struct Deriving<'a> {
    scores: &'a [f64],
    labels: &'a [bool],
    sums: &'a mut [Sum],
}

impl WithSimd for Deriving<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((sum, score), label) in self.sums.iter_mut().zip(self.scores).zip(self.labels) {
            // Seven digits are more than a tree can tell apart.
            let chance = 1.0 / (1.0 + f64::from(exponential(-*score as f32)));
            *sum = Sum::of(chance - f64::from(u8::from(*label)), chance * (1.0 - chance));
        }
    }
}

/// `e^x` to seven digits, between 2^-125 and 2^126, by additions and multiplications alone: the same bits on every
/// processor, and many at once.
///
/// `x = n ln 2 + r` with `r` at most half of `ln 2` in size; `e^r` is its Taylor series up to `r^7`.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    let x = x.clamp(-86.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + WHOLE_SINGLE;
    let n = shifted - WHOLE_SINGLE;
    // ln 2 in two parts, the first with few enough digits that its product with `n` is exact.
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let series = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let value = series.into_iter().fold(1.0 / 5_040.0, |sum, term| sum * r + term);
    // `n` stands in the last digits of `shifted`; as an exponent it is counted from 127.
    value * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the exponential in double precision of the crate `libm`.
    #[test]
    fn the_exponential_has_seven_digits() {
        for step in -86_000..=87_000 {
            let x = step as f32 / 1_000.0;
            let truth = libm::exp(f64::from(x));
            let error = f64::from(exponential(x)) / truth - 1.0;
            assert!(error.abs() < 2e-7, "{x}: {error}");
        }
        assert_eq!(exponential(0.0), 1.0);
        assert_eq!((exponential(-1e30), exponential(1e30)), (exponential(-86.0), exponential(87.0)));
    }

    #[test]
    fn derivatives_are_those_of_the_logistic_loss() {
        let sums = derivatives(&[0.0, 2.0, -40.0], &[true, false, false]);
        let chance = 1.0 / (1.0 + libm::exp(-2.0));
        let expected = [(-0.5, 0.25), (chance, chance * (1.0 - chance)), (0.0, 0.0)];
        for (sum, (slope, curve)) in sums.into_iter().zip(expected) {
            assert!((sum.slope() - slope).abs() < 1e-7 && (sum.curve() - curve).abs() < 1e-7, "{sum:?}");
        }
    }

    #[test]
    fn sums_are_exact_and_rounded_to_the_next_multiple() {
        let unit = 1.0 / ONE;
        assert_eq!(Sum::of(-1.0, 1.0), Sum { slope: -(1 << 32), curve: 1 << 32 });
        assert_eq!(Sum::of(0.4 * unit, -0.6 * unit), Sum { slope: 0, curve: -1 });
        let mut sum = Sum::of(0.1, 0.2);
        let before = sum;
        sum += Sum::of(0.7, 0.05);
        assert_eq!(sum - Sum::of(0.7, 0.05), before);
    }
}
