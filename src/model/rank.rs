//! Ranking by a number.

/// Positions of `values` from best to worst; equal values keep their order, NaN comes last.
pub fn order(values: &[f64], largest_first: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let worth = |at: usize| match values[at] {
        value if value.is_nan() => f64::NEG_INFINITY,
        value if largest_first => value,
        value => -value,
    };
    order.sort_by(|a, b| worth(*b).total_cmp(&worth(*a)));
    order
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn best_comes_first_and_ties_keep_their_order() {
        assert_eq!(order(&[1.0, 3.0, f64::NAN, 3.0], true), [1, 3, 0, 2]);
        assert_eq!(order(&[1.0, 3.0, f64::NAN, 0.5], false), [3, 0, 1, 2]);
        assert!(order(&[], true).is_empty());
    }
}
