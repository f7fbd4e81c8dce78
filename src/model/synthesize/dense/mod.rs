//! Dense layers in single precision: products, biases, batch normalisation, and how they learn.
//!
//! Knows matrices; knows nothing of what networks are made of them. Gradients are written by hand, and held against
//! finite differences in tests.

pub(super) mod gemm;
pub(super) mod layers;

use rayon::prelude::*;

/// A matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matrix {
    /// How many rows.
    pub rows: usize,
    /// How many columns.
    pub columns: usize,
    /// All values.
    pub data: Vec<f32>,
}

impl Matrix {
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, data: vec![0.0; rows * columns] }
    }

    /// One row.
    pub fn row(&self, at: usize) -> &[f32] {
        &self.data[at * self.columns..][..self.columns]
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.data.chunks_exact(self.columns.max(1))
    }

    /// All rows, to change.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.data.chunks_exact_mut(self.columns.max(1))
    }

    /// Two matrices side by side.
    pub fn beside(&self, other: &Self) -> Self {
        let columns = self.columns + other.columns;
        let mut both = Self::zeros(self.rows, columns);
        for at in 0..self.rows {
            let row = &mut both.data[at * columns..][..columns];
            row[..self.columns].copy_from_slice(self.row(at));
            row[self.columns..].copy_from_slice(other.row(at));
        }
        both
    }

    /// Some columns.
    pub fn part(&self, from: usize, count: usize) -> Self {
        let mut part = Self::zeros(self.rows, count);
        for at in 0..self.rows {
            part.data[at * count..][..count].copy_from_slice(&self.row(at)[from..][..count]);
        }
        part
    }

    /// The same values in rows of another length.
    pub fn reshaped(mut self, columns: usize) -> Self {
        self.rows = self.data.len() / columns.max(1);
        self.columns = columns;
        self
    }

    /// The sum of each column.
    pub fn column_sums(&self) -> Vec<f32> {
        let mut sums = vec![0.0; self.columns];
        for row in self.rows() {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        sums
    }
}

/// Weights, their gradient, and what Adam remembers of earlier ones.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    /// The weights.
    pub value: Matrix,
    /// The gradient of the loss by them, added up until they step.
    pub gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

/// How weights step: Adam.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adam {
    /// The step size.
    pub rate: f32,
    /// How much of the gradient's mean is kept from step to step.
    pub beta_1: f32,
    /// The same of the mean of its squares.
    pub beta_2: f32,
    /// What share of each weight is added to its gradient.
    pub decay: f32,
}

impl Weights {
    pub fn new(value: Matrix) -> Self {
        let count = value.data.len();
        Self { value, gradient: vec![0.0; count], first: vec![0.0; count], second: vec![0.0; count] }
    }

    /// Adds to the gradient.
    pub fn add(&mut self, gradient: &[f32]) {
        self.gradient.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += value);
    }

    /// Steps against the gradient, for the `time`-th time from 1, and forgets it.
    ///
    /// Reference: Kingma and Ba (2015), Adam: a method for stochastic optimization; weight decay as in PyTorch's `Adam`.
    pub fn step(&mut self, adam: &Adam, time: u64) {
        let left = |beta: f32| (1.0 - libm::pow(f64::from(beta), time as f64)) as f32;
        let (left_1, root_2) = (left(adam.beta_1), left(adam.beta_2).sqrt());
        let rate = adam.rate / left_1;
        let weights = self.value.data.par_chunks_mut(8192).zip(self.gradient.par_chunks_mut(8192));
        let memory = self.first.par_chunks_mut(8192).zip(self.second.par_chunks_mut(8192));
        weights.zip(memory).for_each(|((value, gradient), (first, second))| {
            let cells = value.iter_mut().zip(gradient).zip(first.iter_mut().zip(second));
            for ((value, gradient), (first, second)) in cells {
                let slope = *gradient + adam.decay * *value;
                *first = adam.beta_1 * *first + (1.0 - adam.beta_1) * slope;
                *second = adam.beta_2 * *second + (1.0 - adam.beta_2) * slope * slope;
                *value -= rate * *first / (second.sqrt() / root_2 + 1e-8);
                *gradient = 0.0;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch 2.3, `Adam(lr=0.1, betas=(0.5, 0.9), weight_decay=0.01)` on `w = 1`, gradients 0.5, -1, 2: by its formula in
    /// double precision.
    #[test]
    fn adam_steps_as_published() {
        let adam = Adam { rate: 0.1, beta_1: 0.5, beta_2: 0.9, decay: 0.01 };
        let mut weights = Weights::new(Matrix { rows: 1, columns: 1, data: vec![1.0] });
        let (mut w, mut m, mut v) = (1.0_f64, 0.0_f64, 0.0_f64);
        for (time, gradient) in [(1, 0.5), (2, -1.0), (3, 2.0)] {
            weights.add(&[gradient as f32]);
            weights.step(&adam, time);
            let g = gradient + 0.01 * w;
            m = 0.5 * m + 0.5 * g;
            v = 0.9 * v + 0.1 * g * g;
            let (mh, vh) = (m / (1.0 - 0.5_f64.powi(time as i32)), v / (1.0 - 0.9_f64.powi(time as i32)));
            w -= 0.1 * mh / (vh.sqrt() + 1e-8);
            assert!((f64::from(weights.value.data[0]) - w).abs() < 1e-6, "{time}");
        }
    }

    #[test]
    fn matrices_are_joined_and_cut() {
        let a = Matrix { rows: 2, columns: 1, data: vec![1.0, 2.0] };
        let b = Matrix { rows: 2, columns: 2, data: vec![3.0, 4.0, 5.0, 6.0] };
        let both = a.beside(&b);
        assert_eq!(both.data, [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
        assert_eq!(both.part(1, 2), b);
        assert_eq!(b.column_sums(), [8.0, 10.0]);
        assert_eq!(b.reshaped(4).rows, 1);
    }
}
