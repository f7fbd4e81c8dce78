//! The Gaussian copula: every column is a function of a normal variable of its own, and these are correlated.
//!
//! Knows nothing of how a column's distribution looks: see [`super::marginal`].

use ndarray::Array2;
use rayon::prelude::*;

use super::correlation::{nearest, root};
use super::marginal::{Levels, Numbers, Score, latent_correlation, share};
use super::normal::{draw, draw_between};
use super::{Given, Unable};
use crate::model::mixed::{Column, MISSING, rows};
use crate::model::random::Streams;
use crate::model::symmetric::{Factor, Symmetric};

/// Rows that are drawn from one random stream.
const CHUNK: usize = 1024;

/// Rounds of Gibbs sampling over the variables of fixed columns, where there are several.
const SWEEPS: usize = 25;

/// A fitted copula.
#[derive(Clone, Debug)]
pub struct Copula {
    columns: Vec<Marginal>,
    /// Correlations of the normal variables, positive definite.
    correlation: Array2<f64>,
    root: Factor,
}

/// A column's distribution and the places of its normal variables.
#[derive(Clone, Debug)]
enum Marginal {
    /// Numbers: a variable for the value, and one for whether there is a value, where both occur.
    Numbers { value: Option<(usize, Numbers)>, present: Option<(usize, Levels)> },
    /// Categories, missing being one of them.
    Levels { at: usize, levels: Levels },
}

/// Fits a copula to columns of equal length; at least one row is needed, or nothing can be drawn.
///
/// Distributions are empirical: numbers are interpolated between order statistics and keep the share of every value that
/// occurs often; categories keep their shares; whether a number is missing is a variable of its own. The correlation of two
/// variables is the one at which their scores have the covariance that the rows show, see
/// [`super::marginal::latent_correlation`], and the matrix of all of them is brought to the nearest positive definite one.
/// Categories are ordered by the numeric column that differs most between them, so that the order means something.
///
/// O(p n log n + p² n + p³), in parallel over columns.
///
/// References: Nelsen (2006), An introduction to copulas; Patki, Wedge and Veeramachaneni (2016), The synthetic data vault.
pub fn fit(columns: &[Column]) -> Copula {
    let numbers: Vec<Option<(Numbers, Score)>> = columns
        .par_iter()
        .map(|column| match column {
            Column::Numbers(values) => Numbers::fit(values),
            Column::Levels { .. } => None,
        })
        .collect();
    let scales: Vec<&Score> = numbers.iter().flatten().map(|(_, score)| score).collect();
    let levels: Vec<Option<(Levels, Score)>> = columns
        .par_iter()
        .map(|column| match column {
            Column::Numbers(values) => presence(values),
            Column::Levels { codes, count } => Some(ordered(codes, *count, &scales)),
        })
        .collect();
    let (mut marginals, mut scores) = (Vec::new(), Vec::new());
    let mut add = |score: Score| {
        scores.push(score);
        scores.len() - 1
    };
    for (column, (numbers, levels)) in columns.iter().zip(numbers.into_iter().zip(levels)) {
        marginals.push(match (column, levels) {
            (Column::Levels { .. }, Some((levels, score))) => Marginal::Levels { at: add(score), levels },
            (_, present) => Marginal::Numbers {
                value: numbers.map(|(numbers, score)| (add(score), numbers)),
                present: present.map(|(levels, score)| (add(score), levels)),
            },
        });
    }
    let (correlation, root) = nearest(&correlations(&scores));
    Copula { columns: marginals, correlation, root }
}

/// Whether there is a value, as two levels; none where there always or never is one.
fn presence(values: &[f64]) -> Option<(Levels, Score)> {
    let codes: Vec<u32> = values.iter().map(|value| u32::from(value.is_nan())).collect();
    let missing = codes.iter().filter(|code| **code == 1).count();
    (missing > 0 && missing < codes.len()).then(|| Levels::fit(&codes, 2, |level| level as f64))
}

