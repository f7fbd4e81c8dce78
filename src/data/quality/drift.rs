//! How far two distributions lie apart: the population stability index and the distance of Kolmogorov and Smirnov.
//!
//! Knows numbers and counts only.

use std::collections::{BTreeMap, BTreeSet};

/// Parts of equal size that the earlier numbers are cut into.
const TENTHS: usize = 10;
/// A share that is taken for one of zero, whose logarithm doesn't exist.
const TRACE: f64 = 1e-4;

/// The shares of the parts of a distribution: those of the earlier one and of the present one.
pub type Shares = Vec<(f64, f64)>;

/// The population stability index: `sum (a - e) ln(a / e)` over the shares `e` of the earlier and `a` of the present
/// distribution; a share below 0.0001 counts as that. Of no parts it is zero.
///
/// Siddiqi (2006), Credit Risk Scorecards.
pub fn psi(shares: &[(f64, f64)]) -> f64 {
    let part = |(earlier, now): &(f64, f64)| {
        let (earlier, now) = (earlier.max(TRACE), now.max(TRACE));
        (now - earlier) * libm::log(now / earlier)
    };
    shares.iter().map(part).sum()
}

/// The shares of numbers in the tenths of the earlier ones, which must be sorted, as must the present ones. Tenths that
/// begin alike are one.
pub fn tenths(earlier: &[f64], now: &[f64]) -> Shares {
    if earlier.is_empty() || now.is_empty() {
        return Vec::new();
    }
    let edge = |tenth: usize| earlier.get(earlier.len() * tenth / TENTHS).copied();
    let mut edges: Vec<f64> = (1..TENTHS).filter_map(edge).collect();
    edges.dedup();
    let below = |values: &[f64], edge: f64| values.partition_point(|value| *value < edge);
    // Counts are far below 2^53.
    let share = |values: &[f64], from: usize, to: usize| (to - from) as f64 / values.len() as f64;
    let mut shares = Vec::with_capacity(edges.len() + 1);
    let (mut one, mut two) = (0, 0);
    for (to_one, to_two) in edges
        .iter()
        .map(|edge| (below(earlier, *edge), below(now, *edge)))
        .chain([(earlier.len(), now.len())])
    {
        shares.push((share(earlier, one, to_one), share(now, two, to_two)));
        (one, two) = (to_one, to_two);
    }
    shares
}

/// The shares of texts, in the order of the texts.
pub fn of_texts(earlier: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Shares {
    let total = |times: &BTreeMap<String, u64>| times.values().sum::<u64>();
    let (one, two) = (total(earlier), total(now));
    if one == 0 || two == 0 {
        return Vec::new();
    }
    let names: BTreeSet<&String> = earlier.keys().chain(now.keys()).collect();
    // Counts are far below 2^53.
    let share = |times: &BTreeMap<String, u64>, name: &String, total: u64| {
        times.get(name).copied().unwrap_or(0) as f64 / total as f64
    };
    names.into_iter().map(|name| (share(earlier, name, one), share(now, name, two))).collect()
}

/// The distance of Kolmogorov and Smirnov: the largest difference between the shares of numbers up to any number. Both
/// must be sorted; of nothing it is zero.
pub fn ks(earlier: &[f64], now: &[f64]) -> f64 {
    let (mut one, mut two, mut most) = (0, 0, 0.0_f64);
    while let (Some(a), Some(b)) = (earlier.get(one), now.get(two)) {
        let at = a.min(*b);
        one += earlier.get(one..).unwrap_or_default().iter().take_while(|value| **value <= at).count();
        two += now.get(two..).unwrap_or_default().iter().take_while(|value| **value <= at).count();
        // Counts are far below 2^53.
        let share = |count: usize, all: &[f64]| count as f64 / all.len() as f64;
        most = most.max((share(one, earlier) - share(two, now)).abs());
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `ks_2samp([1, 2, 2, 3, 5], [2, 3, 4, 6]).statistic` is 0.35.
    #[test]
    fn the_distance_is_that_of_scipy() {
        assert!((ks(&[1.0, 2.0, 2.0, 3.0, 5.0], &[2.0, 3.0, 4.0, 6.0]) - 0.35).abs() < 1e-12);
        assert_eq!(ks(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert_eq!(ks(&[1.0, 2.0], &[3.0]), 1.0);
        assert_eq!(ks(&[], &[3.0]), 0.0);
    }

    #[test]
    fn the_index_by_hand() {
        // (0.5 - 0.25) ln(0.5 / 0.25) + (0.5 - 0.75) ln(0.5 / 0.75)
        let by_hand = 0.25 * 2.0_f64.ln() - 0.25 * (2.0_f64 / 3.0).ln();
        assert!((psi(&[(0.25, 0.5), (0.75, 0.5)]) - by_hand).abs() < 1e-12);
        assert_eq!(psi(&[(0.5, 0.5), (0.5, 0.5)]), 0.0);
        // A share of zero counts as 0.0001.
        assert!((psi(&[(0.0, 1.0), (1.0, 0.0)]) - 2.0 * 0.9999 * 10_000.0_f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn tenths_are_those_of_the_earlier_numbers() {
        let earlier: Vec<f64> = (0..100).map(f64::from).collect();
        let now: Vec<f64> = (0..100).map(|value| f64::from(value / 2)).collect();
        let shares = tenths(&earlier, &now);
        assert_eq!(shares.len(), 10);
        assert!(shares.iter().all(|(share, _)| (share - 0.1).abs() < 1e-12));
        assert_eq!(
            shares.iter().map(|(_, share)| (share * 100.0).round()).collect::<Vec<_>>()[..6],
            [20.0, 20.0, 20.0, 20.0, 20.0, 0.0]
        );
        // Where most are equal there are fewer parts; where all are, there is one.
        assert_eq!(tenths(&[0.0; 50], &[0.0, 1.0]), [(0.0, 0.0), (1.0, 1.0)]);
        assert_eq!(tenths(&[], &[1.0]), []);
    }

    #[test]
    fn texts_are_parts() {
        let times =
            |pairs: &[(&str, u64)]| pairs.iter().map(|(name, times)| ((*name).to_owned(), *times)).collect();
        let shares = of_texts(&times(&[("app", 1), ("web", 3)]), &times(&[("web", 1), ("fax", 1)]));
        assert_eq!(shares, [(0.25, 0.0), (0.0, 0.5), (0.75, 0.5)]);
    }
}
