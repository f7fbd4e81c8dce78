//! The distribution of one column by itself, and how it lies on the normal scale.
//!
//! Knows one column; knows nothing of how columns hang together.

use super::normal::{below, density, quantile};
use crate::model::mixed::MISSING;

/// Terms of the expansion of a score in Hermite polynomials.
pub(super) const TERMS: usize = 24;

/// Decimal places beyond which numbers are not rounded.
const MOST_DECIMALS: i32 = 6;

/// An increasing function of a standard normal variable, as what it takes to relate two of them.
#[derive(Clone, Debug)]
pub(super) struct Score {
    /// The score of each row: the mean of the normal variable over the part that stands for its value. NaN where
    /// there is no value.
    pub rows: Vec<f64>,
    /// `E[score(Z) He_k(Z)] / sqrt(k!)` for k from 1.
    pub hermite: [f64; TERMS],
}

/// Adds to an expansion what a function contributes that is `score` between `low` and `high`.
///
/// `∫ n_k φ = (n_{k-1}(a) φ(a) - n_{k-1}(b) φ(b)) / sqrt(k)` with `n_k = He_k / sqrt(k!)`.
fn expand(hermite: &mut [f64; TERMS], score: f64, (low, high): (f64, f64)) {
    let (mut a, mut b) = (Normalised::at(low), Normalised::at(high));
    for (k, term) in (1..).zip(hermite.iter_mut()) {
        *term += score * (a.next() - b.next()) / f64::from(k).sqrt();
    }
}

/// `n_k(z) φ(z)` for k = 0, 1, ...; all 0 at infinity.
struct Normalised {
    z: f64,
    k: f64,
    now: f64,
    before: f64,
}

impl Normalised {
    fn at(z: f64) -> Self {
        let finite = if z.is_finite() { z } else { 0.0 };
        let now = if z.is_finite() { density(z) } else { 0.0 };
        Self { z: finite, k: 0.0, now, before: 0.0 }
    }

    fn next(&mut self) -> f64 {
        let now = self.now;
        self.now = (self.z * now - self.k.sqrt() * self.before) / (self.k + 1.0).sqrt();
        self.before = now;
        self.k += 1.0;
        now
    }
}

/// The mean of a normal variable between two of its quantiles.
fn middle(low: f64, high: f64, share: f64) -> f64 {
    let edge = |z: f64| if z.is_finite() { density(z) } else { 0.0 };
    (edge(low) - edge(high)) / share
}

/// The empirical distribution of numbers, between whose order statistics values lie evenly.
///
/// A value that occurs often keeps its share exactly: it is an atom.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    /// All values, ascending.
    sorted: Vec<f64>,
    /// Decimal places that all values have at most.
    decimals: Option<i32>,
}

impl Numbers {
    /// The distribution of the values that aren't NaN, and the score of each row; none where there are none.
    pub fn fit(values: &[f64]) -> Option<(Self, Score)> {
        let mut order: Vec<(f64, u32)> = (0..).zip(values).map(|(row, value)| (*value, row)).collect();
        order.retain(|(value, _)| !value.is_nan());
        if order.is_empty() {
            return None;
        }
        order.sort_unstable_by(|one, two| one.0.total_cmp(&two.0).then(one.1.cmp(&two.1)));
        let total = order.len() as f64;
        let mut score = Score { rows: vec![f64::NAN; values.len()], hermite: [0.0; TERMS] };
        let (mut start, mut low) = (0, f64::NEG_INFINITY);
        for tied in order.chunk_by(|one, two| one.0 == two.0) {
            let end = start + tied.len();
            let high = quantile(end as f64 / total);
            let value = middle(low, high, tied.len() as f64 / total);
            expand(&mut score.hermite, value, (low, high));
            tied.iter().for_each(|(_, row)| score.rows[*row as usize] = value);
            (start, low) = (end, high);
        }
        let sorted: Vec<f64> = order.into_iter().map(|(value, _)| value).collect();
        let decimals = decimals(&sorted);
        Some((Self { sorted, decimals }, score))
    }

    /// The value below which a share `u` lies.
    pub fn value(&self, u: f64) -> f64 {
        let last = self.sorted.len() - 1;
        // Order statistic i stands in the middle of its share of 1/n.
        let place = (u * self.sorted.len() as f64 - 0.5).clamp(0.0, last as f64);
        let at = (place as usize).min(last);
        let (one, two) = (self.sorted[at], self.sorted[(at + 1).min(last)]);
        let value = if one == two { one } else { one + (two - one) * (place - at as f64) };
        round(value, self.decimals)
    }

