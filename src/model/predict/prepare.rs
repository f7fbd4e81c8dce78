//! Columns made comparable: missing values filled by the median, then mean 0 and variance 1.
//!
//! Does not know what the columns mean.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

/// Numbers beyond this size count as missing: their squares would overflow.
const LARGEST: f64 = 1e100;

/// How columns are made comparable.
#[derive(Clone, Debug, PartialEq)]
pub struct Standard {
    columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq)]
struct Column {
    median: f64,
    mean: f64,
    sd: f64,
}

impl Standard {
    /// Learns medians, means and standard deviations (with divisor `n`, as scikit-learn does) from
    /// `x` of shape `(n_rows, n_columns)`; means are those after filling. O(n log n) a column.
    pub fn fit(x: ArrayView2<'_, f64>) -> Self {
        Self { columns: x.axis_iter(Axis(1)).map(Column::fit).collect() }
    }

    /// The columns made comparable, in row-major order, with a last column of ones for the
    /// intercept: shape `(n_rows, n_columns + 1)`. A column that was constant is 0.
    pub fn apply(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut out = Array2::ones((x.nrows(), self.columns.len() + 1));
        for ((column, from), mut to) in
            self.columns.iter().zip(x.axis_iter(Axis(1))).zip(out.axis_iter_mut(Axis(1)))
        {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = column.apply(*from));
        }
        out
    }
}

impl Column {
    fn fit(values: ArrayView1<'_, f64>) -> Self {
        let median = median(values.iter().copied().filter(|value| usable(*value)).collect());
        let count = values.len().max(1) as f64;
        let filled = || values.iter().map(|value| if usable(*value) { *value } else { median });
        let mean = filled().sum::<f64>() / count;
        let sd = (filled().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        Self { median, mean, sd }
    }

    fn apply(&self, value: f64) -> f64 {
        let value = if usable(value) { value } else { self.median };
        // Rounding alone gives a constant column of large numbers a tiny deviation.
        if self.sd > self.mean.abs() * 1e-12 { (value - self.mean) / self.sd } else { 0.0 }
    }
}

/// Whether a number can be computed with; all others count as missing.
pub fn usable(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// The median; 0 where there is no value.
fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    let lower = below.iter().copied().max_by(f64::total_cmp);
    match lower {
        Some(lower) if values.len().is_multiple_of(2) => f64::midpoint(lower, upper),
        _ => upper,
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn standardises_by_hand() {
        // The median of 1, 3, 8 is 3; the mean of 1, 3, 3, 8 is 3.75, its variance 6.6875.
        let x = array![[1.0, 7.0], [f64::NAN, 7.0], [3.0, 7.0], [8.0, 7.0]];
        let z = Standard::fit(x.view()).apply(x.view());
        let sd = 6.6875_f64.sqrt();
        assert_eq!(z.column(0).to_vec(), [-2.75 / sd, -0.75 / sd, -0.75 / sd, 4.25 / sd]);
        assert_eq!(z.column(1).to_vec(), [0.0; 4]);
        assert_eq!(z.column(2).to_vec(), [1.0; 4]);
    }

    #[test]
    fn new_rows_are_judged_by_the_old_ones() {
        let standard = Standard::fit(array![[0.0], [2.0]].view());
        let z = standard.apply(array![[5.0], [f64::INFINITY], [f64::NAN]].view());
        assert_eq!(z.column(0).to_vec(), [4.0, 0.0, 0.0]);
    }

    #[test]
    fn nothing_known_is_zero() {
        let z = Standard::fit(array![[f64::NAN], [f64::NAN]].view()).apply(array![[1.0]].view());
        assert_eq!(z.column(0).to_vec(), [0.0]);
        assert_eq!(Standard::fit(Array2::zeros((0, 1)).view()).apply(array![[3.0]].view())[[0, 0]], 0.0);
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(vec![5.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(vec![5.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(vec![4.0]), 4.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
