//! Purchases by customer and day: what models of customer value are fitted to.
//!
//! One purchase a customer and day: the lines of a day count together. A day whose lines sum to less than
//! nothing is a refund, taken off the customer's purchase before it; a day of zero amounts alone is a
//! purchase of nothing. Does not know models.

use std::ops::Range;

use anyhow::Result;
use arrow::array::{ArrayRef, RecordBatch};
use rayon::prelude::*;

use super::features::ids::{Index, NOBODY};
use super::features::rows::candidates;
use super::features::{Columns, Counts};
use super::{Table, columns, dates, scan};

/// A purchase of a customer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Purchase {
    /// The day, since 1970-01-01.
    pub day: i32,
    /// What was paid, net of refunds until the next purchase; not below 0.
    pub amount: f64,
}

/// All purchases before a day, by customer.
pub struct Purchases {
    ids: ArrayRef,
    ends: Vec<usize>,
    all: Vec<Purchase>,
    /// Lines used and skipped.
    pub counts: Counts,
    /// The day after the last one that is known; customers are as of its start.
    pub end: i32,
}

impl Purchases {
    /// Reads the lines before the day `end`, or all of them: then what is known ends with the last line's day.
    ///
    /// Customers are sorted by id; those who made no purchase are left out. O(lines).
    ///
    /// # Errors
    /// When a column is missing or has an unusable type, the table can't be read, or `alive` fails.
    pub fn read(
        table: &Table,
        names: &Columns,
        end: Option<i32>,
        alive: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<Self> {
        let id = table.schema().field(table.index_of(&names.customer)?);
        let mut lines = Lines {
            index: Index::new(id.name(), id.data_type())?,
            counts: Counts::default(),
            who: Vec::new(),
            days: Vec::new(),
            amounts: Vec::new(),
        };
        let period = i64::MIN..end.map_or(i64::MAX, |end| i64::from(end) * dates::DAY);
        let wanted = [names.customer.as_str(), &names.time, &names.amount];
        scan::windows(table, &wanted, |window| {
            alive()?;
            window.iter().try_for_each(|batch| lines.add(batch, names, &period))
        })?;
        lines.by_customer(end)
    }

    /// How many customers there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nobody has bought.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The ids of the customers: 64-bit integers or text.
    pub fn ids(&self) -> &ArrayRef {
        &self.ids
    }

    /// The purchases of a customer in order of time; at least one.
    pub fn of(&self, customer: usize) -> &[Purchase] {
        let start = customer.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.all[start..self.ends[customer]]
    }

    /// The purchases of all customers.
    pub fn iter(&self) -> impl Iterator<Item = &[Purchase]> {
        (0..self.len()).map(|customer| self.of(customer))
    }

    /// The day of the first purchase of all.
    pub fn first_day(&self) -> Option<i32> {
        self.iter().filter_map(|all| all.first()).map(|first| first.day).min()
    }
}

/// Lines that count, in the order of the table.
struct Lines {
    index: Index,
    counts: Counts,
    who: Vec<u32>,
    days: Vec<i32>,
    amounts: Vec<f64>,
}

impl Lines {
    fn add(&mut self, batch: &RecordBatch, names: &Columns, period: &Range<i64>) -> Result<()> {
        let ids = columns::column(batch, &names.customer)?;
        let amounts = columns::floats(batch, &names.amount)?;
        let times = columns::timestamps(batch, &names.time)?;
        let mut who = candidates(ids.logical_nulls().as_ref(), &times, &amounts, period, &mut self.counts);
        self.index.assign(ids, &mut who)?;
        for (row, who) in who.into_iter().enumerate().filter(|(_, who)| *who != NOBODY) {
            self.who.push(who);
            self.days.push(i32::try_from(times.value(row).div_euclid(dates::DAY))?);
            self.amounts.push(amounts.value(row));
        }
        Ok(())
    }

