//! BG/NBD and MBG/NBD, which differ in when customers may first leave; NBD is what they have in common.
//!
//! Parameters: gamma `r`, `alpha` for rates of purchase, beta `a`, `b` for chances of dropout.

use super::History;
use super::family::Rises;
use super::local::{Local, SLOTS};
use super::special::reduced_hypergeometric;

/// Where the time ahead is so many times longer than the time behind, or `a` is so large, series take too long.
const SLOW: f64 = 30.0;

/// Adds `ln B(a, b + m) / B(a, b) = ln (b)_m / (a + b)_m`: having survived `m` chances to leave.
pub fn add_survival(sum: &mut Local, rises: &Rises, m: usize) {
    sum.add_of_one(3, rises.at(1, m), 1.0);
    sum.add_of_sum(2, 3, rises.at(2, m), -1.0);
}

/// `-(r + x) ln(alpha + T)`, the log-likelihood of the times where nobody leaves, without what depends
/// on `x` alone.
pub fn silent(p: &[f64; SLOTS], history: &History) -> Local {
    let (n, end) = (p[0] + f64::from(history.repeats), p[1] + history.age);
    let (log, inverse) = (libm::log(end), 1.0 / end);
    let mut sum = Local { value: -n * log, ..Local::default() };
    sum.slope[0] = -log;
    sum.slope[1] = -n * inverse;
    sum.set_mixed(0, 1, -inverse);
    sum.curve[1][1] = n * inverse * inverse;
    sum
}

/// `-(r + x) ln(alpha + T) + ln(1 + e^d)`, where `e^d` are the odds of having left: see [`log_odds`].
pub fn by_time(p: &[f64; SLOTS], history: &History, first: u32) -> Local {
    let mut sum = silent(p, history);
    let Some(d) = log_odds(p, history, first) else { return sum };
    let left = share(d);
    sum.value += d.max(0.0) + libm::log1p(libm::exp(-d.abs()));
    let (n, b) = (p[0] + f64::from(history.repeats), last_b(p, history, first));
    let (end, last) = (1.0 / (p[1] + history.age), 1.0 / (p[1] + history.last));
    let since = libm::log1p((history.age - history.last) * last);
    let slope = [since, n * (end - last), 1.0 / p[2], -1.0 / b];
    let spread = left * (1.0 - left);
    for i in 0..SLOTS {
        sum.slope[i] += left * slope[i];
        for j in 0..SLOTS {
            sum.curve[i][j] += spread * slope[i] * slope[j];
        }
    }
    sum.curve[0][1] += left * (end - last);
    sum.curve[1][0] += left * (end - last);
    sum.curve[1][1] += left * n * (last * last - end * end);
    sum.curve[2][2] -= left * slope[2] * slope[2];
    sum.curve[3][3] += left * slope[3] * slope[3];
    sum
}

/// The logarithm of the odds of having left after the last purchase,
/// `a / (b + m - 1) ((alpha + T) / (alpha + t_x))^(r + x)` with `m` the chances to leave so far: `x`,
/// and one more where the first purchase is one (`first` = 1). `None` where there was no chance.
pub fn log_odds(p: &[f64; SLOTS], history: &History, first: u32) -> Option<f64> {
    if history.repeats + first == 0 {
        return None;
    }
    let n = p[0] + f64::from(history.repeats);
    let since = libm::log1p((history.age - history.last) / (p[1] + history.last));
    Some(libm::log(p[2] / last_b(p, history, first)) + n * since)
}

fn last_b(p: &[f64; SLOTS], history: &History, first: u32) -> f64 {
    p[3] + f64::from(history.repeats) + f64::from(first) - 1.0
}

/// The logistic function.
fn share(d: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-d))
}

/// The chance of still being a customer; 1 where there was no chance to leave.
pub fn alive(p: &[f64; SLOTS], history: &History, first: u32) -> f64 {
    log_odds(p, history, first).map_or(1.0, |d| share(-d))
}

/// Expected purchases of a living customer in the time `t` to come.
///
/// With `A = r + x`, `w = t / (alpha + T + t)` and `C = a + b + m - 1`, the published
/// `C / (a - 1) [1 - (1 - w)^A 2F1(A, b + m; C; w)]` after Euler's transformation, written so that
/// neither `a = 1` nor `C = 0` is special. Where that cancels, or its
/// series is long, the mean over the chance of dropout is taken instead.
pub fn expected(p: &[f64; SLOTS], history: &History, first: u32, t: f64) -> f64 {
    let [r, alpha, a, b] = *p;
    let (n, end, b) =
        (r + f64::from(history.repeats), alpha + history.age, b + f64::from(history.repeats + first));
    let (e, c, d) = (a - 1.0, a + b - 1.0, a + b - 1.0 - n);
    if d < -15.0 || t * a.max(1.0) > SLOW * end {
        return averaged(n, end, a, b, t);
    }
    let log = -libm::log1p(t / end);
    let slope = if e == 0.0 { log } else { libm::expm1(e * log) / e };
    let (all, less) = (-c * slope, libm::exp(e * log) * reduced_hypergeometric(d, e, c + 1.0, t / (end + t)));
    let expected = all - less;
    let told = expected.is_finite() && expected > 1e-7 * all.abs().max(less.abs());
    if told { expected } else { averaged(n, end, a, b, t) }
}

