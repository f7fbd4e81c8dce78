//! When each customer purchased: the first and last time and the gaps in between.
//!
//! Gaps need times in order. Transactions nearly always come in time order, so the first pass
//! counts gaps as they come, in a few bytes a customer. Customers whose times went backwards
//! are noted, and a second pass collects and sorts the times of just those. Both ways push the
//! same gaps in the same order, so the order of the rows can't change a digit.

use anyhow::Result;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ids::NOBODY;
use super::moments::Moments;
use super::rows::{Rows, Tally};
use crate::data::dates::DAY;

/// When one customer purchased.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rhythm {
    /// The first purchase, in microseconds; later than `last` where there was none.
    pub first: i64,
    /// The last purchase, in microseconds.
    pub last: i64,
    /// Days between one purchase and the next.
    pub gaps: Moments,
    purchases: u32,
    backwards: bool,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { first: i64::MAX, last: i64::MIN, gaps: Moments::default(), purchases: 0, backwards: false }
    }
}

impl Rhythm {
    /// The mean gap in days, if there were two purchases.
    pub fn mean_gap(&self) -> Option<f64> {
        (self.purchases > 1).then(|| days(self.first, self.last) / f64::from(self.purchases - 1))
    }

    /// Adds the purchases of a later time, none of which lies before any of these. Both have their gaps in order.
    pub fn join(&mut self, later: &Self) {
        if self.purchases > 0 && later.purchases > 0 {
            self.gaps.push(days(self.last, later.first));
        }
        self.gaps.join(&later.gaps);
        self.first = self.first.min(later.first);
        self.last = self.last.max(later.last);
        self.purchases += later.purchases;
        self.backwards = false;
    }

    fn purchase(&mut self, time: i64) {
        if self.purchases > 0 && !self.backwards {
            self.backwards = time < self.last;
            self.gaps.push(days(self.last, time));
        }
        self.purchases += 1;
        self.first = self.first.min(time);
        self.last = self.last.max(time);
    }

    fn gaps_of(times: &[i64]) -> Moments {
        let mut gaps = Moments::default();
        times.windows(2).for_each(|pair| gaps.push(days(pair[0], pair[1])));
        gaps
    }
}

/// Days from one time to another.
pub fn days(from: i64, to: i64) -> f64 {
    to.saturating_sub(from) as f64 / DAY as f64
}

/// Rhythms by customer.
#[derive(Debug, Default)]
pub struct Calendar {
    /// One entry a customer.
    pub customers: Vec<Rhythm>,
}

impl Tally for Calendar {
    fn add(&mut self, rows: &Rows, customers: usize) -> Result<()> {
        self.customers.resize(customers, Rhythm::default());
        for (who, time) in rows.who.iter().zip(rows.times.values()) {
            if *who != NOBODY {
                self.customers[*who as usize].purchase(*time);
            }
        }
        Ok(())
    }
}

impl Calendar {
    /// What has to be collected in a second pass, if times went backwards for anybody.
    pub fn unsorted(&self) -> Option<Times> {
        let mut starts = Vec::with_capacity(self.customers.len());
        let mut total = 0;
        for rhythm in &self.customers {
            starts.push(if rhythm.backwards { total } else { usize::MAX });
            total += if rhythm.backwards { rhythm.purchases as usize } else { 0 };
        }
        (total > 0).then(|| Times { cursors: starts, times: vec![0; total] })
    }

    /// Replaces the gaps of the customers whose times were collected.
    pub fn settle(&mut self, mut times: Times) {
        let mut rest = times.times.as_mut_slice();
        let mut slices = Vec::new();
        for rhythm in self.customers.iter_mut().filter(|rhythm| rhythm.backwards) {
            let (own, others) = rest.split_at_mut(rhythm.purchases as usize);
            slices.push((rhythm, own));
            rest = others;
        }
        slices.into_par_iter().for_each(|(rhythm, own)| {
            own.sort_unstable();
            rhythm.gaps = Rhythm::gaps_of(own);
        });
    }
}

/// The purchase times of the customers whose rows were not in time order.
#[derive(Debug)]
pub struct Times {
    /// Where each customer's next time goes; `usize::MAX` for customers that are not collected.
    cursors: Vec<usize>,
    times: Vec<i64>,
}

impl Tally for Times {
    fn add(&mut self, rows: &Rows, _: usize) -> Result<()> {
        for (who, time) in rows.who.iter().zip(rows.times.values()) {
            if *who == NOBODY {
                continue;
            }
            let cursor = &mut self.cursors[*who as usize];
            if *cursor != usize::MAX {
                self.times[*cursor] = *time;
                *cursor += 1;
            }
        }
        Ok(())
    }
}
