//! What each customer did of late, and on which days and hours they purchase.
//!
//! Windows end at the cutoff, so it must be known before the first row is counted.

use anyhow::Result;

use super::ids::NOBODY;
use super::rows::{Rows, Tally};
use crate::data::dates::{self, DAY};

/// What is made beyond the features that every table has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Lengths of windows that end at the cutoff, in days.
    pub windows: Vec<u32>,
    /// Whether weekdays and hours are counted.
    pub patterns: bool,
    /// Whether share columns get the entropy of their shares.
    pub entropy: bool,
}

/// The parts of a day: names, and the hours at which they begin.
const PARTS: [(&str, usize); 4] = [("night", 0), ("morning", 6), ("afternoon", 12), ("evening", 18)];

/// What one customer did within a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Window {
    purchases: u32,
    /// Purchases in as many days before the window.
    before: u32,
    /// Amounts, net of refunds.
    spent: f64,
}

/// Windows, weekdays and hours by customer.
#[derive(Debug)]
pub struct Habits {
    cutoff: i64,
    days: Vec<u32>,
    patterns: bool,
    /// Customers by windows.
    windows: Vec<Window>,
    weekdays: Vec<[u32; 7]>,
    hours: Vec<[u32; 24]>,
}

/// A feature's name and its value for a customer.
type Named<'a> = (String, Box<dyn Fn(usize) -> Option<f64> + Sync + 'a>);

impl Habits {
    /// Nothing counted yet; none where nothing of it is wanted.
    pub fn new(extra: &Extra, cutoff: i64) -> Option<Self> {
        let wanted = extra.patterns || !extra.windows.is_empty();
        wanted.then(|| Self {
            cutoff,
            days: extra.windows.clone(),
            patterns: extra.patterns,
            windows: Vec::new(),
            weekdays: Vec::new(),
            hours: Vec::new(),
        })
    }

    /// The features: first those of each window, then those of weekdays and hours.
    ///
    /// - `purchases_Nd`, `spend_Nd`: purchases, and the sum of all amounts, in the last N days;
    /// - `trend_Nd`: `(a - b) / (a + b)` with `a` purchases in the last N days and `b` in the N
    ///   days before; undefined where both are zero;
    /// - `weekend_share`, `night_share` (from 0 to 6 o'clock), `morning_share`, `afternoon_share`,
    ///   `evening_share`; `weekday_entropy`, `hour_entropy`: Shannon's, in nats.
    pub fn features(&self) -> Vec<Named<'_>> {
        let mut features: Vec<Named<'_>> = Vec::new();
        for (at, days) in self.days.iter().enumerate() {
            let window = move |customer: usize| self.windows[customer * self.days.len() + at];
            let purchases = move |customer| Some(f64::from(window(customer).purchases));
            features.push((format!("purchases_{days}d"), Box::new(purchases)));
            features.push((format!("spend_{days}d"), Box::new(move |customer| Some(window(customer).spent))));
            features.push((format!("trend_{days}d"), Box::new(move |customer| window(customer).trend())));
        }
        if self.patterns {
            self.add_patterns(&mut features);
        }
        features
    }

    fn add_patterns<'a>(&'a self, features: &mut Vec<Named<'a>>) {
        let weekend = |at: usize| share(&self.weekdays[at], 5, 7);
        features.push(("weekend_share".to_owned(), Box::new(weekend)));
        for (place, (name, from)) in PARTS.iter().enumerate() {
            let to = PARTS.get(place + 1).map_or(24, |next| next.1);
            features.push((format!("{name}_share"), Box::new(move |at| share(&self.hours[at], *from, to))));
        }
        features.push(("weekday_entropy".to_owned(), Box::new(|at| entropy(&self.weekdays[at]))));
        features.push(("hour_entropy".to_owned(), Box::new(|at| entropy(&self.hours[at]))));
    }

    fn grow(&mut self, customers: usize) {
        self.windows.resize(customers * self.days.len(), Window::default());
        if self.patterns {
            self.weekdays.resize(customers, [0; 7]);
            self.hours.resize(customers, [0; 24]);
        }
    }

    /// Counts an amount in all windows that it falls into.
    fn spend(&mut self, customer: u32, time: i64, amount: f64, purchase: bool) {
        let ago = self.cutoff.saturating_sub(time);
        let own = &mut self.windows[customer as usize * self.days.len()..][..self.days.len()];
        for (window, days) in own.iter_mut().zip(&self.days) {
            let length = i64::from(*days) * DAY;
            if ago <= length {
                window.purchases += u32::from(purchase);
                window.spent += amount;
            } else if ago <= 2 * length {
                window.before += u32::from(purchase);
            }
        }
    }
}

impl Window {
    fn trend(self) -> Option<f64> {
        let (now, before) = (f64::from(self.purchases), f64::from(self.before));
        (now + before > 0.0).then(|| (now - before) / (now + before))
    }
}

impl Tally for Habits {
    fn add(&mut self, rows: &Rows, customers: usize) -> Result<()> {
        self.grow(customers);
        for ((who, time), amount) in rows.who.iter().zip(rows.times.values()).zip(rows.amounts.values()) {
            if *who == NOBODY {
                continue;
            }
            self.spend(*who, *time, *amount, true);
            if self.patterns {
                // Microseconds of 64 bits reach fewer days than there are in 32 bits.
                let day = time.div_euclid(DAY) as i32;
                let hour = (time.rem_euclid(DAY) / (DAY / 24)) as usize;
                self.weekdays[*who as usize][dates::weekday(day)] += 1;
                self.hours[*who as usize][hour] += 1;
            }
        }
        for other in &rows.others {
            self.spend(other.who, other.time, other.amount, false);
        }
        Ok(())
    }
}

/// The share of the counts from one place to before another.
fn share(counts: &[u32], from: usize, to: usize) -> Option<f64> {
    let sum = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum::<u64>();
    let all = sum(counts);
    (all > 0).then(|| sum(&counts[from..to]) as f64 / all as f64)
}

/// Shannon's entropy of counts, in nats: `-sum p ln p`; none where nothing was counted.
pub fn entropy(counts: &[u32]) -> Option<f64> {
    let all: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let share = |count: &u32| f64::from(*count) / all as f64;
    let shares = counts.iter().filter(|count| **count > 0).map(share);
    // The logarithm of the inverse, so that a single value gives zero and not minus zero.
    (all > 0).then(|| shares.map(|share| share * libm::log(1.0 / share)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_of_one_of_equal_and_of_no_counts() {
        assert_eq!((entropy(&[0, 0]), entropy(&[0, 7])), (None, Some(0.0)));
        assert!((entropy(&[3, 3, 0, 3, 3]).unwrap() - 4_f64.ln()).abs() < 1e-15);
        // -(1/4 ln 1/4 + 3/4 ln 3/4)
        assert!((entropy(&[1, 3]).unwrap() - 0.562_335_144_618_808).abs() < 1e-14);
    }
}
