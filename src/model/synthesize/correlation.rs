//! Correlation matrices: the nearest one to a matrix that isn't quite one, and its triangular root.
//!
//! Knows symmetric matrices; knows nothing of what correlates.

use ndarray::Array2;

use crate::model::symmetric::{Factor, Symmetric};

/// The smallest eigenvalue of a matrix that is taken as positive definite.
const SMALLEST: f64 = 1e-8;

/// Rounds of projections after which the nearest matrix is taken as found.
const ROUNDS: usize = 100;

/// The triangular root of a matrix; none unless it is positive definite. O(p³).
pub(super) fn root(a: &Array2<f64>) -> Option<Factor> {
    let mut matrix = Symmetric::zeros(a.nrows());
    (0..a.nrows()).for_each(|i| (0..=i).for_each(|j| matrix.set(i, j, a[[i, j]])));
    matrix.factor_by(|pivot, _| (pivot > SMALLEST).then_some(pivot))
}

/// The positive definite correlation matrix nearest to a symmetric matrix, in the Frobenius norm, with its triangular
/// root; the matrix itself where it is one.
///
/// Alternates between matrices without negative eigenvalues and those with ones on the diagonal, with Dykstra's
/// correction. O(p³) a round.
///
/// Reference: Higham (2002), Computing the nearest correlation matrix: a problem from finance.
pub(super) fn nearest(a: &Array2<f64>) -> (Array2<f64>, Factor) {
    if let Some(root) = root(a) {
        return (a.clone(), root);
    }
    let p = a.nrows();
    let (mut y, mut correction) = (a.clone(), Array2::<f64>::zeros((p, p)));
    for _ in 0..ROUNDS {
        let shifted = &y - &correction;
        let projected = without_negative(&shifted);
        correction = &projected - &shifted;
        let mut next = projected;
        next.diag_mut().fill(1.0);
        let moved = (&next - &y).iter().fold(0.0_f64, |most, step| most.max(step.abs()));
        y = next;
        if moved < 1e-7 {
            break;
        }
    }
    definite(y)
}

/// Pulls a matrix to the identity until it is positive definite.
fn definite(mut a: Array2<f64>) -> (Array2<f64>, Factor) {
    let mut pull = 1e-6;
    loop {
        if let Some(root) = root(&a) {
            return (a, root);
        }
        let p = a.nrows();
        for i in 0..p {
            for j in (0..p).filter(|j| *j != i) {
                a[[i, j]] *= 1.0 - pull;
            }
        }
        pull = (pull * 4.0_f64).min(1.0);
    }
}

/// The nearest matrix without negative eigenvalues.
fn without_negative(a: &Array2<f64>) -> Array2<f64> {
    let (values, vectors) = eigen(a);
    let p = a.nrows();
    let mut out = Array2::zeros((p, p));
    for (k, value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        for i in 0..p {
            let left = value * vectors[[i, k]];
            for j in 0..p {
                out[[i, j]] += left * vectors[[j, k]];
            }
        }
    }
    out
}

/// Eigenvalues, and eigenvectors as columns, of a symmetric matrix: Jacobi's rotations. O(p³) a sweep.
fn eigen(a: &Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let p = a.nrows();
    let (mut a, mut v) = (a.clone(), Array2::eye(p));
    for _ in 0..60 {
        let off: f64 = (0..p).flat_map(|i| (0..i).map(move |j| (i, j))).map(|at| a[at] * a[at]).sum();
        if off < 1e-22 * (p * p) as f64 {
            break;
        }
        for i in 0..p {
            for j in i + 1..p {
                rotate(&mut a, &mut v, i, j);
            }
        }
    }
    (a.diag().to_vec(), v)
}

/// Turns rows and columns `i` and `j` so that their entry becomes 0.
fn rotate(a: &mut Array2<f64>, v: &mut Array2<f64>, i: usize, j: usize) {
    if a[[i, j]].abs() < 1e-300 {
        return;
    }
    let theta = (a[[j, j]] - a[[i, i]]) / (2.0 * a[[i, j]]);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta == 0.0 { 1.0 } else { t };
    let cosine = 1.0 / (t * t + 1.0).sqrt();
    let sine = t * cosine;
    for k in 0..a.nrows() {
        let (x, y) = (a[[k, i]], a[[k, j]]);
        a[[k, i]] = cosine * x - sine * y;
        a[[k, j]] = sine * x + cosine * y;
    }
    for k in 0..a.nrows() {
        let (x, y) = (a[[i, k]], a[[j, k]]);
        a[[i, k]] = cosine * x - sine * y;
        a[[j, k]] = sine * x + cosine * y;
        let (x, y) = (v[[k, i]], v[[k, j]]);
        v[[k, i]] = cosine * x - sine * y;
        v[[k, j]] = sine * x + cosine * y;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// The example of Higham (2002), section 4: the nearest correlation matrix to four digits.
    #[test]
    fn finds_highams_matrix() {
        let a = array![[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]];
        let (found, root) = nearest(&a);
        let published = array![[1.0, 0.7607, 0.1573], [0.7607, 1.0, 0.7607], [0.1573, 0.7607, 1.0]];
        assert!((&found - &published).iter().all(|gap| gap.abs() < 6e-5), "{found}");
        for i in 0..3 {
            let line: Vec<f64> = (0..3).map(|j| root.at(i, j)).collect();
            let whole = root.times(&line);
            assert!((0..3).all(|j| (whole[j] - found[[i, j]]).abs() < 1e-12));
        }
    }

    #[test]
    fn a_correlation_matrix_stays_what_it_is() {
        let a = array![[1.0, 0.5], [0.5, 1.0]];
        let (found, root) = nearest(&a);
        assert_eq!(found, a);
        assert!((root.at(1, 0) - 0.5).abs() < 1e-15 && (root.at(1, 1) - 0.75_f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn perfect_dependence_becomes_nearly_perfect() {
        let (found, _) = nearest(&Array2::ones((4, 4)));
        assert!(found.iter().all(|value| *value > 0.999 && *value <= 1.0), "{found}");
    }

    #[test]
    fn eigenvalues_by_hand() {
        let (mut values, _) = eigen(&array![[2.0, 1.0], [1.0, 2.0]]);
        values.sort_by(f64::total_cmp);
        assert!((values[0] - 1.0).abs() < 1e-12 && (values[1] - 3.0).abs() < 1e-12);
    }
}
