//! Pareto/NBD: customers leave at any time.
//!
//! Parameters: gamma `r`, `alpha` for rates of purchase, gamma `s`, `beta` for rates of dropout.

use super::History;
use super::local::{Local, LogSum, SLOTS};
use super::special::{POINTS, gauss};

/// Width of a quadrature panel in `y`, and in factors of decay: 16 points give all digits in either.
const WIDTH: f64 = 2.0;
const DECAY: f64 = 20.0;

/// The log-likelihood of the times, without what depends on `x` alone: of having been alive until the
/// end or having left in between,
/// `(alpha + T)^-(r + x) (beta + T)^-s + int from t_x to T of s (alpha + u)^-(r + x) (beta + u)^-(s + 1) du`.
///
/// The integral is the published difference of two hypergeometric functions (Fader and Hardie, "A note
/// on deriving the Pareto/NBD model", 2005), which cancels; all that is summed here is positive.
pub fn by_time(p: &[f64; SLOTS], history: &History) -> Local {
    let (stayed, mut sum) = (stayed(p, history), LogSum::new());
    sum.add(&stayed, 1.0);
    sum.add(&left(p, history), 1.0);
    sum.log()
}

/// The logarithm of the first part: alive until the end.
fn stayed(p: &[f64; SLOTS], history: &History) -> Local {
    let [r, alpha, s, beta] = *p;
    let (n, a, b) = (r + f64::from(history.repeats), alpha + history.age, beta + history.age);
    let (log_a, log_b) = (libm::log(a), libm::log(b));
    let mut sum = Local { value: -n * log_a - s * log_b, ..Local::default() };
    sum.slope = [-log_a, -n / a, -log_b, -s / b];
    sum.curve[1][1] = n / (a * a);
    sum.curve[3][3] = s / (b * b);
    sum.set_mixed(0, 1, -1.0 / a);
    sum.set_mixed(2, 3, -1.0 / b);
    sum
}

/// The logarithm of the second part: left between the last purchase and the end.
///
/// Quadrature in `y = ln(c + u)` with `c` the smaller of `alpha` and `beta`, where the integrand has no
/// singularity nearer than pi off the line of reals. Panels end early where nothing is left to add.
fn left(p: &[f64; SLOTS], history: &History) -> Local {
    let [r, alpha, s, beta] = *p;
    let (n, c) = (r + f64::from(history.repeats), alpha.min(beta));
    let start = c + history.last;
    let reach = libm::log1p((history.age - history.last) / start);
    let mut sum = LogSum::new();
    if reach <= 0.0 {
        return sum.log();
    }
    // The steepest that the logarithm of the integrand gets, at its end.
    let end = c + history.age;
    let steepest = 1.0 + n * end / (alpha + history.age) + (s + 1.0) * end / (beta + history.age);
    let panels = 1 + (reach / WIDTH.min(DECAY / steepest)) as usize;
    let width = reach / panels as f64;
    let (mut before, mut added) = (0.0, f64::INFINITY);
    for panel in 0..panels {
        for (at, weight) in gauss() {
            let y = width * (panel as f64 + at);
            let u = start * libm::exp(y);
            sum.add(&integrand(p, n, c, u), weight * width);
        }
        let now = sum.total() - before;
        if now < 1e-17 * sum.total() && now <= added {
            break;
        }
        (before, added) = (sum.total(), now);
    }
    sum.log()
}

/// `ln(s (alpha + u)^-n (beta + u)^-(s + 1) (c + u))`, where `from` is `c + u`.
fn integrand(p: &[f64; SLOTS], n: f64, c: f64, from: f64) -> Local {
    let [_, alpha, s, beta] = *p;
    let (a, b) = (from + (alpha - c), from + (beta - c));
    let log = libm::log(from);
    let log_a = if alpha == c { log } else { libm::log(a) };
    let log_b = if beta == c { log } else { libm::log(b) };
    let (inverse_a, inverse_b) = (1.0 / a, 1.0 / b);
    let mut sum = Local { value: libm::log(s) - n * log_a - (s + 1.0) * log_b + log, ..Local::default() };
    sum.slope = [-log_a, -n * inverse_a, 1.0 / s - log_b, -(s + 1.0) * inverse_b];
    sum.curve[1][1] = n * inverse_a * inverse_a;
    sum.curve[2][2] = -1.0 / (s * s);
    sum.curve[3][3] = (s + 1.0) * inverse_b * inverse_b;
    sum.set_mixed(0, 1, -inverse_a);
    sum.set_mixed(2, 3, -inverse_b);
    sum
}

/// The chance of still being a customer.
pub fn alive(p: &[f64; SLOTS], history: &History) -> f64 {
    1.0 / (1.0 + libm::exp(left(p, history).value - stayed(p, history).value))
}

/// Expected purchases of a living customer in the time `t` to come:
/// `(r + x) / (alpha + T) (beta + T) / (s - 1) [1 - ((beta + T) / (beta + T + t))^(s - 1)]`.
pub fn expected(p: &[f64; SLOTS], history: &History, t: f64) -> f64 {
    let [r, alpha, s, beta] = *p;
    let (rate, b) = ((r + f64::from(history.repeats)) / (alpha + history.age), beta + history.age);
    let log = libm::log1p(t / b);
    let excess = s - 1.0;
    rate * b * if excess == 0.0 { log } else { -libm::expm1(-excess * log) / excess }
}

/// When a living customer leaves within the time `t` to come: times with their chances, and the chance of
/// staying. A mixture over them stands for the integral over the chance of having stayed so long.
pub fn departures(p: &[f64; SLOTS], history: &History, t: f64) -> ([(f64, f64); POINTS], f64) {
    let (s, b) = (p[2], p[3] + history.age);
    let leaves = -libm::expm1(-s * libm::log1p(t / b));
    let at = |(at, weight): (f64, f64)| (b * libm::expm1(-libm::log1p(-leaves * at) / s), weight * leaves);
    (gauss().map(at), 1.0 - leaves)
}

/// The chance that a living customer has bought again by the time `t` to come.
pub fn again(p: &[f64; SLOTS], history: &History, t: f64) -> f64 {
    let (n, a) = (p[0] + f64::from(history.repeats), p[1] + history.age);
    let bought = |t: f64| -libm::expm1(-n * libm::log1p(t / a));
    let (departures, stays) = departures(p, history, t);
    stays * bought(t) + departures.iter().map(|(at, chance)| chance * bought(*at)).sum::<f64>()
}
