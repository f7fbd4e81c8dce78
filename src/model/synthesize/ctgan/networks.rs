//! The generator and the critic, with their gradients.

use rand::Rng;

use super::super::dense::gemm::{Turn, product};
use super::super::dense::layers::{BatchNorm, Linear, Normed, relu, relu_back};
use super::super::dense::{Adam, Matrix};
use crate::model::random::Streams;

/// The slope of the leaky ReLU below 0.
const LEAK: f32 = 0.2;

/// Two residual layers and one that gives rows.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    layers: [Linear; 3],
    norms: [BatchNorm; 2],
    /// Width of hidden layers.
    width: usize,
}

/// What the generator's backward pass needs.
pub(super) struct Trace {
    hidden: [Matrix; 2],
    normed: [Normed; 2],
    inputs: [Matrix; 2],
    pub out: Matrix,
}

/// The means and variances of a batch.
type MeansAndVariances = (Vec<f32>, Vec<f32>);

/// Those in both normalisations.
pub(super) type Moments = [MeansAndVariances; 2];

impl Trace {
    pub fn moments(self) -> Moments {
        self.normed.map(|normed| normed.moments)
    }
}

impl Generator {
    pub fn new(inputs: usize, outputs: usize, width: usize, streams: &Streams) -> Self {
        let layer = |inputs, outputs, number| Linear::new(inputs, outputs, streams, number);
        Self {
            layers: [
                layer(inputs, width, 0),
                layer(inputs + width, width, 1),
                layer(inputs + 2 * width, outputs, 2),
            ],
            norms: [BatchNorm::new(width), BatchNorm::new(width)],
            width,
        }
    }

    /// By the moments of the batch.
    pub fn forward(&self, x: &Matrix) -> Trace {
        let (y, first) = self.norms[0].forward(&self.layers[0].forward(x));
        let one = relu(y);
        let wide = one.beside(x);
        let (y, second) = self.norms[1].forward(&self.layers[1].forward(&wide));
        let two = relu(y);
        let wider = two.beside(&wide);
        let out = self.layers[2].forward(&wider);
        Trace { hidden: [one, two], normed: [first, second], inputs: [wide, wider], out }
    }

    /// By the moments of all batches.
    pub fn apply(&self, x: &Matrix) -> Matrix {
        let wide = relu(self.norms[0].apply(&self.layers[0].forward(x))).beside(x);
        let wider = relu(self.norms[1].apply(&self.layers[1].forward(&wide))).beside(&wide);
        self.layers[2].forward(&wider)
    }

    /// Adds all gradients.
    pub fn learn(&mut self, x: &Matrix, trace: &Trace, slope: &Matrix) {
        let width = self.width;
        self.layers[2].learn(&trace.inputs[1], slope);
        let wider = self.layers[2].back(slope);
        let slope = relu_back(&trace.hidden[1], wider.part(0, width));
        let slope = self.norms[1].learn(&trace.normed[1], &slope);
        self.layers[1].learn(&trace.inputs[0], &slope);
        let mut first = self.layers[1].back(&slope).part(0, width);
        let past = wider.part(width, width);
        first.data.iter_mut().zip(&past.data).for_each(|(sum, value)| *sum += value);
        let slope = relu_back(&trace.hidden[0], first);
        let slope = self.norms[0].learn(&trace.normed[0], &slope);
        self.layers[0].learn(x, &slope);
    }

    pub fn step(&mut self, adam: &Adam, time: u64) {
        self.layers.iter_mut().for_each(|layer| layer.step(adam, time));
        self.norms.iter_mut().for_each(|norm| norm.step(adam, time));
    }

    /// Takes the moments of some batches together as those of all rows.
    pub fn settle(&mut self, batches: &[Moments]) {
        let count = batches.len() as f32;
        for (at, norm) in self.norms.iter_mut().enumerate() {
            for unit in 0..self.width {
                let of = |f: &dyn Fn(&MeansAndVariances) -> f32| {
                    batches.iter().map(|moments| f(&moments[at])).sum::<f32>() / count
                };
                let mean = of(&|(means, _)| means[unit]);
                let between = of(&|(means, _)| (means[unit] - mean) * (means[unit] - mean));
                norm.mean[unit] = mean;
                norm.variance[unit] = of(&|(_, variances)| variances[unit]) + between;
            }
        }
    }

    #[cfg(test)]
    pub fn layers(&mut self) -> &mut [Linear; 3] {
        &mut self.layers
    }
}

/// Two layers with leaky ReLU and dropout, and one that gives a score.
#[derive(Clone, Debug)]
pub(super) struct Critic {
    layers: [Linear; 3],
}

/// What the critic's backward pass needs: its layers' outputs, and the factor of each unit there, which ReLU and dropout make.
struct Pass {
    factors: [Matrix; 2],
    hidden: [Matrix; 2],
    scores: Matrix,
}

impl Critic {
    pub fn new(inputs: usize, width: usize, streams: &Streams) -> Self {
        let layer = |inputs, outputs, number| Linear::new(inputs, outputs, streams, number);
        Self { layers: [layer(inputs, width, 3), layer(width, width, 4), layer(width, 1, 5)] }
    }

