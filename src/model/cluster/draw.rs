//! Draws from a random stream that don't change with the version of a sampling library.

use rand::Rng;

/// A number in 0..1 with 53 random bits.
pub(super) fn unit(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// An index below `n` (0 where `n` is 0); the bias is below `n / 2^64`.
pub(super) fn below(rng: &mut impl Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// `count` different indices below `n` (all of them where `count >= n`), ascending.
pub(super) fn subset(rng: &mut impl Rng, n: usize, count: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..n).collect();
    if count < n {
        for at in 0..count {
            indices.swap(at, at + below(rng, n - at));
        }
        indices.truncate(count);
        indices.sort_unstable();
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::{below, subset, unit};
    use crate::model::random::Streams;

    #[test]
    fn draws_stay_in_range() {
        let mut rng = Streams::new(1, "draws").of(0);
        for n in 1..200 {
            assert!(below(&mut rng, n) < n);
            assert!((0.0..1.0).contains(&unit(&mut rng)));
        }
        assert_eq!(below(&mut rng, 0), 0);
    }

    #[test]
    fn subsets_are_sorted_and_without_repeats() {
        let mut rng = Streams::new(1, "draws").of(0);
        let some = subset(&mut rng, 100, 30);
        assert_eq!(some.len(), 30);
        assert!(some.windows(2).all(|pair| pair[0] < pair[1]) && some[29] < 100);
        assert_eq!(subset(&mut rng, 3, 5), [0, 1, 2]);
    }
}