    /// Lines sorted by customer and day (those of one day in the table's order), then put together.
    fn by_customer(self, end: Option<i32>) -> Result<Purchases> {
        let mut starts = vec![0_usize; self.index.len() + 1];
        self.who.iter().for_each(|who| starts[*who as usize + 1] += 1);
        (1..starts.len()).for_each(|at| starts[at] += starts[at - 1]);
        let (mut free, mut sorted) = (starts.clone(), vec![(0, 0.0); self.who.len()]);
        for ((who, day), amount) in self.who.iter().zip(&self.days).zip(&self.amounts) {
            sorted[free[*who as usize]] = (*day, *amount);
            free[*who as usize] += 1;
        }
        let made = |customer: usize| {
            let mut lines = sorted[starts[customer]..starts[customer + 1]].to_vec();
            lines.sort_by_key(|line| line.0);
            together(&lines)
        };
        let made: Vec<Vec<Purchase>> = (0..self.index.len()).into_par_iter().map(made).collect();
        let buyers = self.index.sorted(|customer| !made[customer].is_empty());
        let (mut all, mut ends) = (Vec::new(), Vec::with_capacity(buyers.len()));
        for customer in &buyers {
            all.extend_from_slice(&made[*customer as usize]);
            ends.push(all.len());
        }
        let end = end.unwrap_or_else(|| self.days.iter().max().map_or(0, |last| last.saturating_add(1)));
        Ok(Purchases { ids: self.index.column(&buyers)?, ends, all, counts: self.counts, end })
    }
}

/// Lines of one customer in order of time, put together by day.
fn together(lines: &[(i32, f64)]) -> Vec<Purchase> {
    let mut made: Vec<Purchase> = Vec::new();
    for day in lines.chunk_by(|one, two| one.0 == two.0) {
        let net: f64 = day.iter().map(|line| line.1).sum();
        if net > 0.0 || day.iter().all(|line| line.1 == 0.0) {
            made.push(Purchase { day: day[0].0, amount: net });
        } else if let Some(before) = made.last_mut() {
            before.amount = (before.amount + net).max(0.0);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Float64Array, Int64Array};

    use super::*;

    fn read(rows: &[(i64, i32, f64)], end: Option<i32>) -> Purchases {
        let batch = RecordBatch::try_from_iter([
            ("customer_id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))) as ArrayRef),
            ("txn_timestamp", Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.1)))),
            ("amount", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2)))),
        ]);
        Purchases::read(&Table::from_batch(batch.unwrap()), &Columns::default(), end, &|| Ok(())).unwrap()
    }

    #[test]
    fn the_lines_of_a_day_are_one_purchase() {
        let made = read(&[(7, 10, 5.0), (3, 4, 2.0), (7, 8, 1.0), (7, 10, 2.5)], None);
        assert_eq!((made.len(), made.end, made.first_day()), (2, 11, Some(4)));
        assert_eq!(made.of(0), [Purchase { day: 4, amount: 2.0 }]);
        assert_eq!(made.of(1), [Purchase { day: 8, amount: 1.0 }, Purchase { day: 10, amount: 7.5 }]);
    }

    #[test]
    fn a_refund_is_taken_off_the_purchase_before_it() {
        let made =
            read(&[(1, 1, 9.0), (1, 2, 5.0), (1, 3, -2.0), (1, 4, -9.0), (2, 1, -4.0), (2, 2, 0.0)], None);
        assert_eq!(made.of(0), [Purchase { day: 1, amount: 9.0 }, Purchase { day: 2, amount: 0.0 }]);
        // A refund of what was never bought counts for nothing; a purchase of nothing is one.
        assert_eq!(made.of(1), [Purchase { day: 2, amount: 0.0 }]);
        assert_eq!(read(&[(2, 1, -4.0)], None).len(), 0);
        assert_eq!(read(&[(1, 1, 9.0), (1, 1, -9.0), (1, 1, 1.0)], None).of(0)[0].amount, 1.0);
    }

    #[test]
    fn what_comes_after_the_end_leaves_no_trace() {
        let made = read(&[(1, 1, 9.0), (1, 5, 5.0), (2, 5, 3.0), (1, 6, -5.0)], Some(5));
        assert_eq!((made.len(), made.end, made.counts.outside), (1, 5, 3));
        assert_eq!(made.of(0), [Purchase { day: 1, amount: 9.0 }]);
        assert!(read(&[], Some(5)).is_empty());
    }
}
