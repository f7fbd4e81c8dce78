//! How many purchases a customer may make: the distribution of their number, and its quantiles.
//!
//! Takes parameters as known. A mixture over whether the customer is still there, and until when.

use super::family::Family;
use super::local::SLOTS;
use super::{History, beta_binomial, pareto};

/// Numbers of purchases beyond this are not told apart.
const MOST: u32 = 100_000;

/// The numbers of purchases that a customer stays at or below with the chances `low` and `high`; `alive` is
/// the chance of still being one.
pub fn purchases(
    family: Family,
    p: &[f64; SLOTS],
    history: &History,
    alive: f64,
    t: f64,
    [low, high]: [f64; 2],
) -> (u32, u32) {
    let mut counts = Counts::new(family, p, history, t);
    let mut below = 1.0 - alive + alive * counts.next_chance();
    let mut at = 0;
    let mut lowest = (below >= low).then_some(0);
    while below < high && at < MOST {
        let chance = alive * counts.next_chance();
        below += chance;
        at += 1;
        if lowest.is_none() && below >= low {
            lowest = Some(at);
        }
        // Rounding may leave the sum short of a high quantile.
        if counts.is_exhausted() || (below > 0.5 && chance < 1e-13) {
            break;
        }
    }
    (lowest.unwrap_or(at), at)
}

/// The chances of 0, 1, 2, ... purchases of a living customer, one after the other.
enum Counts {
    /// Nobody leaves.
    Silent(Negative),
    /// A chance to leave after each purchase.
    Geometric { counts: Negative, a: f64, b: f64, survived: f64, sum: f64 },
    /// A time to leave: the counts until it, each with its chance.
    Mixture { parts: Vec<(Negative, f64)>, spent: f64 },
    /// A known list.
    List(std::vec::IntoIter<f64>),
}

impl Counts {
    fn new(family: Family, p: &[f64; SLOTS], history: &History, t: f64) -> Self {
        let (n, end) = (p[0] + f64::from(history.repeats), p[1] + history.age);
        let first = u32::from(family == Family::ModifiedBetaGeometric);
        match family {
            Family::Nbd => Self::Silent(Negative::new(n, end, t)),
            Family::BetaGeometric | Family::ModifiedBetaGeometric => Self::Geometric {
                counts: Negative::new(n, end, t),
                a: p[2],
                b: p[3] + f64::from(history.repeats + first),
                survived: 1.0,
                sum: 0.0,
            },
            Family::Pareto => {
                let (departures, stays) = pareto::departures(p, history, t);
                let mut parts: Vec<_> =
                    departures.iter().map(|(at, chance)| (Negative::new(n, end, *at), *chance)).collect();
                parts.push((Negative::new(n, end, t), stays));
                Self::Mixture { parts, spent: 0.0 }
            }
            Family::BetaBinomial => Self::List(beta_binomial::counts(p, history, t).into_iter()),
            Family::ShiftedGeometric => Self::List(beta_binomial::renewal_counts(p, history, t).into_iter()),
        }
    }

    fn next_chance(&mut self) -> f64 {
        match self {
            Self::Silent(counts) => counts.next_chance(),
            // Made this many without leaving, or left with the last one and would have made more.
            Self::Geometric { counts, a, b, survived, sum } => {
                let made = counts.made;
                let chance = counts.next_chance();
                if made == 0.0 {
                    *sum = chance;
                    return chance;
                }
                let leaves = *survived * *a / (*a + *b + made - 1.0);
                *survived *= (*b + made - 1.0) / (*a + *b + made - 1.0);
                let more = (1.0 - *sum).max(0.0);
                *sum += chance;
                *survived * chance + leaves * more
            }
            Self::Mixture { parts, spent } => {
                let chance = parts.iter_mut().map(|(counts, chance)| *chance * counts.next_chance()).sum();
                *spent += chance;
                chance
            }
            Self::List(list) => list.next().unwrap_or(0.0),
        }
    }

    fn is_exhausted(&self) -> bool {
        match self {
            Self::Silent(counts) => counts.is_exhausted(),
            Self::Geometric { counts, survived, .. } => counts.is_exhausted() || *survived < 1e-12,
            Self::Mixture { spent, .. } => *spent > 1.0 - 1e-9,
            Self::List(list) => list.len() == 0,
        }
    }
}

/// The negative binomial distribution of purchases at a gamma (`shape`, `rate`) rate in a time: chances of
/// 0, 1, 2, ...
struct Negative {
    log: f64,
    shape: f64,
    step: f64,
    made: f64,
    sum: f64,
}

impl Negative {
    fn new(shape: f64, rate: f64, t: f64) -> Self {
        Self {
            log: -shape * libm::log1p(t / rate),
            shape,
            step: libm::log(t / (rate + t)),
            made: 0.0,
            sum: 0.0,
        }
    }

    fn next_chance(&mut self) -> f64 {
        let chance = libm::exp(self.log);
        self.log += libm::log((self.shape + self.made) / (self.made + 1.0)) + self.step;
        self.made += 1.0;
        self.sum += chance;
        chance
    }

    fn is_exhausted(&self) -> bool {
        self.sum > 1.0 - 1e-12
    }
}
