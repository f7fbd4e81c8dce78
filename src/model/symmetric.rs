//! Small symmetric matrices: solving, inverting, and how flat they are.
//!
//! Up to a few hundred rows; does not know what they hold.

/// A symmetric matrix, stored whole by rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Symmetric {
    size: usize,
    cells: Vec<f64>,
}

/// The lower triangle `l` with `l l' = m`.
#[derive(Clone, Debug)]
pub struct Factor {
    size: usize,
    cells: Vec<f64>,
}

impl Symmetric {
    /// All zeros.
    pub fn zeros(size: usize) -> Self {
        Self { size, cells: vec![0.0; size * size] }
    }

    /// Number of rows.
    pub fn size(&self) -> usize {
        self.size
    }

    /// A cell.
    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.size + column]
    }

    /// Sets a cell and its mirror image.
    pub fn set(&mut self, row: usize, column: usize, value: f64) {
        self.cells[row * self.size + column] = value;
        self.cells[column * self.size + row] = value;
    }

    /// Adds to one cell alone; the caller adds to its mirror image too.
    pub fn add(&mut self, row: usize, column: usize, value: f64) {
        self.cells[row * self.size + column] += value;
    }

    /// Adds another matrix of the same size.
    pub fn join(&mut self, other: &Self) {
        self.cells.iter_mut().zip(&other.cells).for_each(|(cell, other)| *cell += other);
    }

    /// Adds a number to every cell of the diagonal.
    pub fn add_to_diagonal(&mut self, value: f64) {
        self.cells.iter_mut().step_by(self.size + 1).for_each(|cell| *cell += value);
    }

    /// The largest size of a cell on the diagonal.
    pub fn largest_on_diagonal(&self) -> f64 {
        self.cells.iter().step_by(self.size + 1).fold(0.0, |largest, cell| cell.abs().max(largest))
    }

    /// Whether all cells are finite.
    pub fn is_finite(&self) -> bool {
        self.cells.iter().all(|cell| cell.is_finite())
    }

    /// The rows and columns at these positions.
    #[must_use]
    pub fn part(&self, rows: &[usize]) -> Self {
        let cells = rows.iter().flat_map(|row| rows.iter().map(|column| self.at(*row, *column)));
        Self { size: rows.len(), cells: cells.collect() }
    }

    /// `v' m v`.
    pub fn form(&self, vector: &[f64]) -> f64 {
        let row = |row: usize| -> f64 { (0..self.size).map(|at| self.at(row, at) * vector[at]).sum() };
        (0..self.size).map(|at| vector[at] * row(at)).sum()
    }

    /// Cholesky's factor; `None` where the matrix isn't positive definite. O(p³).
    pub fn factor(&self) -> Option<Factor> {
        self.factor_by(|pivot, cell| (pivot > 1e-13 * cell.abs()).then_some(pivot))
    }

    /// Cholesky's factor with a say in pivots: `pivot` gets what is left of each cell of the diagonal, and the cell itself,
    /// and gives what to go on with, above 0; or nothing, and there is no factor. O(p³).
    pub fn factor_by(&self, pivot: impl Fn(f64, f64) -> Option<f64>) -> Option<Factor> {
        let size = self.size;
        let mut cells = vec![0.0; size * size];
        for row in 0..size {
            let (before, line) = cells.split_at_mut(row * size);
            for column in 0..row {
                let other = &before[column * size..=column * size + column];
                let rest = self.at(row, column) - dot(&line[..column], &other[..column]);
                line[column] = rest / other[column];
            }
            let cell = self.at(row, row);
            let rest = pivot(cell - dot(&line[..row], &line[..row]), cell)?;
            line[row] = Some(rest.sqrt()).filter(|root| root.is_finite())?;
        }
        Some(Factor { size, cells })
    }

    /// The inverse; `None` where the matrix isn't positive definite.
    pub fn inverse(&self) -> Option<Self> {
        self.factor().map(|factor| factor.inverse()).filter(Self::is_finite)
    }
}

