//! Newton's method for functions of a few parameters, within bounds.
//!
//! Knows a value, its gradient and its Hessian; does not know what is minimised.

use crate::model::symmetric::Symmetric;

/// Steps after which the search gives up; ten to twenty are usual.
const STEPS: usize = 200;

/// The largest change of a parameter in a step.
const REACH: f64 = 2.0;

/// A fall that is foreseen to be smaller than this, in units of the function, is none.
const FALL: f64 = 1e-10;

/// A function's value with its derivatives.
#[derive(Clone, Debug)]
pub struct Point {
    /// The value.
    pub value: f64,
    /// First derivatives.
    pub gradient: Vec<f64>,
    /// Second derivatives.
    pub hessian: Symmetric,
}

/// Where a search ended.
#[derive(Clone, Debug)]
pub struct Minimum {
    /// The parameters.
    pub at: Vec<f64>,
    /// The function there.
    pub point: Point,
    /// Which parameters ended on a bound with the function still falling beyond it.
    pub bound: Vec<bool>,
    /// Whether the gradient has vanished, as far as rounding tells.
    pub converged: bool,
    /// How often the function was computed.
    pub evaluations: usize,
}

/// The lowest point that is found downhill from `start`, each parameter within its bounds.
///
/// Newton steps on the parameters that aren't held by a bound; where the Hessian isn't positive
/// definite, or a step does not lower the function, its diagonal is raised (Levenberg and Marquardt).
/// `None` where the function is not finite at the start, or `function` gives up.
///
/// Nocedal and Wright, Numerical Optimization (2006), 4.1 and 16.7.
pub fn minimise(
    start: Vec<f64>,
    bounds: &[(f64, f64)],
    mut function: impl FnMut(&[f64]) -> Option<Point>,
) -> Option<Minimum> {
    let mut at = clamped(&start, bounds);
    let mut here = function(&at).filter(Point::is_finite)?;
    let (mut damping, mut evaluations) = (0.0, 1);
    for _ in 0..STEPS {
        let free = free(&at, &here.gradient, bounds);
        let Some((step, foreseen)) = here.step(&free, damping) else {
            damping = raised(damping, &here);
            if damping > 1e30 {
                break;
            }
            continue;
        };
        if damping == 0.0 && foreseen <= FALL {
            return Some(ended(at, here, bounds, true, evaluations));
        }
        let moved: Vec<f64> = at.iter().zip(&step).map(|(at, step)| at + step).collect();
        let moved = clamped(&moved, bounds);
        let there = function(&moved)?;
        evaluations += 1;
        let slack = 1e-14 * here.value.abs();
        if there.is_finite() && there.value <= here.value - 1e-4 * foreseen + slack {
            let still = there.value >= here.value - slack && foreseen <= 1e3 * FALL;
            (at, here) = (moved, there);
            damping = if damping < 1e-8 { 0.0 } else { damping * 0.1 };
            if still {
                return Some(ended(at, here, bounds, true, evaluations));
            }
        } else if damping > 1e20 {
            break;
        } else {
            damping = raised(damping, &here);
        }
    }
    let flat = here.gradient.iter().all(|slope| slope.abs() <= 1e-4);
    Some(ended(at, here, bounds, flat, evaluations))
}

fn raised(damping: f64, here: &Point) -> f64 {
    if damping == 0.0 { 1e-3 * here.hessian.largest_on_diagonal().max(1e-6) } else { 10.0 * damping }
}

fn clamped(at: &[f64], bounds: &[(f64, f64)]) -> Vec<f64> {
    at.iter().zip(bounds).map(|(at, (low, high))| at.clamp(*low, *high)).collect()
}

/// Which parameters may move: not those on a bound beyond which the function falls.
fn free(at: &[f64], gradient: &[f64], bounds: &[(f64, f64)]) -> Vec<bool> {
    let parts = at.iter().zip(gradient).zip(bounds);
    parts
        .map(|((at, slope), (low, high))| !(*at <= *low && *slope > 0.0 || *at >= *high && *slope < 0.0))
        .collect()
}

fn ended(at: Vec<f64>, point: Point, bounds: &[(f64, f64)], converged: bool, evaluations: usize) -> Minimum {
    // On a bound at all: a function that is flat there says nothing of the parameter either.
    let bound = at.iter().zip(bounds).map(|(at, (low, high))| at <= low || at >= high).collect();
    Minimum { at, point, bound, converged, evaluations }
}

impl Point {
    fn is_finite(&self) -> bool {
        self.value.is_finite()
            && self.gradient.iter().all(|slope| slope.is_finite())
            && self.hessian.is_finite()
    }

    /// The step of the free parameters and the fall that it promises; `None` where the damped Hessian
    /// isn't positive definite.
    fn step(&self, free: &[bool], damping: f64) -> Option<(Vec<f64>, f64)> {
        let moving: Vec<usize> = (0..free.len()).filter(|at| free[*at]).collect();
        let mut hessian = self.hessian.part(&moving);
        hessian.add_to_diagonal(damping);
        let slopes: Vec<f64> = moving.iter().map(|at| self.gradient[*at]).collect();
        let solved = hessian.factor()?.solve(&slopes);
        let longest = solved.iter().fold(0.0, |longest: f64, step| longest.max(step.abs()));
        let shrink = if longest > REACH { REACH / longest } else { 1.0 };
        let mut step = vec![0.0; free.len()];
        moving.iter().zip(&solved).for_each(|(at, solved)| step[*at] = -shrink * solved);
        let fall: f64 = slopes.iter().zip(&solved).map(|(slope, step)| slope * step).sum();
        Some((step, shrink * (1.0 - 0.5 * shrink) * fall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley, whose minimum is 0 at (1, 1).
    fn valley(at: &[f64]) -> Option<Point> {
        let (x, y) = (at[0], at[1]);
        let off = y - x * x;
        let mut hessian = Symmetric::zeros(2);
        hessian.set(0, 0, 2.0 - 400.0 * off + 800.0 * x * x);
        hessian.set(0, 1, -400.0 * x);
        hessian.set(1, 1, 200.0);
        let value = (1.0 - x) * (1.0 - x) + 100.0 * off * off;
        Some(Point { value, gradient: vec![-2.0 * (1.0 - x) - 400.0 * x * off, 200.0 * off], hessian })
    }

    #[test]
    fn the_bottom_of_the_valley_is_found() {
        let wide = [(-9.0, 9.0); 2];
        for start in [[-1.2, 1.0], [0.0, 0.0], [5.0, -5.0]] {
            let found = minimise(start.to_vec(), &wide, valley).unwrap();
            assert!(found.converged && found.bound == [false, false], "{found:?}");
            assert!(
                found.at.iter().all(|at| (at - 1.0).abs() < 1e-5) && found.evaluations < 100,
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_bound_holds_and_is_told() {
        let found = minimise(vec![0.0, 0.0], &[(-9.0, 0.5), (-9.0, 9.0)], valley).unwrap();
        assert_eq!((found.bound, found.at[0]), (vec![true, false], 0.5));
        assert!((found.at[1] - 0.25).abs() < 1e-6);
    }

    #[test]
    fn what_has_no_value_at_the_start_has_no_minimum() {
        let nowhere =
            |_: &[f64]| Some(Point { value: f64::NAN, gradient: vec![0.0], hessian: Symmetric::zeros(1) });
        assert!(minimise(vec![0.0], &[(-1.0, 1.0)], nowhere).is_none());
        assert!(minimise(vec![0.0], &[(-1.0, 1.0)], |_| None).is_none());
    }
}
