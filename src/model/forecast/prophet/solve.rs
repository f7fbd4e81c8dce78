//! The most probable parameters of a model.

use super::design::Design;
use super::{Options, Seasons, dot};
use crate::model::symmetric::{Factor, Symmetric};

/// Turns between parameters and the size of the error.
const TURNS: usize = 200;
/// Sweeps of a lasso.
const SWEEPS: usize = 2_000;
/// When nothing moves any more.
const TOLERANCE: f64 = 1e-10;
/// Precision of the priors of slope and offset: normal with a standard deviation of 5.
const WIDE: f64 = 1.0 / 25.0;

/// Trend, seasonal terms and the size of the error.
pub(super) fn most_probable(
    design: &Design,
    days: &[f64],
    values: &[f64],
    options: &Options,
) -> (Vec<f64>, Vec<f64>, f64) {
    let y: Vec<f64> = values.iter().map(|value| design.scaled(*value)).collect();
    let trends: Vec<Vec<f64>> = days.iter().map(|day| design.trend(*day)).collect();
    let seasons: Vec<Vec<f64>> = days.iter().map(|day| design.seasonal(*day)).collect();
    let narrow = 1.0 / (options.size * options.size);
    match options.seasons {
        Seasons::Additive => {
            // One system: free columns first, changes of the slope last.
            let columns = |at: usize| -> Vec<f64> {
                let (free, changes) = trends[at].split_at(trends[at].len() - design.changes());
                free.iter().chain(&seasons[at]).chain(changes).copied().collect()
            };
            let rows: Vec<Vec<f64>> = (0..y.len()).map(columns).collect();
            let wide =
                rows.first().map_or(0, Vec::len) - design.changes() - seasons.first().map_or(0, Vec::len);
            let precision: Vec<f64> = std::iter::repeat_n(WIDE, wide)
                .chain(std::iter::repeat_n(narrow, seasons[0].len()))
                .collect();
            let system = System::new(&rows, &y, precision, design.changes(), options.flexibility);
            let (found, sigma) = system.solve(None);
            let (free, changes) = found.split_at(found.len() - design.changes());
            let (trend, seasonal) = free.split_at(wide);
            ([trend, changes].concat(), seasonal.to_vec(), sigma)
        }
        Seasons::Multiplicative => multiplied(design, &y, &trends, &seasons, narrow, options),
    }
}

