//! What rows are conditioned on: one category of one column.

use rand::{Rng, RngExt};

use super::super::dense::Matrix;
use super::super::dense::layers::softmax;
use super::super::encode::{Encoder, Span};

/// The columns of categories of a table.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    columns: Vec<Conditioned>,
    rows: usize,
    /// The length of a condition's vector: all categories of all columns.
    pub width: usize,
}

#[derive(Clone, Debug)]
struct Conditioned {
    span: Span,
    /// Where the column starts in a condition's vector.
    from: usize,
    /// The rows of each category.
    rows: Vec<Vec<u32>>,
}

/// Conditions of a batch.
pub(super) struct Drawn {
    /// The column and category of each row; none where there are no categories.
    pub picks: Vec<Option<(usize, usize)>>,
    /// One-hot vectors.
    pub vectors: Matrix,
    spans: Vec<Span>,
}

impl Conditions {
    pub fn of(encoder: &Encoder, data: &Matrix) -> Self {
        let mut conditions = Self { columns: Vec::new(), rows: data.rows, width: 0 };
        for (_, span) in &encoder.discrete {
            let mut rows = vec![Vec::new(); span.count];
            for (at, row) in (0..).zip(data.rows()) {
                if let Some(choice) = row[span.from..][..span.count].iter().position(|cell| *cell > 0.5) {
                    rows[choice].push(at);
                }
            }
            conditions.columns.push(Conditioned { span: *span, from: conditions.width, rows });
            conditions.width += span.count;
        }
        conditions
    }

    /// Conditions to learn from: a column by chance, a category by the logarithm of how often it occurs.
    pub fn training(&self, count: usize, rng: &mut impl Rng) -> Drawn {
        let weight = |rows: &Vec<u32>| libm::log1p(rows.len() as f64);
        self.drawn(count, rng, weight, None)
    }

    /// Vectors to draw rows from: a column by chance, a category by how often it occurs; or always the given one.
    pub fn sampling(&self, count: usize, on: Option<(usize, usize)>, rng: &mut impl Rng) -> Matrix {
        self.drawn(count, rng, |rows| rows.len() as f64, on).vectors
    }

    fn drawn(
        &self,
        count: usize,
        rng: &mut impl Rng,
        weight: impl Fn(&Vec<u32>) -> f64,
        on: Option<(usize, usize)>,
    ) -> Drawn {
        let mut vectors = Matrix::zeros(count, self.width);
        let weights: Vec<Vec<f64>> =
            self.columns.iter().map(|column| column.rows.iter().map(&weight).collect()).collect();
        let mut picks = Vec::with_capacity(count);
        for row in 0..count {
            let pick = on.or_else(|| {
                let column = (!weights.is_empty()).then(|| rng.random_range(0..weights.len()))?;
                Some((column, chosen(&weights[column], rng)))
            });
            if let Some((column, choice)) = pick {
                vectors.data[row * self.width + self.columns[column].from + choice] = 1.0;
            }
            picks.push(pick);
        }
        Drawn { picks, vectors, spans: self.columns.iter().map(|column| column.span).collect() }
    }

    /// Real rows with the conditions of a batch in another order, and that order.
    pub fn rows(&self, drawn: &Drawn, rng: &mut impl Rng) -> (Vec<usize>, Vec<usize>) {
        let count = drawn.picks.len();
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, rng.random_range(0..=last));
        }
        let row = |at: &usize| match drawn.picks[*at] {
            Some((column, choice)) => {
                let rows = &self.columns[column].rows[choice];
                rows[rng.random_range(0..rows.len())] as usize
            }
            None => rng.random_range(0..self.rows),
        };
        let rows = order.iter().map(row).collect();
        (rows, order)
    }

    /// The rarest of some categories.
    pub fn rarest(&self, fixed: &[(usize, usize)]) -> Option<(usize, usize)> {
        fixed.iter().copied().min_by_key(|(column, choice)| self.columns[*column].rows[*choice].len())
    }
}

/// A place drawn by weights; never one without weight.
fn chosen(weights: &[f64], rng: &mut impl Rng) -> usize {
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    let mut last = 0;
    for (at, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        last = at;
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    last
}

impl Drawn {
    /// The mean cross-entropy of the categories that rows were conditioned on, whose gradient is added.
    pub fn entropy(&self, out: &Matrix, slope: &mut Matrix) -> f64 {
        let count = out.rows as f32;
        let mut loss = 0.0;
        for ((pick, out), slope) in self.picks.iter().zip(out.rows()).zip(slope.rows_mut()) {
            let Some((column, choice)) = pick else { continue };
            let span = self.spans[*column];
            let mut shares = out[span.from..][..span.count].to_vec();
            softmax(&mut shares);
            loss -= f64::from(libm::logf(shares[*choice].max(1e-30)));
            for (at, share) in shares.iter().enumerate() {
                slope[span.from + at] += (share - if at == *choice { 1.0 } else { 0.0 }) / count;
            }
        }
        loss / f64::from(count)
    }
}