    /// The part of the normal scale that stands for a value.
    pub fn interval(&self, value: f64) -> (f64, f64) {
        let total = self.sorted.len() as f64;
        let from = self.sorted.partition_point(|one| *one < value);
        let to = self.sorted.partition_point(|one| *one <= value);
        if from == to {
            // Between two order statistics: a point.
            let z = quantile((from as f64 / total).clamp(0.5 / total, 1.0 - 0.5 / total));
            return (z, z);
        }
        (quantile(from as f64 / total), quantile(to as f64 / total))
    }

    /// The smallest and the largest value.
    pub fn range(&self) -> (f64, f64) {
        (self.sorted[0], self.sorted[self.sorted.len() - 1])
    }
}

/// The fewest decimal places that say every value exactly, up to six.
pub fn decimals(values: &[f64]) -> Option<i32> {
    let mut places = 0;
    for value in values {
        while round(*value, Some(places)) != *value {
            places += 1;
            if places > MOST_DECIMALS {
                return None;
            }
        }
    }
    Some(places)
}

/// A value rounded to so many decimal places.
pub fn round(value: f64, decimals: Option<i32>) -> f64 {
    match decimals {
        Some(places) => {
            let scale = 10_f64.powi(places);
            let rounded = (value * scale).round() / scale;
            if rounded.is_finite() { rounded } else { value }
        }
        None => value,
    }
}

/// The shares of categories, in an order that makes neighbours of those that go with like numbers.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    /// Levels in their order on the normal scale; those that never occur are left out.
    order: Vec<u32>,
    /// Where each one's part of the normal scale ends.
    ends: Vec<f64>,
    /// How many levels there may be.
    count: u32,
}

impl Levels {
    /// The distribution of levels (missing is one of them), ordered by `rank`, and the score of each row.
    pub fn fit(codes: &[u32], count: u32, rank: impl Fn(usize) -> f64) -> (Self, Score) {
        let at = |code: u32| if code == MISSING { count as usize } else { code as usize };
        let mut counts = vec![0_usize; count as usize + 1];
        codes.iter().for_each(|code| counts[at(*code)] += 1);
        let mut order: Vec<usize> = (0..counts.len()).filter(|level| counts[*level] > 0).collect();
        order.sort_by(|one, two| rank(*one).total_cmp(&rank(*two)).then(one.cmp(two)));
        let total = codes.len() as f64;
        let mut scores = vec![0.0; counts.len()];
        let mut score = Score { rows: Vec::new(), hermite: [0.0; TERMS] };
        let (mut seen, mut low, mut ends) = (0, f64::NEG_INFINITY, Vec::new());
        for level in &order {
            seen += counts[*level];
            let high = quantile(seen as f64 / total);
            scores[*level] = middle(low, high, counts[*level] as f64 / total);
            expand(&mut score.hermite, scores[*level], (low, high));
            ends.push(high);
            low = high;
        }
        score.rows = codes.iter().map(|code| scores[at(*code)]).collect();
        let code = |level: usize| if level == count as usize { MISSING } else { level as u32 };
        (Self { order: order.into_iter().map(code).collect(), ends, count }, score)
    }

    /// The level whose part of the normal scale `z` lies in.
    pub fn level(&self, z: f64) -> u32 {
        let at = self.ends.partition_point(|end| *end <= z);
        self.order[at.min(self.order.len() - 1)]
    }

    /// How many levels there may be.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The part of the normal scale that stands for a level; none where it never occurred.
    pub fn interval(&self, level: u32) -> Option<(f64, f64)> {
        let at = self.order.iter().position(|one| *one == level)?;
        let low = if at == 0 { f64::NEG_INFINITY } else { self.ends[at - 1] };
        Some((low, self.ends[at]))
    }
}

/// The covariance that two scores have when their normal variables correlate with `rho`: Mehler's formula,
/// `sum_k a_k b_k rho^k`.
fn covariance(one: &Score, two: &Score, rho: f64) -> f64 {
    let terms = one.hermite.iter().zip(&two.hermite).rev();
    rho * terms.fold(0.0, |sum, (a, b)| sum * rho + a * b)
}