/// Levels ordered by their means of the scores that differ most between them; by how often they occur where there are none.
fn ordered(codes: &[u32], count: u32, scales: &[&Score]) -> (Levels, Score) {
    let at = |code: u32| if code == MISSING { count as usize } else { code as usize };
    let means = |score: &Score| {
        let mut sums = vec![(0.0, 0.0); count as usize + 1];
        for (code, value) in codes.iter().zip(&score.rows).filter(|(_, value)| !value.is_nan()) {
            let (sum, number) = &mut sums[at(*code)];
            *sum += value;
            *number += 1.0;
        }
        let total: f64 = sums.iter().map(|(sum, _)| sum).sum();
        let number: f64 = sums.iter().map(|(_, number)| number).sum();
        let between: f64 =
            sums.iter().filter(|(_, number)| *number > 0.0).map(|(sum, number)| sum * sum / number).sum();
        let means: Vec<f64> =
            sums.iter().map(|(sum, number)| if *number > 0.0 { sum / number } else { 0.0 }).collect();
        // The share of the score's variance that lies between levels.
        ((between - total * total / number.max(1.0)) / number.max(1.0), means)
    };
    let best = scales
        .iter()
        .map(|score| means(score))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    match best.filter(|(between, _)| *between > 0.0) {
        Some((_, means)) => Levels::fit(codes, count, |level| means[level]),
        None => {
            let mut counts = vec![0.0; count as usize + 1];
            codes.iter().for_each(|code| counts[at(*code)] -= 1.0);
            Levels::fit(codes, count, |level| counts[level])
        }
    }
}

/// The latent correlations of all pairs.
fn correlations(scores: &[Score]) -> Array2<f64> {
    let pairs: Vec<(usize, usize)> = (0..scores.len()).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
    let found: Vec<f64> =
        pairs.par_iter().map(|(i, j)| latent_correlation(&scores[*i], &scores[*j])).collect();
    let mut matrix = Array2::eye(scores.len());
    for ((i, j), rho) in pairs.into_iter().zip(found) {
        matrix[[i, j]] = rho;
        matrix[[j, i]] = rho;
    }
    matrix
}

/// How variables are drawn while some of them are confined.
struct Plan {
    /// Confined variables, the part of the scale that each must lie in.
    confined: Vec<(usize, (f64, f64))>,
    /// The inverse of their correlations.
    precision: Symmetric,
    /// The other variables.
    free: Vec<usize>,
    /// What each free variable's mean takes of each confined one, shape `(free, confined)`.
    slope: Array2<f64>,
    /// The root of the free variables' covariance, given the confined ones.
    root: Factor,
}

impl Copula {
    /// Draws rows, with some columns fixed.
    ///
    /// The values of fixed columns condition all others: their variables are drawn from the part of the scale that stands
    /// for the value (by Gibbs sampling where there are several), the others given them. The same seed gives the same
    /// rows, and more rows begin with the same ones.
    ///
    /// # Errors
    /// [`Unable::Unseen`] for a level that never occurred.
    pub fn sample(&self, count: usize, seed: u64, given: &[(usize, Given)]) -> Result<Vec<Column>, Unable> {
        let plan = self.plan(given)?;
        let streams = Streams::new(seed, "copula rows");
        let chunks: Vec<Vec<Column>> = (0..count.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let mut rng = streams.of(chunk as u64);
                let wanted = CHUNK.min(count - chunk * CHUNK);
                let mut columns: Vec<Column> = self.columns.iter().map(|one| one.empty(wanted)).collect();
                let mut variables = vec![0.0; self.correlation.nrows()];
                for _ in 0..wanted {
                    plan.draw(&mut rng, &mut variables);
                    columns
                        .iter_mut()
                        .zip(&self.columns)
                        .for_each(|(column, of)| of.push(column, &variables));
                }
                given.iter().for_each(|(column, value)| fix(&mut columns[*column], *value));
                columns
            })
            .collect();
        let mut columns: Vec<Column> = self.columns.iter().map(|one| one.empty(count)).collect();
        for chunk in &chunks {
            columns.iter_mut().zip(chunk).for_each(|(column, more)| column.append(more));
        }
        debug_assert!(columns.is_empty() || rows(&columns) == count);
        Ok(columns)
    }

    /// The smallest and largest value of a column of numbers; none where it has none.
    pub fn range(&self, column: usize) -> Option<(f64, f64)> {
        match self.columns.get(column)? {
            Marginal::Numbers { value: Some((_, numbers)), .. } => Some(numbers.range()),
            _ => None,
        }
    }

    fn plan(&self, given: &[(usize, Given)]) -> Result<Plan, Unable> {
        let mut confined: Vec<(usize, (f64, f64))> = Vec::new();
        for (column, value) in given {
            confined.extend(self.columns[*column].confine(*value).ok_or(Unable::Unseen { column: *column })?);
        }
        confined.sort_by_key(|one| one.0);
        let fixed: Vec<usize> = confined.iter().map(|one| one.0).collect();
        let free: Vec<usize> = (0..self.correlation.nrows()).filter(|at| !fixed.contains(at)).collect();
        if fixed.is_empty() {
            let slope = Array2::zeros((free.len(), 0));
            return Ok(Plan {
                confined,
                precision: Symmetric::zeros(0),
                free,
                slope,
                root: self.root.clone(),
            });
        }
        let part = |rows: &[usize], columns: &[usize]| {
            Array2::from_shape_fn((rows.len(), columns.len()), |(i, j)| {
                self.correlation[[rows[i], columns[j]]]
            })
        };
        // A part of a positive definite matrix is one too.
        let precision = nearest(&part(&fixed, &fixed)).1.inverse();
        let inverse = Array2::from_shape_fn((fixed.len(), fixed.len()), |(i, j)| precision.at(i, j));
        let slope = part(&free, &fixed).dot(&inverse);
        let rest = part(&free, &free) - slope.dot(&part(&fixed, &free));
        // Where there is none, nothing is left to vary but rounding.
        let root = root(&rest)
            .unwrap_or_else(|| Factor::diagonal(&rest.diag().mapv(|value| value.max(0.0).sqrt()).to_vec()));
        Ok(Plan { confined, precision, free, slope, root })
    }
}