    fn forward(&self, x: &Matrix, rng: &mut impl Rng) -> Pass {
        let (first, one) = leaky_dropout(self.layers[0].forward(x), rng);
        let (second, two) = leaky_dropout(self.layers[1].forward(&one), rng);
        let scores = self.layers[2].forward(&two);
        Pass { factors: [first, second], hidden: [one, two], scores }
    }

    /// The gradient by the first layer's output.
    fn back(&self, pass: &Pass, slope: &Matrix) -> (Matrix, Matrix) {
        let second = times(self.layers[2].back(slope), &pass.factors[1]);
        let first = times(self.layers[1].back(&second), &pass.factors[0]);
        (first, second)
    }

    /// Adds the gradients of `mean(fake) - mean(real)` and gives that difference.
    pub fn compare(&mut self, real: &Matrix, fake: &Matrix, rng: &mut impl Rng) -> f64 {
        let rows = real.rows;
        let mut both = real.clone();
        both.data.extend_from_slice(&fake.data);
        both.rows += fake.rows;
        let pass = self.forward(&both, rng);
        let share = 1.0 / rows as f32;
        let data = (0..both.rows).map(|row| if row < rows { -share } else { share }).collect();
        let slope = Matrix { rows: both.rows, columns: 1, data };
        let (first, second) = self.back(&pass, &slope);
        self.layers[2].learn(&pass.hidden[1], &slope);
        self.layers[1].learn(&pass.hidden[0], &second);
        self.layers[0].learn(&both, &first);
        let scores = pass.scores.data.iter().zip(&slope.data);
        scores.map(|(score, slope)| f64::from(*score) * f64::from(*slope)).sum()
    }

    /// Adds the gradients of `weight mean((|g| - 1)²)`, where `g` is the gradient of the score by a row, and gives its value.
    ///
    /// With the factors of ReLU and dropout held, `g = ((w ∘ s₂) W₂ᵀ ∘ s₁) W₁ᵀ` is a product of weights, and its gradient by them
    /// needs no second derivative: the factors' are 0 almost everywhere.
    pub fn penalise(&mut self, x: &Matrix, weight: f32, rng: &mut impl Rng) -> f64 {
        let pass = self.forward(x, rng);
        let rows = x.rows as f32;
        let ones = Matrix { rows: x.rows, columns: 1, data: vec![1.0; x.rows] };
        let (first, second) = self.back(&pass, &ones);
        let mut gradient = self.layers[0].back(&first);
        let mut value = 0.0;
        for row in gradient.rows_mut() {
            let norm = (row.iter().map(|cell| cell * cell).sum::<f32>() + 1e-12).sqrt();
            value += f64::from((norm - 1.0) * (norm - 1.0));
            let factor = weight * 2.0 * (norm - 1.0) / norm / rows;
            row.iter_mut().for_each(|cell| *cell *= factor);
        }
        // From here on `gradient` is the penalty's gradient by g.
        self.layers[0].weights.add(&product(&gradient, Turn::Over, &first, Turn::As).data);
        let by_first = product(&gradient, Turn::As, &self.layers[0].weights.value, Turn::As);
        let by_inner = times(by_first, &pass.factors[0]);
        self.layers[1].weights.add(&product(&by_inner, Turn::Over, &second, Turn::As).data);
        let by_second = product(&by_inner, Turn::As, &self.layers[1].weights.value, Turn::As);
        self.layers[2].weights.add(&times(by_second, &pass.factors[1]).column_sums());
        f64::from(weight) * value / f64::from(rows)
    }

    /// The mean score of rows, and the gradient of its negative by them.
    pub fn judge(&self, x: Matrix, rng: &mut impl Rng) -> (f64, Matrix) {
        let pass = self.forward(&x, rng);
        let rows = x.rows;
        let slope = Matrix { rows, columns: 1, data: vec![-1.0 / rows as f32; rows] };
        let (first, _) = self.back(&pass, &slope);
        let score = pass.scores.data.iter().map(|score| f64::from(*score)).sum::<f64>() / rows as f64;
        (score, self.layers[0].back(&first))
    }

    pub fn step(&mut self, adam: &Adam, time: u64) {
        self.layers.iter_mut().for_each(|layer| layer.step(adam, time));
    }

    #[cfg(test)]
    pub fn layers(&mut self) -> &mut [Linear; 3] {
        &mut self.layers
    }
}

/// The factor of each unit and its output: 1 or the leak, and twice that or 0 with even chances.
fn leaky_dropout(x: Matrix, rng: &mut impl Rng) -> (Matrix, Matrix) {
    let mut factors = x.clone();
    for cells in factors.data.chunks_mut(64) {
        let mut bits = rng.next_u64();
        for cell in cells {
            let slope = if *cell > 0.0 { 1.0 } else { LEAK };
            *cell = if bits & 1 == 1 { 2.0 * slope } else { 0.0 };
            bits >>= 1;
        }
    }
    let out = times(x, &factors);
    (factors, out)
}

/// Products cell by cell.
fn times(mut x: Matrix, factors: &Matrix) -> Matrix {
    x.data.iter_mut().zip(&factors.data).for_each(|(cell, factor)| *cell *= factor);
    x
}
