//! Rows made ready for counting: whose they are, whether they count, and why not.
//!
//! Does not know what is counted.

use std::ops::Range;

use anyhow::Result;
use arrow::array::{Array, Float64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::buffer::NullBuffer;
use serde::{Deserialize, Serialize};

use super::Columns;
use super::ids::{Index, NOBODY};
use crate::data::columns;

/// How many rows counted, and how many did not for which reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows in the period that count.
    pub used: u64,
    /// Rows outside the period.
    pub outside: u64,
    /// Rows without a timestamp.
    pub without_time: u64,
    /// Rows in the period without a customer id.
    pub without_id: u64,
    /// Rows in the period without a (finite) amount.
    pub without_amount: u64,
}

impl Counts {
    /// Adds the counts of other rows.
    pub fn join(&mut self, other: &Self) {
        self.used += other.used;
        self.outside += other.outside;
        self.without_time += other.without_time;
        self.without_id += other.without_id;
        self.without_amount += other.without_amount;
    }

    /// Rows that could not be used, whatever the reason.
    pub fn skipped(&self) -> u64 {
        self.without_time + self.without_id + self.without_amount
    }
}

/// The rows of one batch.
#[derive(Debug)]
pub struct Rows {
    /// For each row the customer who purchased in it; [`NOBODY`] where the row is no purchase.
    pub who: Vec<u32>,
    /// The rows that count but are no purchase: refunds and zero amounts.
    pub others: Vec<Other>,
    /// Amounts; valid and above zero wherever `who` names a customer.
    pub amounts: Float64Array,
    /// Timestamps in microseconds; valid wherever `who` names a customer.
    pub times: TimestampMicrosecondArray,
    /// All columns of the scan.
    pub batch: RecordBatch,
}

/// A row that counts but is no purchase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Other {
    /// The customer.
    pub who: u32,
    /// Zero, or below zero for a refund.
    pub amount: f64,
    /// When, in microseconds.
    pub time: i64,
}

/// Something that is counted per customer.
pub trait Tally: Send {
    /// Counts the rows of a batch; customers have numbers below `customers`.
    ///
    /// # Errors
    /// When a column has a type that can't be counted.
    fn add(&mut self, rows: &Rows, customers: usize) -> Result<()>;
}

impl Rows {
    /// Looks at a batch: rows inside the period with an id, a time and a finite amount count.
    ///
    /// # Errors
    /// When a column has another type than it must have.
    pub fn new(
        batch: &RecordBatch,
        names: &Columns,
        period: &Range<i64>,
        index: &mut Index,
        counts: &mut Counts,
    ) -> Result<Self> {
        let ids = columns::column(batch, &names.customer)?;
        let amounts = columns::floats(batch, &names.amount)?;
        let times = columns::timestamps(batch, &names.time)?;
        let mut who = candidates(ids.logical_nulls().as_ref(), &times, &amounts, period, counts);
        index.assign(ids, &mut who)?;
        let others = set_aside(&mut who, &amounts, &times);
        Ok(Self { who, others, amounts, times, batch: batch.clone() })
    }
}

/// Zero where a row counts, [`NOBODY`] where it does not.
pub fn candidates(
    no_ids: Option<&NullBuffer>,
    times: &TimestampMicrosecondArray,
    amounts: &Float64Array,
    period: &Range<i64>,
    counts: &mut Counts,
) -> Vec<u32> {
    let status = |row: usize| {
        if times.is_null(row) {
            counts.without_time += 1;
        } else if !period.contains(&times.value(row)) {
            counts.outside += 1;
        } else if no_ids.is_some_and(|nulls| nulls.is_null(row)) {
            counts.without_id += 1;
        } else if amounts.is_null(row) || !amounts.value(row).is_finite() {
            counts.without_amount += 1;
        } else {
            counts.used += 1;
            return 0;
        }
        NOBODY
    };
    (0..times.len()).map(status).collect()
}

/// Takes the rows that are no purchase out of `who`.
fn set_aside(who: &mut [u32], amounts: &Float64Array, times: &TimestampMicrosecondArray) -> Vec<Other> {
    let mut others = Vec::new();
    for ((slot, amount), time) in who.iter_mut().zip(amounts.values()).zip(times.values()) {
        if *slot != NOBODY && *amount <= 0.0 {
            others.push(Other { who: *slot, amount: *amount, time: *time });
            *slot = NOBODY;
        }
    }
    others
}