/// Trend and seasons as factors of each other: Gauss and Newton's way. Around what is known the model is taken as straight, which
/// gives a system as that of additive seasons; the way to its solution is halved while it doesn't make things better.
fn multiplied(
    design: &Design,
    y: &[f64],
    trends: &[Vec<f64>],
    seasons: &[Vec<f64>],
    narrow: f64,
    options: &Options,
) -> (Vec<f64>, Vec<f64>, f64) {
    let (changes, terms) = (design.changes(), seasons.first().map_or(0, Vec::len));
    let wide = trends.first().map_or(0, Vec::len) - changes;
    let precision: Vec<f64> =
        std::iter::repeat_n(WIDE, wide).chain(std::iter::repeat_n(narrow, terms)).collect();
    // Parameters in the order of a system: slope and offset, seasons, changes.
    let parts = |all: &[f64], at: usize| -> (f64, f64) {
        let trend = dot(&trends[at][..wide], &all[..wide]) + dot(&trends[at][wide..], &all[wide + terms..]);
        (trend, 1.0 + dot(&seasons[at], &all[wide..wide + terms]))
    };
    let errors = |all: &[f64]| -> f64 {
        let error = |(at, y): (usize, &f64)| {
            let (trend, factor) = parts(all, at);
            (y - trend * factor) * (y - trend * factor)
        };
        y.iter().enumerate().map(error).sum()
    };
    let prior = |all: &[f64]| -> f64 {
        let normal: f64 =
            all.iter().zip(&precision).map(|(value, precision)| precision * value * value).sum();
        let laplace: f64 = all[wide + terms..].iter().map(|change| change.abs()).sum();
        0.5 * normal + laplace / options.flexibility
    };
    let rows: Vec<Vec<f64>> =
        trends.iter().map(|row| [&row[..wide], &vec![0.0; terms][..], &row[wide..]].concat()).collect();
    let (mut found, mut sigma) =
        System::new(&rows, y, precision.clone(), changes, options.flexibility).solve(None);
    for _ in 0..TURNS {
        let line = |(at, y): (usize, &f64)| {
            let (trend, factor) = parts(&found, at);
            let own = trends[at][..wide].iter().map(|cell| cell * factor);
            let seasonal = seasons[at].iter().map(|cell| cell * trend);
            let later = trends[at][wide..].iter().map(|cell| cell * factor);
            let row: Vec<f64> = own.chain(seasonal).chain(later).collect();
            let aim = y - trend * factor + dot(&row, &found);
            (row, aim)
        };
        let (rows, aims): (Vec<_>, Vec<_>) = y.iter().enumerate().map(line).unzip();
        let system = System::new(&rows, &aims, precision.clone(), changes, options.flexibility);
        let mut next = found.clone();
        system.parameters(sigma, &mut next);
        let cost = |all: &[f64]| 0.5 * errors(all) / (sigma * sigma) + prior(all);
        let (known, mut part) = (cost(&found), 1.0);
        let at = |part: f64| -> Vec<f64> {
            found.iter().zip(&next).map(|(old, new)| old + part * (new - old)).collect()
        };
        while cost(&at(part)) > known && part > 1e-6 {
            part *= 0.5;
        }
        let taken = at(part);
        let gain = known - cost(&taken);
        if gain > 0.0 {
            found = taken;
        }
        let before = sigma;
        sigma = size(errors(&found), y.len() as f64);
        if gain <= 1e-10 * known.abs().max(1.0) && (before - sigma).abs() <= 1e-9 * sigma {
            break;
        }
    }
    let trend = [&found[..wide], &found[wide + terms..]].concat();
    (trend, found[wide..wide + terms].to_vec(), sigma)
}

/// The most probable size of the error for a sum of squared errors of so many values: the root of `n / s - SSE / s^3 + 4 s = 0`.
fn size(errors: f64, rows: f64) -> f64 {
    (2.0 * errors / (rows + (rows * rows + 16.0 * errors).sqrt())).sqrt().max(1e-9)
}

/// Least squares with normal priors on the first columns and a Laplace prior on the last ones.
struct System {
    /// Cross products of the columns, row by row.
    gram: Vec<Vec<f64>>,
    /// Cross products of columns and values.
    right: Vec<f64>,
    /// Sum of squared values.
    squares: f64,
    rows: f64,
    /// Precision of the prior of each of the first columns.
    precision: Vec<f64>,
    /// How many columns are last ones.
    last: usize,
    flexibility: f64,
}

impl System {
    fn new(rows: &[Vec<f64>], y: &[f64], precision: Vec<f64>, last: usize, flexibility: f64) -> Self {
        let columns = rows.first().map_or(0, Vec::len);
        let (mut gram, mut right) = (vec![vec![0.0; columns]; columns], vec![0.0; columns]);
        for (row, y) in rows.iter().zip(y) {
            for (at, (line, one)) in gram.iter_mut().zip(row).enumerate() {
                for (cell, other) in line.iter_mut().zip(row).take(at + 1) {
                    *cell += one * other;
                }
            }
            right.iter_mut().zip(row).for_each(|(sum, cell)| *sum += cell * y);
        }
        for at in 1..columns {
            let (above, below) = gram.split_at_mut(at);
            let line = below.first().map_or(&[][..], Vec::as_slice);
            above.iter_mut().zip(line).for_each(|(other, cell)| other[at] = *cell);
        }
        let squares = y.iter().map(|y| y * y).sum();
        Self { gram, right, squares, rows: rows.len() as f64, precision, last, flexibility }
    }

