//! What a fitted model says of a customer: whether they are still there, what they will buy and when.
//!
//! Does not know what a purchase is worth.

use super::family::Family;
use super::local::SLOTS;
use super::special::few;
use super::{Fitted, History, beta_binomial, beta_geometric, pareto, range};

/// Steps of the logarithms of parameters over which slopes are taken.
const STEP: f64 = 1e-4;

/// The time ahead that is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ahead {
    /// How long, in the unit of the histories.
    pub time: f64,
    /// The rate of continuous discounting, a unit of time; 0 for none.
    pub discount: f64,
}

/// What a customer is expected to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// The chance of still being a customer.
    pub alive: f64,
    /// Expected purchases in the time ahead.
    pub expected: f64,
    /// The same, each discounted to now.
    pub discounted: f64,
    /// The time after which half of such customers who are still there have bought again; `None` where half
    /// of them never will.
    pub next: Option<f64>,
    /// The numbers of purchases that such customers stay above, and stay below or at, with a chance of 97.5 %
    /// each, at the fitted parameters.
    pub range: (u32, u32),
    /// Slopes of `ln expected` in what was fitted (logarithms of the customer's own parameters).
    pub slope: [f64; SLOTS],
    /// The same of `ln discounted`.
    pub discounted_slope: [f64; SLOTS],
}

impl Fitted {
    /// The outlook of a customer with these covariates, if the model has any.
    ///
    /// The time ahead is above 0. O(1), but for the number of purchases that it covers.
    pub fn outlook(&self, history: &History, covariates: &[f64], ahead: &Ahead) -> Outlook {
        let p = self.parameters_with(covariates);
        let alive = alive(self.family, &p, history);
        let (expected, discounted) = both(self.family, &p, history, ahead);
        let mut outlook = Outlook {
            alive,
            expected,
            discounted,
            next: next(self.family, &p, history),
            range: range::purchases(self.family, &p, history, alive, ahead.time, [0.025, 0.975]),
            slope: [0.0; SLOTS],
            discounted_slope: [0.0; SLOTS],
        };
        for at in 0..self.family.parameters().len() {
            let (mut more, mut less) = (p, p);
            more[at] *= libm::exp(STEP);
            less[at] *= libm::exp(-STEP);
            let (high, low) =
                (both(self.family, &more, history, ahead), both(self.family, &less, history, ahead));
            outlook.slope[at] = slope(low.0, high.0);
            outlook.discounted_slope[at] = slope(low.1, high.1);
        }
        outlook
    }

    /// The chance that a customer is still one.
    pub fn alive(&self, history: &History, covariates: &[f64]) -> f64 {
        alive(self.family, &self.parameters_with(covariates), history)
    }

    /// Expected purchases of a customer in a time to come.
    pub fn expected(&self, history: &History, covariates: &[f64], time: f64) -> f64 {
        let p = self.parameters_with(covariates);
        alive(self.family, &p, history) * living(self.family, &p, history, time)
    }

    /// Expected repeat purchases of a new customer in the time after the first purchase.
    pub fn expected_new(&self, covariates: &[f64], time: f64) -> f64 {
        self.expected(&History::NEW, covariates, time)
    }

    /// The slopes of a quantity in all that was fitted, from those in a customer's own parameters.
    pub fn pulled_back(&self, slope: &[f64; SLOTS], covariates: &[f64]) -> Vec<f64> {
        let count = self.family.parameters().len();
        let own = slope[..count].iter().copied();
        let of_links =
            self.family.links().iter().flat_map(|link| {
                covariates.iter().map(move |value| link.sign * value * slope[link.parameter])
            });
        own.chain(of_links).collect()
    }

    /// The variance of a quantity with these slopes in what was fitted; `None` where the likelihood doesn't
    /// tell.
    pub fn variance(&self, slopes: &[f64]) -> Option<f64> {
        let variance = self.covariance.as_ref()?.form(slopes);
        variance.is_finite().then(|| variance.max(0.0))
    }
}

fn slope(low: f64, high: f64) -> f64 {
    if low > 0.0 && high > 0.0 { libm::log(high / low) / (2.0 * STEP) } else { 0.0 }
}