impl Plan {
    fn draw(&self, rng: &mut impl rand::Rng, variables: &mut [f64]) {
        let mut fixed: Vec<f64> =
            self.confined.iter().map(|(_, part)| draw_between(rng, 0.0, 1.0, *part)).collect();
        let sweeps = if fixed.len() > 1 { SWEEPS } else { 0 };
        for _ in 0..sweeps {
            for i in 0..fixed.len() {
                let own = self.precision.at(i, i);
                let others: f64 =
                    (0..fixed.len()).filter(|j| *j != i).map(|j| self.precision.at(i, j) * fixed[j]).sum();
                fixed[i] = draw_between(rng, -others / own, 1.0 / own.sqrt(), self.confined[i].1);
            }
        }
        let noise: Vec<f64> = self.free.iter().map(|_| draw(rng)).collect();
        let noise = self.root.times(&noise);
        for ((i, at), noise) in self.free.iter().enumerate().zip(noise) {
            let mean: f64 = fixed.iter().enumerate().map(|(j, value)| self.slope[[i, j]] * value).sum();
            variables[*at] = mean + noise;
        }
        for ((at, _), value) in self.confined.iter().zip(fixed) {
            variables[*at] = value;
        }
    }
}

impl Marginal {
    fn empty(&self, rows: usize) -> Column {
        match self {
            Self::Numbers { .. } => Column::Numbers(Vec::with_capacity(rows)),
            Self::Levels { levels, .. } => {
                Column::Levels { codes: Vec::with_capacity(rows), count: levels.count() }
            }
        }
    }

    fn push(&self, column: &mut Column, variables: &[f64]) {
        match (self, column) {
            (Self::Numbers { value, present }, Column::Numbers(values)) => {
                let gone = present.as_ref().is_some_and(|(at, levels)| levels.level(variables[*at]) == 1);
                let value = value.as_ref().filter(|_| !gone);
                values.push(value.map_or(f64::NAN, |(at, numbers)| numbers.value(share(variables[*at]))));
            }
            (Self::Levels { at, levels }, Column::Levels { codes, .. }) => {
                codes.push(levels.level(variables[*at]));
            }
            _ => {}
        }
    }

    /// The variables that a fixed value confines, and to what; none where it can't be.
    fn confine(&self, given: Given) -> Option<Vec<(usize, (f64, f64))>> {
        match (self, given) {
            (Self::Levels { at, levels }, Given::Level(level)) => Some(vec![(*at, levels.interval(level)?)]),
            (Self::Levels { at, levels }, Given::Missing) => Some(vec![(*at, levels.interval(MISSING)?)]),
            (Self::Numbers { value: Some((at, numbers)), present }, Given::Number(number)) => {
                let mut confined = vec![(*at, numbers.interval(number))];
                if let Some((at, levels)) = present {
                    confined.push((*at, levels.interval(0)?));
                }
                Some(confined)
            }
            (Self::Numbers { present: Some((at, levels)), .. }, Given::Missing) => {
                Some(vec![(*at, levels.interval(1)?)])
            }
            (Self::Numbers { value: None, .. }, Given::Missing) => Some(Vec::new()),
            _ => None,
        }
    }
}

fn fix(column: &mut Column, given: Given) {
    match (column, given) {
        (Column::Numbers(values), Given::Number(number)) => values.fill(number),
        (Column::Numbers(values), _) => values.fill(f64::NAN),
        (Column::Levels { codes, .. }, Given::Level(level)) => codes.fill(level),
        (Column::Levels { codes, .. }, _) => codes.fill(MISSING),
    }
}

#[cfg(test)]
mod tests;
