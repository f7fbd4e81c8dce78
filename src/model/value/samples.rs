//! Customers for tests: real ones, and made ones whose parameters are known.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Beta, Distribution, Exp, Gamma};

use super::{Buyer, Family, History};

/// A customer of the CDNOW sample, calibrated to 1997-09-30.
pub struct Cdnow {
    /// Times in weeks.
    pub history: History,
    /// The mean of repeat purchases.
    pub mean: f64,
    /// Purchases in the 39 weeks after.
    pub later: f64,
}

/// The CDNOW sample, as the file says where from.
pub fn cdnow() -> Vec<Cdnow> {
    let lines = include_str!("fixtures/cdnow.txt").lines().filter(|line| !line.starts_with('#'));
    let customer = |line: &str| {
        let n: Vec<f64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let history = History { repeats: n[0] as u32, last: n[1] / 7.0, age: n[2] / 7.0, customers: n[5] };
        Cdnow { history, mean: if n[0] > 0.0 { n[3] / 100.0 / n[0] } else { 0.0 }, later: n[4] }
    };
    lines.map(customer).collect()
}

/// Their histories alone.
pub fn cdnow_histories() -> Vec<History> {
    cdnow().iter().map(|customer| customer.history).collect()
}

/// Their repeat purchases.
pub fn cdnow_buyers() -> Vec<Buyer> {
    cdnow().iter().map(|one| Buyer { purchases: one.history.repeats, mean: one.mean }).collect()
}

/// Draws customers whom a model describes, observed for `age` on average (half of it to one and a half).
pub fn drawn(family: Family, p: [f64; 4], customers: usize, age: f64, seed: u64) -> Vec<History> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..customers)
        .map(|_| match family {
            Family::BetaBinomial => opportunities(p, age as u32, &mut random),
            Family::ShiftedGeometric => renewals(p, age as u32, &mut random),
            _ => {
                let age = age * random_between(&mut random, 0.5, 1.5);
                purchases(family, p, age, &mut random)
            }
        })
        .collect()
}

fn random_between(random: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

fn purchases(family: Family, p: [f64; 4], age: f64, random: &mut ChaCha8Rng) -> History {
    let times = times(family, p, age, random);
    History { repeats: times.len() as u32, last: times.last().copied().unwrap_or(0.0), age, customers: 1.0 }
}

/// Draws customers whom a model describes, observed for `age`, with their purchases in the time `ahead` after.
pub fn drawn_ahead(
    family: Family,
    p: [f64; 4],
    customers: usize,
    [age, ahead]: [f64; 2],
) -> Vec<(History, u32)> {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let one = |_| {
        let times = times(family, p, age + ahead, &mut random);
        let known = times.partition_point(|time| *time <= age);
        let last = times[..known].last().copied().unwrap_or(0.0);
        (History { repeats: known as u32, last, age, customers: 1.0 }, (times.len() - known) as u32)
    };
    (0..customers).map(one).collect()
}

/// The times of repeat purchases within a time.
fn times(family: Family, p: [f64; 4], within: f64, random: &mut ChaCha8Rng) -> Vec<f64> {
    let rate = Gamma::new(p[0], 1.0 / p[1]).unwrap().sample(random).max(1e-12);
    let chance = match family {
        Family::BetaGeometric | Family::ModifiedBetaGeometric => {
            Beta::new(p[2], p[3]).unwrap().sample(random)
        }
        _ => 0.0,
    };
    let end = match family {
        Family::Pareto => {
            let rate = Gamma::new(p[2], 1.0 / p[3]).unwrap().sample(random).max(1e-12);
            Exp::new(rate).unwrap().sample(random)
        }
        Family::ModifiedBetaGeometric if random_between(random, 0.0, 1.0) < chance => 0.0,
        _ => f64::INFINITY,
    };
    let (wait, mut time, mut times) = (Exp::new(rate).unwrap(), 0.0, Vec::new());
    loop {
        time += wait.sample(random);
        if time > within.min(end) {
            return times;
        }
        times.push(time);
        if random_between(random, 0.0, 1.0) < chance {
            return times;
        }
    }
}

fn opportunities(p: [f64; 4], age: u32, random: &mut ChaCha8Rng) -> History {
    let buys = Beta::new(p[0], p[1]).unwrap().sample(random);
    let leaves = Beta::new(p[2], p[3]).unwrap().sample(random);
    let mut history = History { repeats: 0, last: 0.0, age: f64::from(age), customers: 1.0 };
    for at in 1..=age {
        if random_between(random, 0.0, 1.0) < leaves {
            break;
        }
        if random_between(random, 0.0, 1.0) < buys {
            history.repeats += 1;
            history.last = f64::from(at);
        }
    }
    history
}

fn renewals(p: [f64; 4], age: u32, random: &mut ChaCha8Rng) -> History {
    let misses = Beta::new(p[0], p[1]).unwrap().sample(random);
    let missed = (0..age).find(|_| random_between(random, 0.0, 1.0) < misses);
    let repeats = missed.unwrap_or(age);
    let due = missed.map_or(age, |missed| missed + 1);
    History { repeats, last: f64::from(repeats), age: f64::from(due), customers: 1.0 }
}

/// Draws customers who buy `1, 2, 3, ...` times up to `most`, over and over, with Gamma-Gamma amounts.
pub fn drawn_buyers([p, q, gamma]: [f64; 3], customers: usize, most: u32, seed: u64) -> Vec<Buyer> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let one = |at: usize| {
        let purchases = 1 + at as u32 % most;
        let scale = Gamma::new(q, 1.0 / gamma).unwrap().sample(&mut random);
        let amounts = Gamma::new(p * f64::from(purchases), 1.0 / scale).unwrap();
        Buyer { purchases, mean: amounts.sample(&mut random) / f64::from(purchases) }
    };
    (0..customers).map(one).collect()
}
