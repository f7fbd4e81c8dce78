//! Layers with their gradients.

use rand::RngExt;

use super::gemm::{Turn, product};
use super::{Adam, Matrix, Weights};
use crate::model::random::Streams;

/// `y = x W + b`, with `W` of shape `(inputs, outputs)`.
#[derive(Clone, Debug)]
pub(in super::super) struct Linear {
    pub weights: Weights,
    pub bias: Weights,
}

impl Linear {
    /// Uniform weights within `1 / sqrt(inputs)`, as PyTorch draws them; `layer` tells layers of a seed apart.
    pub fn new(inputs: usize, outputs: usize, streams: &Streams, layer: u64) -> Self {
        let bound = 1.0 / (inputs.max(1) as f32).sqrt();
        let mut rng = streams.of(layer);
        let mut drawn = |rows: usize| {
            let data = (0..rows * outputs).map(|_| bound * (2.0 * rng.random::<f32>() - 1.0)).collect();
            Weights::new(Matrix { rows, columns: outputs, data })
        };
        Self { weights: drawn(inputs), bias: drawn(1) }
    }

    pub fn forward(&self, x: &Matrix) -> Matrix {
        let mut y = product(x, Turn::As, &self.weights.value, Turn::As);
        for row in y.rows_mut() {
            row.iter_mut().zip(&self.bias.value.data).for_each(|(cell, bias)| *cell += bias);
        }
        y
    }

    /// Adds the gradients of weights and bias, from the input and the gradient of the output.
    pub fn learn(&mut self, x: &Matrix, dy: &Matrix) {
        self.weights.add(&product(x, Turn::Over, dy, Turn::As).data);
        self.bias.add(&dy.column_sums());
    }

    /// The gradient of the input.
    pub fn back(&self, dy: &Matrix) -> Matrix {
        product(dy, Turn::As, &self.weights.value, Turn::Over)
    }

    pub fn step(&mut self, adam: &Adam, time: u64) {
        self.weights.step(adam, time);
        self.bias.step(adam, time);
    }
}

/// Batch normalisation, `y = gamma (x - mean) / sqrt(variance + 1e-5) + beta`.
#[derive(Clone, Debug)]
pub(in super::super) struct BatchNorm {
    gamma: Weights,
    beta: Weights,
    /// Means and variances of all batches, for rows drawn later.
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

/// What the backward pass of [`BatchNorm`] needs.
pub(in super::super) struct Normed {
    standard: Matrix,
    root: Vec<f32>,
    /// The means and (biased) variances of the batch.
    pub moments: (Vec<f32>, Vec<f32>),
}

const EPSILON: f32 = 1e-5;

impl BatchNorm {
    pub fn new(width: usize) -> Self {
        let filled = |value: f32| Weights::new(Matrix { rows: 1, columns: width, data: vec![value; width] });
        Self { gamma: filled(1.0), beta: filled(0.0), mean: vec![0.0; width], variance: vec![1.0; width] }
    }

    /// By the moments of the batch.
    pub fn forward(&self, x: &Matrix) -> (Matrix, Normed) {
        let count = x.rows as f32;
        let mean: Vec<f32> = x.column_sums().into_iter().map(|sum| sum / count).collect();
        let mut squares = vec![0.0; x.columns];
        for row in x.rows() {
            for ((square, value), mean) in squares.iter_mut().zip(row).zip(&mean) {
                *square += (value - mean) * (value - mean);
            }
        }
        let variance: Vec<f32> = squares.into_iter().map(|sum| sum / count).collect();
        let root: Vec<f32> = variance.iter().map(|value| 1.0 / (value + EPSILON).sqrt()).collect();
        let mut standard = x.clone();
        for row in standard.rows_mut() {
            row.iter_mut()
                .zip(mean.iter().zip(&root))
                .for_each(|(cell, (mean, root))| *cell = (*cell - mean) * root);
        }
        let y = self.scaled(&standard);
        (y, Normed { standard, root, moments: (mean, variance) })
    }

    /// By the moments of all batches.
    pub fn apply(&self, x: &Matrix) -> Matrix {
        let mut standard = x.clone();
        for row in standard.rows_mut() {
            for (cell, (mean, variance)) in row.iter_mut().zip(self.mean.iter().zip(&self.variance)) {
                *cell = (*cell - mean) / (variance + EPSILON).sqrt();
            }
        }
        self.scaled(&standard)
    }

    fn scaled(&self, standard: &Matrix) -> Matrix {
        let mut y = standard.clone();
        let (gamma, beta) = (&self.gamma.value.data, &self.beta.value.data);
        for row in y.rows_mut() {
            row.iter_mut()
                .zip(gamma.iter().zip(beta))
                .for_each(|(cell, (gamma, beta))| *cell = *cell * gamma + beta);
        }
        y
    }

