//! Columns of a table that mixes numbers and categories, as kernels see them.

/// The code of a category that is missing.
pub const MISSING: u32 = u32::MAX;

/// One column; all columns of a table have equally many rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Numbers, or dates as numbers; NaN is missing.
    Numbers(Vec<f64>),
    /// Categories.
    Levels {
        /// The level of each row, below `count`, or [`MISSING`].
        codes: Vec<u32>,
        /// How many levels there are.
        count: u32,
    },
}

impl Column {
    /// How many rows it has.
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Levels { codes, .. } => codes.len(),
        }
    }

    /// How many rows have no value.
    pub fn missing(&self) -> usize {
        match self {
            Self::Numbers(values) => values.iter().filter(|value| value.is_nan()).count(),
            Self::Levels { codes, .. } => codes.iter().filter(|code| **code == MISSING).count(),
        }
    }

    /// The rows at these places, in their order.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        match self {
            Self::Numbers(values) => Self::Numbers(rows.iter().map(|row| values[*row]).collect()),
            Self::Levels { codes, count } => {
                Self::Levels { codes: rows.iter().map(|row| codes[*row]).collect(), count: *count }
            }
        }
    }

    /// Adds the rows of a column of the same kind.
    pub fn append(&mut self, more: &Self) {
        match (self, more) {
            (Self::Numbers(values), Self::Numbers(more)) => values.extend_from_slice(more),
            (Self::Levels { codes, .. }, Self::Levels { codes: more, .. }) => codes.extend_from_slice(more),
            _ => {}
        }
    }
}

/// How many rows columns have; none where there are no columns.
pub fn rows(columns: &[Column]) -> usize {
    columns.first().map_or(0, Column::rows)
}

/// The rows of all columns at these places.
pub fn take(columns: &[Column], rows: &[usize]) -> Vec<Column> {
    columns.iter().map(|column| column.take(rows)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Column, MISSING, rows, take};

    #[test]
    fn rows_are_taken_added_and_counted() {
        let table = [
            Column::Numbers(vec![1.0, f64::NAN, 3.0]),
            Column::Levels { codes: vec![0, MISSING, 1], count: 2 },
        ];
        assert_eq!((rows(&table), table[0].missing(), table[1].missing()), (3, 1, 1));
        let mut turned = take(&table, &[2, 0]);
        assert_eq!(turned[0], Column::Numbers(vec![3.0, 1.0]));
        assert_eq!(turned[1], Column::Levels { codes: vec![1, 0], count: 2 });
        let other = turned[1].take(&[0]);
        turned[1].append(&other);
        assert_eq!(turned[1], Column::Levels { codes: vec![1, 0, 1], count: 2 });
    }
}