    /// All parameters and the size of the error, by turns, from a first guess of the latter.
    fn solve(&self, sigma: Option<f64>) -> (Vec<f64>, f64) {
        let free = self.precision.len();
        let mut sigma = sigma.unwrap_or_else(|| (self.squares / self.rows).sqrt().clamp(1e-6, 0.5));
        let mut found = vec![0.0; free + self.last];
        for _ in 0..TURNS {
            self.parameters(sigma, &mut found);
            let next = size(self.errors(&found), self.rows);
            let moved = (next - sigma).abs();
            sigma = next;
            if moved <= 1e-9 * sigma {
                break;
            }
        }
        (found, sigma)
    }

    fn errors(&self, found: &[f64]) -> f64 {
        let through: f64 = self.gram.iter().zip(found).map(|(row, value)| value * dot(row, found)).sum();
        (self.squares - 2.0 * dot(&self.right, found) + through).max(0.0)
    }

    /// The factor of what the first columns make with each other, priors included; a pivot lost to rounding counts as a small one.
    fn factor(&self, square: f64) -> Option<Factor> {
        let free = self.precision.len();
        let mut inner = Symmetric::zeros(free);
        for (row, precision) in self.precision.iter().enumerate() {
            (0..row).for_each(|column| inner.set(row, column, self.gram[row][column]));
            inner.set(row, row, self.gram[row][row] + square * precision);
        }
        inner.factor_by(|pivot, cell| Some(pivot.max(1e-14 * cell.max(1e-300))))
    }

    /// The most probable parameters for one size of the error: the first columns eliminated, then coordinate descent over the
    /// last ones from where they were.
    fn parameters(&self, sigma: f64, found: &mut [f64]) {
        let free = self.precision.len();
        let square = sigma * sigma;
        let Some(factor) = self.factor(square) else { return };
        // What the first columns make of the values, and of each last column.
        let of_values = factor.solve(&self.right[..free]);
        let of_last: Vec<Vec<f64>> =
            (free..free + self.last).map(|at| factor.solve(&self.gram[at][..free])).collect();
        let reduced: Vec<Vec<f64>> = (0..self.last)
            .map(|at| {
                let cross = &self.gram[free + at][..free];
                (0..self.last)
                    .map(|other| self.gram[free + at][free + other] - dot(cross, &of_last[other]))
                    .collect()
            })
            .collect();
        let aim: Vec<f64> = (0..self.last)
            .map(|at| self.right[free + at] - dot(&self.gram[free + at][..free], &of_values))
            .collect();
        let (first, last) = found.split_at_mut(free);
        lasso(&reduced, &aim, square / self.flexibility, last);
        for (at, value) in first.iter_mut().enumerate() {
            *value =
                of_values[at] - last.iter().zip(&of_last).map(|(change, of)| change * of[at]).sum::<f64>();
        }
    }
}

/// Minimises `x' A x / 2 - b' x + weight sum |x|` by coordinate descent from where `x` is.
fn lasso(a: &[Vec<f64>], b: &[f64], weight: f64, x: &mut [f64]) {
    let mut slopes: Vec<f64> = a.iter().zip(b).map(|(row, b)| b - dot(row, x)).collect();
    for _ in 0..SWEEPS {
        let (mut moved, mut size) = (0.0_f64, 0.0_f64);
        for at in 0..x.len() {
            let curvature = a[at][at];
            if curvature <= 1e-14 {
                continue;
            }
            let aim = slopes[at] + curvature * x[at];
            let next = aim.signum() * (aim.abs() - weight).max(0.0) / curvature;
            let step = next - x[at];
            if step != 0.0 {
                slopes.iter_mut().zip(&a[at]).for_each(|(slope, cell)| *slope -= step * cell);
                x[at] = next;
            }
            moved = moved.max(step.abs());
            size = size.max(next.abs());
        }
        if moved <= TOLERANCE * size.max(1e-6) {
            break;
        }
    }
}
