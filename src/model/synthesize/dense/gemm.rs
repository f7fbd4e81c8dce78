//! Matrix products in single precision: blocked, vectorised and the same bits everywhere.
//!
//! Each element is one chain of fused multiply-adds over the inner dimension in ascending order, which rounds alike on every processor,
//! in vectors of any width and on any number of threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Matrix;

/// Rows of a tile.
const TALL: usize = 6;

/// Columns of a tile: two vectors of AVX2.
const WIDE: usize = 16;

/// Whether a factor is taken as it is or turned over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Turn {
    /// As it is.
    As,
    /// Turned over: rows become columns.
    Over,
}

/// `a b` of turned factors: shapes `(m, k)` and `(k, n)` after turning.
pub(in super::super) fn product(a: &Matrix, turn_a: Turn, b: &Matrix, turn_b: Turn) -> Matrix {
    let (m, k) = turned(a, turn_a);
    let (inner, n) = turned(b, turn_b);
    debug_assert_eq!(k, inner);
    let mut out = Matrix::zeros(m, n);
    if m == 0 || n == 0 || k == 0 {
        return out;
    }
    let panels = pack(b, turn_b == Turn::As, k, n, WIDE);
    // Some more parts than threads; which rows stand together changes no bit.
    let parts = 2 * rayon::current_num_threads();
    let rows = m.div_ceil(parts).next_multiple_of(TALL);
    out.data.par_chunks_mut(rows * n).enumerate().for_each(|(part, out)| {
        let from = part * rows;
        let count = out.len() / n;
        let strips = pack_rows(a, turn_a, from, count, k);
        Arch::new().dispatch(Tiles { strips: &strips, panels: &panels, k, n, out });
    });
    out
}

fn turned(matrix: &Matrix, turn: Turn) -> (usize, usize) {
    match turn {
        Turn::As => (matrix.rows, matrix.columns),
        Turn::Over => (matrix.columns, matrix.rows),
    }
}

/// Lays out the second factor in panels of `wide` columns, each inner index after the other, filled up with zeros.
fn pack(b: &Matrix, upright: bool, k: usize, n: usize, wide: usize) -> Vec<f32> {
    let mut panels = vec![0.0; n.div_ceil(wide) * wide * k];
    panels.par_chunks_mut(wide * k).enumerate().for_each(|(panel, cells)| {
        let from = panel * wide;
        let count = wide.min(n - from);
        if upright {
            for (at, row) in cells.chunks_exact_mut(wide).enumerate() {
                row[..count].copy_from_slice(&b.data[at * n + from..][..count]);
            }
        } else {
            for column in 0..count {
                let source = &b.data[(from + column) * k..][..k];
                cells[column..].iter_mut().step_by(wide).zip(source).for_each(|(cell, value)| *cell = *value);
            }
        }
    });
    panels
}

/// Lays out rows of the first factor in strips of [`TALL`], each inner index after the other.
fn pack_rows(a: &Matrix, turn: Turn, from: usize, count: usize, k: usize) -> Vec<f32> {
    let mut strips = vec![0.0; count.div_ceil(TALL) * TALL * k];
    for (strip, cells) in strips.chunks_exact_mut(TALL * k).enumerate() {
        let first = from + strip * TALL;
        let rows = TALL.min(from + count - first);
        match turn {
            Turn::As => {
                for row in 0..rows {
                    let source = &a.data[(first + row) * k..][..k];
                    cells[row..]
                        .iter_mut()
                        .step_by(TALL)
                        .zip(source)
                        .for_each(|(cell, value)| *cell = *value);
                }
            }
            Turn::Over => {
                for (at, row) in cells.chunks_exact_mut(TALL).enumerate() {
                    row[..rows].copy_from_slice(&a.data[at * a.columns + first..][..rows]);
                }
            }
        }
    }
    strips
}

/// All tiles of some rows.
struct Tiles<'a> {
    strips: &'a [f32],
    panels: &'a [f32],
    k: usize,
    n: usize,
    out: &'a mut [f32],
}

impl WithSimd for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { strips, panels, k, n, out } = self;
        for (panel, b) in panels.chunks_exact(WIDE * k).enumerate() {
            let width = WIDE.min(n - panel * WIDE);
            for (strip, a) in strips.chunks_exact(TALL * k).enumerate() {
                let tile = tile(a, b);
                let rows = out[strip * TALL * n..].chunks_mut(n).take(TALL);
                for (row, values) in rows.zip(&tile) {
                    row[panel * WIDE..][..width].copy_from_slice(&values[..width]);
                }
            }
        }
    }
}

#[inline(always)]
fn tile(a: &[f32], b: &[f32]) -> [[f32; WIDE]; TALL] {
    let mut sums = [[0.0; WIDE]; TALL];
    for (a, b) in a.as_chunks::<TALL>().0.iter().zip(b.as_chunks::<WIDE>().0) {
        for row in 0..TALL {
            for column in 0..WIDE {
                sums[row][column] = a[row].mul_add(b[column], sums[row][column]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(rows: usize, columns: usize, salt: usize) -> Matrix {
        let data = (0..rows * columns).map(|at| ((at * 37 + salt) % 19) as f32 - 9.0).collect();
        Matrix { rows, columns, data }
    }

    fn turn_over(matrix: &Matrix) -> Matrix {
        let cell = |at: usize| matrix.data[at % matrix.rows * matrix.columns + at / matrix.rows];
        let data = (0..matrix.data.len()).map(cell).collect();
        Matrix { rows: matrix.columns, columns: matrix.rows, data }
    }

    /// Whole numbers, so that every order of sums gives the same.
    #[test]
    fn products_are_exact_in_all_turns_and_sizes() {
        for (m, k, n) in [(1, 1, 1), (7, 5, 17), (6, 3, 16), (13, 40, 33), (100, 9, 2)] {
            let (a, b) = (filled(m, k, 3), filled(k, n, 5));
            let mut expected = Matrix::zeros(m, n);
            for i in 0..m {
                for j in 0..n {
                    expected.data[i * n + j] = (0..k).map(|at| a.data[i * k + at] * b.data[at * n + j]).sum();
                }
            }
            let (over_a, over_b) = (turn_over(&a), turn_over(&b));
            assert_eq!(product(&a, Turn::As, &b, Turn::As), expected, "{m} {k} {n}");
            assert_eq!(product(&over_a, Turn::Over, &b, Turn::As), expected);
            assert_eq!(product(&a, Turn::As, &over_b, Turn::Over), expected);
            assert_eq!(product(&over_a, Turn::Over, &over_b, Turn::Over), expected);
        }
        assert_eq!(product(&filled(3, 0, 0), Turn::As, &filled(0, 2, 0), Turn::As), Matrix::zeros(3, 2));
    }

    #[test]
    fn threads_and_vectors_change_no_bit() {
        let mut a = filled(201, 77, 1);
        let mut b = filled(77, 50, 2);
        a.data.iter_mut().chain(&mut b.data).for_each(|value| *value = *value / 7.3 + 0.01);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| product(&a, Turn::As, &b, Turn::As))
        };
        let (one, three) = (on(1), on(3));
        assert!(one == three);
        // One element by the definition.
        let by_hand = (0..77).fold(0.0_f32, |sum, at| a.data[77 * 5 + at].mul_add(b.data[at * 50 + 9], sum));
        assert_eq!(one.data[50 * 5 + 9].to_bits(), by_hand.to_bits());
    }
}
