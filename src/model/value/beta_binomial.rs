//! BG/BB, where purchases have opportunities, and the shifted beta geometric model of renewals.
//!
//! Parameters of BG/BB: beta `alpha`, `beta` for the chance of buying, beta `gamma`, `delta` for that of
//! leaving. Of renewals: beta `alpha`, `beta` for the chance of not renewing.

use super::History;
use super::family::Rises;
use super::local::{Local, LogSum, SLOTS};

/// The log-likelihood of `x` purchases, the last at opportunity `t_x` of `n`: having stayed, or having
/// left before each opportunity since,
/// `B(alpha + x, beta + n - x) / B(alpha, beta) B(gamma, delta + n) / B(gamma, delta)
/// + sum over i from t_x to n - 1 of B(alpha + x, beta + i - x) / B(alpha, beta) B(gamma + 1, delta + i) / B(gamma, delta)`.
pub fn log_likelihood(rises: &Rises, p: &[f64; SLOTS], history: &History) -> Local {
    let (x, last, n) = (history.repeats as usize, history.last as usize, history.age as usize);
    let mut sum = LogSum::new();
    sum.add(&stayed(rises, x, n), 1.0);
    for at in last..n {
        sum.add(&left(rises, p, x, at), 1.0);
    }
    sum.log()
}

fn stayed(rises: &Rises, x: usize, n: usize) -> Local {
    let mut term = buying(rises, x, n);
    term.add_of_one(3, rises.at(3, n), 1.0);
    term.add_of_sum(2, 3, rises.at(4, n), -1.0);
    term
}

fn left(rises: &Rises, p: &[f64; SLOTS], x: usize, at: usize) -> Local {
    let mut term = buying(rises, x, at);
    term.add_of_one(2, of_log(p[2]), 1.0);
    term.add_of_one(3, rises.at(3, at), 1.0);
    term.add_of_sum(2, 3, rises.at(4, at + 1), -1.0);
    term
}

/// `ln B(alpha + x, beta + n - x) / B(alpha, beta)`.
fn buying(rises: &Rises, x: usize, n: usize) -> Local {
    let mut term = Local::default();
    term.add_of_one(0, rises.at(0, x), 1.0);
    term.add_of_one(1, rises.at(1, n - x), 1.0);
    term.add_of_sum(0, 1, rises.at(2, n), -1.0);
    term
}

fn of_log(z: f64) -> [f64; 3] {
    [libm::log(z), 1.0 / z, -1.0 / (z * z)]
}

/// The log-likelihood of `x` renewals of `n` that came due: `B(alpha, beta + x) / B(alpha, beta)` where
/// all were made, `B(alpha + 1, beta + x) / B(alpha, beta)` where the last one was missed.
pub fn renewals(rises: &Rises, p: &[f64; SLOTS], history: &History) -> Local {
    let (x, missed) = (history.repeats as usize, has_missed(history));
    let mut term = Local::default();
    term.add_of_one(1, rises.at(0, x), 1.0);
    term.add_of_sum(0, 1, rises.at(1, x + usize::from(missed)), -1.0);
    if missed {
        term.add_of_one(0, of_log(p[0]), 1.0);
    }
    term
}

/// Whether a renewal that came due was missed.
pub fn has_missed(history: &History) -> bool {
    history.age > f64::from(history.repeats)
}

/// The chance of still being a customer at the last opportunity.
pub fn alive(p: &[f64; SLOTS], history: &History) -> f64 {
    let rises = Rises::direct(super::Family::BetaBinomial, p);
    let (x, n) = (history.repeats as usize, history.age as usize);
    libm::exp(stayed(&rises, x, n).value - log_likelihood(&rises, p, history).value).min(1.0)
}

/// Expected purchases of a living customer at the next `t` opportunities: the chance of buying,
/// `(alpha + x) / (alpha + beta + n)`, times how many of them the customer is expected to see,
/// `sum over j from 1 to t of (delta + n)_j / (gamma + delta + n)_j`.
pub fn expected(p: &[f64; SLOTS], history: &History, t: f64) -> f64 {
    let [alpha, beta, gamma, delta] = *p;
    let (x, n) = (f64::from(history.repeats), history.age);
    (alpha + x) / (alpha + beta + n) * stays(gamma, delta + n, t)
}

/// Expected renewals of a living customer among the next `t`.
pub fn expected_renewals(p: &[f64; SLOTS], history: &History, t: f64) -> f64 {
    stays(p[0], p[1] + f64::from(history.repeats), t)
}

/// `sum over j from 1 to t of (stay)_j / (leave + stay)_j`; a part of an opportunity counts in part.
fn stays(leave: f64, stay: f64, t: f64) -> f64 {
    let (mut chance, mut sum, mut done) = (1.0, 0.0, 0.0);
    while done < t {
        chance *= (stay + done) / (leave + stay + done);
        sum += chance * (t - done).min(1.0);
        done += 1.0;
    }
    sum
}

/// The chances of 0, 1, ... `t` purchases of a living customer at the next `t` opportunities (whole ones): a
/// mixture over how many of them the customer sees.
pub fn counts(p: &[f64; SLOTS], history: &History, t: f64) -> Vec<f64> {
    let [alpha, beta, gamma, delta] = *p;
    let (buys, passes) =
        (alpha + f64::from(history.repeats), beta + history.age - f64::from(history.repeats));
    let seen = departures(gamma, delta + history.age, t);
    let mut counts = vec![0.0; seen.len()];
    for (tries, chance) in seen.iter().enumerate() {
        // Beta-binomial chances of so many purchases in so many tries, from none on.
        let mut here = (0..tries)
            .fold(*chance, |chance, at| chance * (passes + at as f64) / (buys + passes + at as f64));
        for (made, count) in counts.iter_mut().enumerate().take(tries + 1) {
            *count += here;
            let (made, left) = (made as f64, (tries - made) as f64);
            here *= left / (made + 1.0) * (buys + made) / (passes + left - 1.0);
        }
    }
    counts
}

/// The chances of 0, 1, ... `t` renewals of a living customer.
pub fn renewal_counts(p: &[f64; SLOTS], history: &History, t: f64) -> Vec<f64> {
    departures(p[0], p[1] + f64::from(history.repeats), t)
}

/// The chances of being there for exactly 0, 1, ... `t` more opportunities.
fn departures(leave: f64, stay: f64, t: f64) -> Vec<f64> {
    let (mut chance, mut done, mut all) = (1.0, 0.0, Vec::new());
    while done + 1.0 <= t.round() {
        let leaves = leave / (leave + stay + done);
        all.push(chance * leaves);
        chance *= 1.0 - leaves;
        done += 1.0;
    }
    all.push(chance);
    all
}