    /// Adds the gradients of its weights and gives that of the input.
    pub fn learn(&mut self, normed: &Normed, dy: &Matrix) -> Matrix {
        let (count, width) = (dy.rows as f32, dy.columns);
        let (mut sums, mut products) = (vec![0.0_f32; width], vec![0.0_f32; width]);
        for (dy, standard) in dy.rows().zip(normed.standard.rows()) {
            for at in 0..width {
                sums[at] += dy[at];
                products[at] += dy[at] * standard[at];
            }
        }
        let gamma = &self.gamma.value.data;
        let mut dx = dy.clone();
        for (dx, standard) in dx.rows_mut().zip(normed.standard.rows()) {
            for at in 0..width {
                let centred = dx[at] - sums[at] / count - standard[at] * products[at] / count;
                dx[at] = gamma[at] * normed.root[at] * centred;
            }
        }
        self.gamma.add(&products);
        self.beta.add(&sums);
        dx
    }

    pub fn step(&mut self, adam: &Adam, time: u64) {
        self.gamma.step(adam, time);
        self.beta.step(adam, time);
    }
}

/// `max(0, x)`.
pub(in super::super) fn relu(mut x: Matrix) -> Matrix {
    x.data.iter_mut().for_each(|cell| *cell = cell.max(0.0));
    x
}

/// The gradient before [`relu`], from its output.
pub(in super::super) fn relu_back(y: &Matrix, mut dy: Matrix) -> Matrix {
    dy.data.iter_mut().zip(&y.data).for_each(|(slope, value)| {
        if *value <= 0.0 {
            *slope = 0.0
        }
    });
    dy
}

/// `softmax(x)` in place.
pub(in super::super) fn softmax(x: &mut [f32]) {
    let most = x.iter().fold(f32::NEG_INFINITY, |most, value| most.max(*value));
    x.iter_mut().for_each(|value| *value = libm::expf(*value - most));
    let total: f32 = x.iter().sum();
    x.iter_mut().for_each(|value| *value /= total);
}

#[cfg(test)]
pub(in super::super) mod check {
    //! Gradients against finite differences.

    use super::Matrix;
    use crate::model::random::Streams;
    use crate::model::synthesize::normal::draw;

    /// A matrix of standard normal numbers.
    pub fn noise(rows: usize, columns: usize, seed: u64) -> Matrix {
        let mut rng = Streams::new(seed, "gradient test").of(0);
        Matrix { rows, columns, data: (0..rows * columns).map(|_| draw(&mut rng) as f32).collect() }
    }

    /// `sum(a b)`: a loss whose gradient by `a` is `b`.
    pub fn dot(a: &Matrix, b: &Matrix) -> f64 {
        a.data.iter().zip(&b.data).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    /// Whether a gradient is that of a loss by a value, which `at` changes.
    pub fn agrees(what: &str, gradient: f32, mut loss_at: impl FnMut(f32) -> f64) {
        let step = 1e-2_f32;
        let found = (loss_at(step) - loss_at(-step)) / (2.0 * f64::from(step));
        let gap = (found - f64::from(gradient)).abs();
        assert!(gap < 2e-2 * (1.0 + found.abs()), "{what}: {gradient}, by differences {found}");
    }
}

#[cfg(test)]
mod tests {
    use super::check::{agrees, dot, noise};
    use super::*;

    #[test]
    fn gradients_of_a_linear_layer() {
        let mut layer = Linear::new(5, 3, &Streams::new(1, "test"), 0);
        let (x, dy) = (noise(4, 5, 1), noise(4, 3, 2));
        layer.learn(&x, &dy);
        let dx = layer.back(&dy);
        for at in 0..5 {
            agrees("weight", layer.weights.gradient[at], |step| {
                let mut moved = layer.clone();
                moved.weights.value.data[at] += step;
                dot(&moved.forward(&x), &dy)
            });
            agrees("input", dx.data[at], |step| {
                let mut moved = x.clone();
                moved.data[at] += step;
                dot(&layer.forward(&moved), &dy)
            });
        }
        agrees("bias", layer.bias.gradient[1], |step| {
            let mut moved = layer.clone();
            moved.bias.value.data[1] += step;
            dot(&moved.forward(&x), &dy)
        });
    }

    #[test]
    fn gradients_of_batch_normalisation() {
        let mut layer = BatchNorm::new(3);
        layer.gamma.value.data = vec![0.5, 1.5, -1.0];
        let (x, dy) = (noise(6, 3, 3), noise(6, 3, 4));
        let (_, normed) = layer.forward(&x);
        let dx = layer.learn(&normed, &dy);
        for at in 0..6 {
            agrees("input", dx.data[at], |step| {
                let mut moved = x.clone();
                moved.data[at] += step;
                dot(&layer.forward(&moved).0, &dy)
            });
        }
        for at in 0..3 {
            agrees("gamma", layer.gamma.gradient[at], |step| {
                let mut moved = layer.clone();
                moved.gamma.value.data[at] += step;
                dot(&moved.forward(&x).0, &dy)
            });
        }
    }

    #[test]
    fn the_softmax_sums_to_one_without_overflow() {
        let mut x = [1000.0, 1000.0, -1000.0];
        softmax(&mut x);
        assert_eq!(x, [0.5, 0.5, 0.0]);
    }
}
