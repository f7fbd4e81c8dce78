//! Points to cluster: a dense matrix of finite numbers; it does not know what the features mean.

use super::Error;
use super::distance::LANES;

/// An immutable matrix of shape `(n_rows, n_features)`, row by row.
///
/// Each row is padded with zeros to a multiple of [`LANES`], which changes no distance and lets
/// the inner loops run without a remainder.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    values: Vec<f64>,
    rows: usize,
    features: usize,
    stride: usize,
    reach: f64,
}

impl Points {
    /// Points from one column of length `n_rows` for each feature.
    ///
    /// # Errors
    /// When there are no rows or features, columns differ in length, or a value isn't finite.
    pub fn from_columns(columns: &[Vec<f64>]) -> Result<Self, Error> {
        let first = columns.first().ok_or(Error::NoFeatures)?;
        let mut points = Self::zeros(first.len(), columns.len())?;
        for (feature, column) in columns.iter().enumerate() {
            if column.len() != first.len() {
                return Err(Error::Lengths { expected: first.len(), found: column.len() });
            }
            if let Some(row) = column.iter().position(|value| !value.is_finite()) {
                return Err(Error::NotFinite { row, feature });
            }
            for (row, value) in points.values.chunks_exact_mut(points.stride).zip(column) {
                row[feature] = *value;
            }
        }
        Ok(points.measured())
    }

    /// Points from `n_rows * n_features` values, row by row.
    ///
    /// # Errors
    /// When there are no rows or features, the last row is incomplete, or a value isn't finite.
    pub fn from_rows(features: usize, values: &[f64]) -> Result<Self, Error> {
        let rows = values.len().checked_div(features).ok_or(Error::NoFeatures)?;
        if rows * features != values.len() {
            return Err(Error::Lengths { expected: rows * features, found: values.len() });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { row: at / features, feature: at % features });
        }
        let mut points = Self::zeros(rows, features)?;
        for (row, source) in points.values.chunks_exact_mut(points.stride).zip(values.chunks_exact(features))
        {
            row[..features].copy_from_slice(source);
        }
        Ok(points.measured())
    }

    fn zeros(rows: usize, features: usize) -> Result<Self, Error> {
        if features == 0 {
            return Err(Error::NoFeatures);
        }
        if rows == 0 {
            return Err(Error::NoRows);
        }
        let stride = features.next_multiple_of(LANES);
        Ok(Self { values: vec![0.0; rows * stride], rows, features, stride, reach: 0.0 })
    }

    fn measured(mut self) -> Self {
        self.reach = self.values.iter().fold(0.0, |reach: f64, value| reach.max(value.abs()));
        self
    }

    /// Number of rows, at least 1.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of features, at least 1.
    pub fn features(&self) -> usize {
        self.features
    }

    /// A row, without padding.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.padded(row)[..self.features]
    }

    /// The rows at the indices, in that order.
    ///
    /// # Errors
    /// When there are no indices.
    pub fn select(&self, indices: &[usize]) -> Result<Self, Error> {
        let mut points = Self::zeros(indices.len(), self.features)?;
        for (row, index) in points.values.chunks_exact_mut(self.stride).zip(indices) {
            row.copy_from_slice(self.padded(*index));
        }
        Ok(points.measured())
    }

    /// Values in a row with its padding.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// A row with its padding.
    pub(super) fn padded(&self, row: usize) -> &[f64] {
        &self.values[row * self.stride..(row + 1) * self.stride]
    }

    /// All rows with their padding, one after the other.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// Sum of the squares of all values.
    pub(super) fn squares(&self) -> f64 {
        self.values.iter().map(|value| value * value).sum()
    }

    /// Sum over features of the variance (divisor `n`) of each.
    pub(super) fn total_variance(&self) -> f64 {
        let n = self.rows as f64;
        let mut mean = vec![0.0; self.stride];
        for row in self.values.chunks_exact(self.stride) {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / n);
        }
        let squares = self.values.chunks_exact(self.stride).map(|row| super::distance::squared(row, &mean));
        squares.sum::<f64>() / n
    }

    /// The largest distance of a coordinate from zero.
    pub(super) fn reach(&self) -> f64 {
        self.reach
    }
}

#[cfg(test)]
mod tests {
    use super::Points;
    use crate::model::cluster::Error;

    #[test]
    fn rows_and_columns_give_the_same_points() {
        let rows = Points::from_rows(2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let columns = Points::from_columns(&[vec![1.0, 3.0, 5.0], vec![2.0, 4.0, 6.0]]).unwrap();
        assert_eq!(rows, columns);
        assert_eq!((rows.rows(), rows.features(), rows.row(1)), (3, 2, [3.0, 4.0].as_slice()));
        assert_eq!(rows.select(&[2, 0]).unwrap().row(0), [5.0, 6.0]);
    }

    #[test]
    fn what_is_no_matrix_is_refused() {
        assert_eq!(Points::from_columns(&[]).unwrap_err(), Error::NoFeatures);
        assert_eq!(Points::from_columns(&[vec![]]).unwrap_err(), Error::NoRows);
        assert_eq!(Points::from_rows(0, &[1.0]).unwrap_err(), Error::NoFeatures);
        assert_eq!(Points::from_rows(2, &[1.0; 3]).unwrap_err(), Error::Lengths { expected: 2, found: 3 });
        assert_eq!(
            Points::from_columns(&[vec![1.0, 2.0], vec![1.0]]).unwrap_err(),
            Error::Lengths { expected: 2, found: 1 }
        );
        assert_eq!(
            Points::from_columns(&[vec![1.0, f64::NAN]]).unwrap_err(),
            Error::NotFinite { row: 1, feature: 0 }
        );
        assert_eq!(
            Points::from_rows(2, &[0.0, 1.0, 2.0, f64::INFINITY]).unwrap_err(),
            Error::NotFinite { row: 1, feature: 1 }
        );
    }

    #[test]
    fn total_variance_by_hand() {
        // Variances 1 and 4.
        let points = Points::from_rows(2, &[0.0, 1.0, 2.0, 5.0]).unwrap();
        assert_eq!(points.total_variance(), 5.0);
        assert_eq!(points.reach(), 5.0);
    }
}