impl Factor {
    /// The solution of `m x = right`.
    pub fn solve(&self, right: &[f64]) -> Vec<f64> {
        let (size, mut x) = (self.size, right.to_vec());
        for row in 0..size {
            let line = &self.cells[row * size..=row * size + row];
            x[row] = (x[row] - dot(&line[..row], &x[..row])) / line[row];
        }
        for row in (0..size).rev() {
            let inner: f64 = (row + 1..size).map(|at| self.cells[at * size + row] * x[at]).sum();
            x[row] = (x[row] - inner) / self.cells[row * size + row];
        }
        x
    }

    /// The factor of a matrix with nothing beside its diagonal, by the roots of that.
    pub fn diagonal(roots: &[f64]) -> Self {
        let size = roots.len();
        let mut cells = vec![0.0; size * size];
        cells.iter_mut().step_by(size + 1).zip(roots).for_each(|(cell, root)| *cell = *root);
        Self { size, cells }
    }

    /// The inverse of the matrix whose factor this is. O(p³).
    pub fn inverse(&self) -> Symmetric {
        let mut inverse = Symmetric::zeros(self.size);
        for column in 0..self.size {
            let mut unit = vec![0.0; self.size];
            unit[column] = 1.0;
            let solved = self.solve(&unit);
            (0..=column).for_each(|row| inverse.set(row, column, solved[row]));
        }
        inverse
    }

    /// Number of rows.
    pub fn size(&self) -> usize {
        self.size
    }

    /// A cell; 0 above the diagonal.
    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.size + column]
    }

    /// `l v`: standard normal numbers become normal ones whose covariances the matrix holds.
    pub fn times(&self, vector: &[f64]) -> Vec<f64> {
        self.cells.chunks(self.size.max(1)).map(|line| dot(line, vector)).collect()
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[cfg(test)]
mod tests {
    use super::Symmetric;

    fn matrix(cells: [[f64; 3]; 3]) -> Symmetric {
        let mut matrix = Symmetric::zeros(3);
        (0..3).for_each(|row| (0..=row).for_each(|column| matrix.set(row, column, cells[row][column])));
        matrix
    }

    /// By hand: the inverse of this second difference has quarters.
    #[test]
    fn the_inverse_of_a_second_difference() {
        let m = matrix([[2.0, 0.0, 0.0], [-1.0, 2.0, 0.0], [0.0, -1.0, 2.0]]);
        let inverse = m.inverse().unwrap();
        let wanted = [[0.75, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.75]];
        for (row, wanted) in wanted.iter().enumerate() {
            for (column, wanted) in wanted.iter().enumerate() {
                assert!((inverse.at(row, column) - wanted).abs() < 1e-15);
            }
        }
        let factor = m.factor().unwrap();
        let solved = factor.solve(&[1.0, 0.0, 1.0]);
        assert!(solved.iter().all(|x| (x - 1.0).abs() < 1e-15));
        // The factor times its own transpose is the matrix.
        for row in 0..factor.size() {
            let line: Vec<f64> = (0..factor.size()).map(|column| factor.at(row, column)).collect();
            let whole = factor.times(&line);
            assert!((0..factor.size()).all(|column| (whole[column] - m.at(row, column)).abs() < 1e-15));
        }
        assert_eq!((m.form(&[1.0, 1.0, 1.0]), m.part(&[0, 2]).at(0, 1)), (2.0, 0.0));
    }

    #[test]
    fn what_is_not_positive_definite_has_no_inverse() {
        assert!(matrix([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).inverse().is_none());
        assert!(matrix([[1.0, 0.0, 0.0], [0.0, f64::NAN, 0.0], [0.0, 0.0, 1.0]]).inverse().is_none());
        // One that lost its rank can be helped.
        let flat = matrix([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        let helped = flat.factor_by(|pivot, cell| Some(pivot.max(1e-6 * cell))).unwrap();
        assert_eq!((helped.at(1, 0), helped.at(1, 1)), (1.0, 1e-3));
        assert_eq!(Symmetric::zeros(0).inverse().unwrap().size(), 0);
    }
}
