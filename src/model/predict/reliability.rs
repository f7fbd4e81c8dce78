//! Reliability: of rows given some chance, how many it happened to.
//!
//! Does not know what the chance is of.

/// Rows whose chances lie in the same part of the range from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Its number, from 0 for the lowest chances.
    pub number: usize,
    /// The mean chance of its rows.
    pub predicted: f64,
    /// The share of its rows with the label `true`.
    pub observed: f64,
    /// How many rows it has; at least one.
    pub rows: usize,
}

/// Rows in `bins` parts of equal width, `[0, 1/b), [1/b, 2/b), ..., [1 - 1/b, 1]`; parts without a
/// row are left out. O(n).
///
/// Reference: Niculescu-Mizil and Caruana (2005), Predicting good probabilities.
pub fn reliability(labels: &[bool], chances: &[f64], bins: usize) -> Vec<Bin> {
    let mut sums = vec![(0_usize, 0.0, 0_usize); bins];
    for (label, chance) in labels.iter().zip(chances) {
        // The cast cuts off the fraction, which is meant.
        let part = ((chance * bins as f64) as usize).min(bins.saturating_sub(1));
        if let Some((rows, predicted, observed)) = sums.get_mut(part) {
            *rows += 1;
            *predicted += chance;
            *observed += usize::from(*label);
        }
    }
    let bin = |(number, (rows, predicted, observed)): (usize, (usize, f64, usize))| Bin {
        number,
        predicted: predicted / rows as f64,
        observed: observed as f64 / rows as f64,
        rows,
    };
    sums.into_iter().enumerate().filter(|(_, (rows, ..))| *rows > 0).map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_by_hand() {
        let bins = reliability(&[true, false, true, false], &[0.25, 0.0, 1.0, 0.375], 4);
        let low = Bin { number: 0, predicted: 0.0, observed: 0.0, rows: 1 };
        let next = Bin { number: 1, predicted: 0.3125, observed: 0.5, rows: 2 };
        let high = Bin { number: 3, predicted: 1.0, observed: 1.0, rows: 1 };
        assert_eq!(bins, [low, next, high]);
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(reliability(&[], &[], 10).is_empty());
        assert!(reliability(&[true], &[0.5], 0).is_empty());
    }
}
