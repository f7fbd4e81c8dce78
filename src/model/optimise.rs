//! The least value of a smooth function of few variables.
//!
//! Doesn't know what the function is of.

/// Where a search for the least value ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// The variables there.
    pub at: Vec<f64>,
    /// The function's value.
    pub value: f64,
    /// Steps taken.
    pub steps: usize,
}

/// Share of the decrease that a straight line would give, which a step must reach.
const ARMIJO: f64 = 1e-4;
/// Smallest fraction of a step that is tried.
const SHORTEST: f64 = 1e-12;

/// Minimises a smooth function by BFGS with a backtracking line search.
///
/// `function` takes the variables, shape `(n,)`, writes the gradient into its second argument, same
/// shape, and gives the value; a value that isn't finite marks variables that aren't allowed. The
/// search ends when no step of the last one's direction lowers the value, when the gradient's
/// largest entry is at most `tolerance`, when the value falls by less than `tolerance` times its
/// size (or 1) in each of two steps in a row, or after `steps` steps. Starts from `start`, whose value must be
/// finite for anything to be found. O(n^2) a step beside the function's own cost.
///
/// Reference: Nocedal and Wright, Numerical Optimization, 2nd edition, algorithm 6.1.
pub fn bfgs(
    function: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
    start: &[f64],
    tolerance: f64,
    steps: usize,
) -> Minimum {
    let n = start.len();
    let mut gradient = vec![0.0; n];
    let mut found = Minimum { at: start.to_vec(), value: function(start, &mut gradient), steps: 0 };
    let mut inverse = Inverse::new(n);
    let (mut next, mut slope_there) = (vec![0.0; n], vec![0.0; n]);
    let mut flat = 0;
    while found.steps < steps && found.value.is_finite() && largest(&gradient) > tolerance {
        let mut direction = inverse.times_minus(&gradient);
        if dot(&direction, &gradient) >= 0.0 {
            inverse = Inverse::new(n);
            direction = gradient.iter().map(|slope| -slope).collect();
        }
        let slope = dot(&direction, &gradient);
        let first = if inverse.fresh { (1.0 / largest(&gradient)).min(1.0) } else { 1.0 };
        let mut length = first;
        let value = loop {
            for ((next, at), step) in next.iter_mut().zip(&found.at).zip(&direction) {
                *next = at + length * step;
            }
            let value = function(&next, &mut slope_there);
            if value.is_finite() && value <= found.value + ARMIJO * length * slope {
                break value;
            }
            // The least of the parabola through what is known, kept away from both ends.
            let parabola = -slope * length / (2.0 * (value - found.value - slope * length));
            length *= if parabola.is_finite() { (parabola).clamp(0.1, 0.5) } else { 0.1 };
            if length < SHORTEST * first {
                break f64::NAN;
            }
        };
        if value.is_nan() {
            if inverse.fresh {
                break;
            }
            inverse = Inverse::new(n);
            continue;
        }
        found.steps += 1;
        let step: Vec<f64> = direction.iter().map(|step| length * step).collect();
        let bend: Vec<f64> = slope_there.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        inverse.update(&step, &bend);
        flat = if found.value - value <= tolerance * found.value.abs().max(1.0) { flat + 1 } else { 0 };
        found.value = value;
        found.at.copy_from_slice(&next);
        gradient.copy_from_slice(&slope_there);
        if flat == 2 {
            break;
        }
    }
    found
}

/// What is known of the inverse of the matrix of second derivatives.
struct Inverse {
    cells: Vec<f64>,
    n: usize,
    /// Whether it is the identity still.
    fresh: bool,
}

impl Inverse {
    fn new(n: usize) -> Self {
        let cells = (0..n * n).map(|cell| f64::from(u8::from(cell % (n + 1) == 0))).collect();
        Self { cells, n, fresh: true }
    }

    fn times(&self, vector: &[f64]) -> Vec<f64> {
        self.cells.chunks_exact(self.n.max(1)).map(|row| dot(row, vector)).collect()
    }

    fn times_minus(&self, vector: &[f64]) -> Vec<f64> {
        self.times(vector).into_iter().map(|value| -value).collect()
    }

    fn update(&mut self, step: &[f64], bend: &[f64]) {
        let curvature = dot(step, bend);
        if curvature <= 1e-14 * dot(bend, bend) {
            return;
        }
        if self.fresh {
            let scale = curvature / dot(bend, bend);
            self.cells.iter_mut().for_each(|cell| *cell *= scale);
            self.fresh = false;
        }
        let through = self.times(bend);
        let factor = (1.0 + dot(bend, &through) / curvature) / curvature;
        for ((row, one), left) in self.cells.chunks_exact_mut(self.n).zip(step).zip(&through) {
            for ((cell, other), right) in row.iter_mut().zip(step).zip(&through) {
                *cell += factor * one * other - (one * right + left * other) / curvature;
            }
        }
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley has its least value, 0, at (1, 1).
    #[test]
    fn finds_the_end_of_a_curved_valley() {
        let mut valley = |at: &[f64], gradient: &mut [f64]| {
            let (x, y) = (at[0], at[1]);
            gradient[0] = -400.0 * x * (y - x * x) - 2.0 * (1.0 - x);
            gradient[1] = 200.0 * (y - x * x);
            100.0 * (y - x * x) * (y - x * x) + (1.0 - x) * (1.0 - x)
        };
        let found = bfgs(&mut valley, &[-1.2, 1.0], 1e-12, 500);
        assert!(found.at.iter().all(|at| (at - 1.0).abs() < 1e-5), "{found:?}");
        assert!(found.value < 1e-10 && found.steps < 100, "{found:?}");
    }

    #[test]
    fn stays_where_values_are_finite() {
        let mut wall = |at: &[f64], gradient: &mut [f64]| {
            gradient[0] = 1.0 - 1.0 / at[0];
            if at[0] > 0.0 { at[0] - libm::log(at[0]) } else { f64::INFINITY }
        };
        let found = bfgs(&mut wall, &[5.0], 1e-10, 100);
        assert!((found.at[0] - 1.0).abs() < 1e-6, "{found:?}");
        let mut nowhere = |_: &[f64], _: &mut [f64]| f64::NAN;
        assert_eq!(bfgs(&mut nowhere, &[2.0], 1e-10, 100).at, [2.0]);
    }

    #[test]
    fn without_variables_nothing_moves() {
        let found = bfgs(&mut |_, _| 3.0, &[], 1e-10, 100);
        assert_eq!(found, Minimum { at: Vec::new(), value: 3.0, steps: 0 });
    }
}
