//! How much two labellings of the same rows agree; it does not know the rows.

use std::collections::BTreeMap;

use super::{Error, Partition};

/// The adjusted Rand index: 1 for the same clusters under any names, 0 on average for random ones,
/// down to -0.5.
///
/// With `a` the pairs together in both, `b` and `c` those together in one only and `d` those apart
/// in both: `2 (a d - b c) / ((a + b)(b + d) + (a + c)(c + d))`; 1 where no pair is together in one
/// labelling only.
///
/// # Errors
/// When the labellings differ in length.
///
/// O(n log n); Hubert and Arabie, "Comparing partitions" (1985).
pub fn adjusted_rand(one: &Partition, other: &Partition) -> Result<f64, Error> {
    if one.rows() != other.rows() {
        return Err(Error::Lengths { expected: one.rows(), found: other.rows() });
    }
    let mut cells: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for pair in one.clusters().iter().copied().zip(other.clusters().iter().copied()) {
        *cells.entry(pair).or_default() += 1;
    }
    let both = pairs(cells.values().copied());
    let only_one = pairs(one.sizes().iter().copied()) - both;
    let only_other = pairs(other.sizes().iter().copied()) - both;
    let neither = pairs([one.rows()].into_iter()) - both - only_one - only_other;
    if only_one == 0.0 && only_other == 0.0 {
        return Ok(1.0);
    }
    let chance = (both + only_one) * (only_one + neither) + (both + only_other) * (only_other + neither);
    Ok(2.0 * (both * neither - only_one * only_other) / chance)
}

/// Pairs of rows within groups of these sizes; exact below 2^53.
fn pairs(sizes: impl Iterator<Item = usize>) -> f64 {
    sizes.map(|size| size as u128 * size.saturating_sub(1) as u128 / 2).sum::<u128>() as f64
}

#[cfg(test)]
mod tests {
    use super::adjusted_rand;
    use crate::model::cluster::{Error, Partition};

    fn index(one: &[u32], other: &[u32]) -> f64 {
        adjusted_rand(&Partition::of(one), &Partition::of(other)).unwrap()
    }

    #[test]
    fn published_example() {
        // scikit-learn's documentation of `adjusted_rand_score`.
        assert!((index(&[0, 0, 1, 2], &[0, 0, 1, 1]) - 0.571_428_6).abs() < 1e-7);
        assert_eq!(index(&[0, 0, 0, 0], &[0, 1, 2, 3]), 0.0);
        assert_eq!(index(&[0, 0, 1, 1], &[0, 1, 0, 1]), -0.5);
    }

    #[test]
    fn names_do_not_matter_and_neither_does_the_order() {
        assert_eq!(index(&[5, 5, 9], &[1, 1, 0]), 1.0);
        let (one, other) = ([0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 1, 0, 2, 2]);
        assert_eq!(index(&one, &other), index(&other, &one));
    }

    #[test]
    fn degenerate_labellings() {
        assert_eq!(index(&[], &[]), 1.0);
        assert_eq!(index(&[3], &[4]), 1.0);
        assert_eq!(index(&[0, 0], &[1, 1]), 1.0);
        let error = adjusted_rand(&Partition::of(&[0]), &Partition::of(&[0, 1]));
        assert_eq!(error, Err(Error::Lengths { expected: 1, found: 2 }));
    }
}