/// The same as the mean of `(1 - (1 + p t / end)^-n) / p` over the chance of dropout `p`, which is beta (`a`, `b`).
///
/// Trapezoids in the logit of `p`, where the density is smooth and has one peak; beyond where it falls like a
/// power, the rest is a geometric series. No term is negative.
fn averaged(n: f64, end: f64, a: f64, b: f64, t: f64) -> f64 {
    let (ratio, peak) = (t / end, libm::log(a / b));
    let step = (0.7 * ((a + b) / (a * b)).sqrt()).min(0.5);
    let top = a * log_share(peak) + b * log_share(-peak);
    let mean = |p: f64| if p > 0.0 { -libm::expm1(-n * libm::log1p(p * ratio)) / p } else { n * ratio };
    let (mut sum, mut weights) = (0.0, 0.0);
    for side in [-1.0, 1.0] {
        let (power, touchy) = if side < 0.0 { (a, b + n * ratio) } else { (b, a + n) };
        let mut logit = if side < 0.0 { peak - step } else { peak };
        loop {
            let mut weight = libm::exp(a * log_share(logit) + b * log_share(-logit) - top);
            let far = libm::exp(-side * logit) * touchy < 1e-11;
            if far {
                weight /= -libm::expm1(-power * step);
            }
            sum += weight * mean(share(logit));
            weights += weight;
            if far || weight < 1e-18 {
                break;
            }
            logit += side * step;
        }
    }
    sum / weights
}

/// The logarithm of the logistic function.
fn log_share(d: f64) -> f64 {
    d.min(0.0) - libm::log1p(libm::exp(-d.abs()))
}

/// Expected purchases of a living customer in the time `t` to come where nobody leaves.
pub fn expected_silent(p: &[f64; SLOTS], history: &History, t: f64) -> f64 {
    (p[0] + f64::from(history.repeats)) * t / (p[1] + history.age)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(repeats: u32, last: f64, age: f64) -> History {
        History { repeats, last, age, customers: 1.0 }
    }

    #[test]
    fn series_and_mean_agree() {
        for (p, repeats) in [
            ([0.24, 4.4, 0.79, 2.4], 0),
            ([6.0, 9.0, 1.0, 3.0], 4),
            ([0.5, 1.0, 1e-3, 0.02], 2),
            ([1.4, 0.3, 25e3, 1e5], 5),
        ] {
            for t in [0.1, 10.0, 200.0] {
                let (n, end, b) = (p[0] + f64::from(repeats), p[1] + 30.0, p[3] + f64::from(repeats));
                let one = expected(&p, &history(repeats, 20.0, 30.0), 0, t);
                let two = averaged(n, end, p[2], b, t);
                assert!((one / two - 1.0).abs() < 1e-9, "{p:?} {t}: {one} is not {two}");
            }
        }
    }

    #[test]
    fn extreme_parameters_and_histories_give_numbers() {
        for p in
            [[1e5, 1e5, 1e-5, 1e5], [1e-5, 1e-5, 1e5, 1e-5], [80.0, 300.0, 1.0, 1e5], [1.0, 1e-3, 1.0, 1e-5]]
        {
            for (repeats, last, age) in
                [(0, 0.0, 0.0), (1, 0.0, 1.0), (3_000, 700.0, 700.0), (132, 200.0, 200.0)]
            {
                for first in [0, 1] {
                    let history = history(repeats, last, age);
                    let (alive, more) = (alive(&p, &history, first), expected(&p, &history, first, 52.0));
                    assert!((0.0..=1.0).contains(&alive), "{p:?} {history:?}: {alive}");
                    let most = expected_silent(&p, &history, 52.0);
                    assert!(
                        more >= 0.0 && more <= most * (1.0 + 1e-9),
                        "{p:?} {history:?}: {more} of {most}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_tiny_chance_to_leave_is_hardly_any() {
        let p = [0.5, 6.0, 1e-9, 100.0];
        let history = history(3, 20.0, 30.0);
        assert!((expected(&p, &history, 0, 52.0) / expected_silent(&p, &history, 52.0) - 1.0).abs() < 1e-6);
    }
}