/// The correlation of the normal variables behind two scores: the one at which the scores have the covariance that the
/// rows show. 0 where one of them is constant.
///
/// For two numbers it is the correlation of normal scores, for two categories the polychoric one (by moments),
/// for one of each the polyserial one. O(n).
pub(super) fn latent_correlation(one: &Score, two: &Score) -> f64 {
    let (mut count, mut x, mut y, mut xy) = (0.0, 0.0, 0.0, 0.0);
    for (a, b) in one.rows.iter().zip(&two.rows).filter(|(a, b)| !a.is_nan() && !b.is_nan()) {
        count += 1.0;
        x += a;
        y += b;
        xy += a * b;
    }
    if count < 2.0 {
        return 0.0;
    }
    let wanted = xy / count - (x / count) * (y / count);
    let (mut low, mut high) = (-1.0, 1.0);
    if covariance(one, two, high) - covariance(one, two, low) < 1e-12 {
        return 0.0;
    }
    for _ in 0..50 {
        let rho = 0.5 * (low + high);
        if covariance(one, two, rho) < wanted { low = rho } else { high = rho }
    }
    0.5 * (low + high)
}

/// The share of a standard normal variable below `z`.
pub(super) fn share(z: f64) -> f64 {
    below(z)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::Streams;
    use crate::model::synthesize::normal;

    #[test]
    fn values_come_back_with_their_shares() {
        let (numbers, score) = Numbers::fit(&[5.0, 0.0, f64::NAN, 0.0, 2.5]).unwrap();
        assert_eq!(numbers.range(), (0.0, 5.0));
        assert_eq!((numbers.value(0.0), numbers.value(0.3), numbers.value(1.0)), (0.0, 0.0, 5.0));
        assert_eq!(numbers.value(0.75), 3.8, "half way from 2.5 to 5, rounded to one decimal");
        assert_eq!(numbers.interval(0.0), (f64::NEG_INFINITY, 0.0));
        assert_eq!(numbers.interval(1.0), (0.0, 0.0));
        assert!(score.rows[2].is_nan() && score.rows[1] == score.rows[3]);
        let sum: f64 = score.rows.iter().filter(|value| !value.is_nan()).sum();
        assert!(sum.abs() < 1e-12, "scores have the mean of the normal variable");
        assert!(Numbers::fit(&[f64::NAN]).is_none());
    }

    #[test]
    fn decimals_are_the_fewest_that_are_exact() {
        assert_eq!(decimals(&[1.0, -3.0]), Some(0));
        assert_eq!(decimals(&[1.25, 0.5]), Some(2));
        assert_eq!(decimals(&[1.0 / 3.0]), None);
        assert_eq!(decimals(&[1e300]), Some(0));
    }

    #[test]
    fn levels_lie_in_their_order_and_missing_is_one_of_them() {
        let (levels, score) = Levels::fit(&[0, 2, 2, MISSING], 3, |level| -(level as f64));
        assert_eq!(levels.order, [MISSING, 2, 0]);
        assert_eq!((levels.level(-9.0), levels.level(0.0), levels.level(9.0)), (MISSING, 2, 0));
        assert_eq!(levels.interval(1), None);
        assert_eq!(levels.interval(0).unwrap().1, f64::INFINITY);
        assert!(score.rows[1] == score.rows[2] && score.rows[3] < score.rows[1]);
    }

    /// Normal pairs with a known correlation, seen as numbers, as numbers with an atom, and cut into categories.
    #[test]
    fn the_correlation_behind_cut_and_tied_values_is_found() {
        let mut rng = Streams::new(2, "pairs").of(0);
        let pairs: Vec<(f64, f64)> = (0..40_000)
            .map(|_| {
                let x = normal::draw(&mut rng);
                (x, 0.6 * x + 0.8 * normal::draw(&mut rng))
            })
            .collect();
        let numbers = |of: &dyn Fn(&(f64, f64)) -> f64| {
            Numbers::fit(&pairs.iter().map(of).collect::<Vec<_>>()).unwrap().1
        };
        let levels = |of: &dyn Fn(&(f64, f64)) -> u32| {
            Levels::fit(&pairs.iter().map(of).collect::<Vec<_>>(), 3, |level| level as f64).1
        };
        let x = [
            numbers(&|pair| libm::exp(pair.0)),
            numbers(&|pair| pair.0.max(0.3)),
            levels(&|pair| u32::from(pair.0 > 0.5)),
        ];
        let y = [
            numbers(&|pair| pair.1),
            numbers(&|pair| (pair.1 * 2.0).round()),
            levels(&|pair| u32::from(pair.1 > -1.0) + u32::from(pair.1 > 1.0)),
        ];
        for (i, x) in x.iter().enumerate() {
            for (j, y) in y.iter().enumerate() {
                let found = latent_correlation(x, y);
                assert!((found - 0.6).abs() < 0.015, "{i} {j}: {found}");
            }
        }
        let constant = Numbers::fit(&[1.0; 9]).unwrap().1;
        assert_eq!(latent_correlation(&constant, &constant), 0.0);
    }
}