fn alive(family: Family, p: &[f64; SLOTS], history: &History) -> f64 {
    match family {
        Family::Nbd => 1.0,
        Family::BetaGeometric => beta_geometric::alive(p, history, 0),
        Family::ModifiedBetaGeometric => beta_geometric::alive(p, history, 1),
        Family::Pareto => pareto::alive(p, history),
        Family::BetaBinomial => beta_binomial::alive(p, history),
        Family::ShiftedGeometric => {
            if beta_binomial::has_missed(history) {
                0.0
            } else {
                1.0
            }
        }
    }
}

/// Expected purchases of a customer who is still there.
fn living(family: Family, p: &[f64; SLOTS], history: &History, t: f64) -> f64 {
    if t <= 0.0 {
        return 0.0;
    }
    match family {
        Family::Nbd => beta_geometric::expected_silent(p, history, t),
        Family::BetaGeometric => beta_geometric::expected(p, history, 0, t),
        Family::ModifiedBetaGeometric => beta_geometric::expected(p, history, 1, t),
        Family::Pareto => pareto::expected(p, history, t),
        Family::BetaBinomial => beta_binomial::expected(p, history, t),
        Family::ShiftedGeometric => beta_binomial::expected_renewals(p, history, t),
    }
}

/// Expected purchases, and the same discounted: `int e^(-d t) dE(t) = e^(-d T) E(T) + d int e^(-d t) E(t) dt`.
fn both(family: Family, p: &[f64; SLOTS], history: &History, ahead: &Ahead) -> (f64, f64) {
    let alive = alive(family, p, history);
    let all = living(family, p, history, ahead.time);
    if ahead.discount <= 0.0 || alive <= 0.0 {
        return (alive * all, alive * all);
    }
    let factor = |t: f64| libm::exp(-ahead.discount * t);
    let later = if family.is_discrete() {
        by_opportunity(family, p, history, ahead)
    } else {
        let spread = |(at, weight): &(f64, f64)| {
            weight * factor(ahead.time * at) * living(family, p, history, ahead.time * at)
        };
        factor(ahead.time) * all + ahead.discount * ahead.time * few().iter().map(spread).sum::<f64>()
    };
    (alive * all, alive * later)
}

/// Purchases at opportunities, each discounted from its end.
fn by_opportunity(family: Family, p: &[f64; SLOTS], history: &History, ahead: &Ahead) -> f64 {
    let (mut sum, mut before, mut done) = (0.0, 0.0, 0.0);
    while done < ahead.time {
        done = (done + 1.0).min(ahead.time);
        let now = living(family, p, history, done);
        sum += libm::exp(-ahead.discount * done) * (now - before);
        before = now;
    }
    sum
}

/// See [`Outlook::next`].
fn next(family: Family, p: &[f64; SLOTS], history: &History) -> Option<f64> {
    if family.is_discrete() {
        return next_opportunity(family, p, history);
    }
    let (n, end) = (p[0] + f64::from(history.repeats), p[1] + history.age);
    let half = end * libm::expm1(std::f64::consts::LN_2 / n);
    if family != Family::Pareto {
        return half.is_finite().then_some(half);
    }
    // Those who leave first make it later than in a world without dropout.
    let (mut low, mut high) = (half, half);
    while pareto::again(p, history, high) < 0.5 {
        (low, high) = (high, 2.0 * high);
        if !high.is_finite() || high > 1e6 * end {
            return None;
        }
    }
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        if pareto::again(p, history, middle) < 0.5 { low = middle } else { high = middle }
    }
    Some(high)
}

/// The first opportunity by which half have bought; `None` where it isn't among the next thousand.
fn next_opportunity(family: Family, p: &[f64; SLOTS], history: &History) -> Option<f64> {
    let (leave, stay) =
        if family == Family::BetaBinomial { (p[2], p[3] + history.age) } else { (p[0], p[1]) };
    let (buys, all) = match family {
        Family::BetaBinomial => (p[0] + f64::from(history.repeats), p[0] + p[1] + history.age),
        _ => return (beta_binomial::expected_renewals(p, history, 1.0) >= 0.5).then_some(1.0),
    };
    let (mut there, mut waits, mut bought) = (1.0, 1.0, 0.0);
    for at in 0..1_000_u32 {
        let at = f64::from(at);
        there *= (stay + at) / (leave + stay + at);
        let buys_now = waits * buys / (all + at);
        bought += there * buys_now;
        waits -= buys_now;
        if bought >= 0.5 {
            return Some(at + 1.0);
        }
    }
    None
}
