//! Features: one row of numbers a customer, from the transactions before a cutoff.
//!
//! Counted in one streaming pass over dense accumulators; memory grows with customers, not with
//! rows. Every customer's sums are made in row order, so neither threads nor chunking can change
//! a digit, and rows at or after the cutoff can't either. Does not know what features are for.

mod assemble;
mod audit;
mod cutoffs;
mod flags;
mod habits;
pub(in crate::data) mod ids;
mod moments;
mod money;
mod partial;
mod rhythm;
pub(in crate::data) mod rows;
mod shares;
#[cfg(test)]
mod tests;

use std::ops::Range;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::compute::{max, min};
use rayon::prelude::*;

use self::audit::Sample;
use self::flags::Flags;
use self::habits::Habits;
use self::ids::Index;
use self::money::Ledger;
use self::rhythm::Calendar;
use self::rows::{Rows, Tally};
use self::shares::Shares;
use crate::data::dates::DAY;
use crate::data::{Table, columns, scan};

pub use self::cutoffs::at_each;
pub use self::habits::Extra;
pub use self::partial::make_in_parts;
pub use self::rows::Counts;
pub use self::shares::REST;

/// More distinct values of a share column than this are counted together as [`REST`].
pub const MAX_CATEGORIES: usize = 50;

/// Which columns of the transactions mean what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The customer's id: integers or text.
    pub customer: String,
    /// When: a date or timestamp.
    pub time: String,
    /// How much: above zero for purchases, below zero for refunds.
    pub amount: String,
    /// Columns whose values become shares of purchases; those the table lacks are skipped.
    pub shares: Vec<String>,
    /// True/false columns that become a share of purchases; those the table lacks are skipped.
    pub flags: Vec<String>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            customer: "customer_id".to_owned(),
            time: "txn_timestamp".to_owned(),
            amount: "amount".to_owned(),
            shares: vec!["channel".to_owned(), "category".to_owned()],
            flags: vec!["is_local".to_owned()],
        }
    }
}

impl Columns {
    /// All of them by name.
    fn names(&self) -> Vec<&str> {
        let mut names = vec![self.customer.as_str(), &self.time, &self.amount];
        names.extend(self.shares.iter().chain(&self.flags).map(String::as_str));
        names
    }
}

/// How features are made, beyond what [`at`] assumes.
pub struct Request<'a> {
    /// Only rows strictly before it count, in microseconds since 1970-01-01; where it is left
    /// out, all rows count and features are as of the midnight after the last one.
    pub cutoff: Option<i64>,
    /// More distinct values of a share column than this are counted together as [`REST`].
    pub max_categories: usize,
    /// What is made beyond the features that every table has.
    pub extra: Extra,
    /// Whether a sample is held against itself with everything from the cutoff on scrambled.
    pub audit: bool,
    /// Asked now and then whether to go on.
    pub alive: &'a (dyn Fn() -> Result<()> + Sync),
}

impl<'a> Request<'a> {
    /// What is asked for where nothing more is said.
    pub fn plain(cutoff: Option<i64>, alive: &'a (dyn Fn() -> Result<()> + Sync)) -> Self {
        Self { cutoff, max_categories: MAX_CATEGORIES, extra: Extra::default(), audit: false, alive }
    }
}

/// Features and what was noticed on the way.
#[derive(Clone, Debug)]
pub struct Features {
    /// One row a customer, sorted by id.
    pub table: RecordBatch,
    /// The cutoff that the features are as of.
    pub cutoff: i64,
    /// Rows used and skipped.
    pub counts: Counts,
    /// Customers that are left out because they only had refunds or zero amounts.
    pub without_purchase: usize,
    /// Share columns with more values than allowed.
    pub folded: Vec<Folded>,
    /// Rows that were audited for leaks; none where nothing could leak, or it wasn't wanted.
    pub audited: usize,
}

/// A share column with more values than allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The column.
    pub column: String,
    /// How many distinct values it has.
    pub distinct: usize,
}

/// Features from the rows strictly before `cutoff` (microseconds since 1970-01-01).
///
/// Purchases are rows with an amount above zero; a customer without one has no row. Columns:
/// - `recency_days`, `tenure_days`: from the last and the first purchase to the cutoff;
/// - `frequency`: number of purchases; `monetary`: sum of all amounts, net of refunds;
/// - `mean_amount`, `std_amount`: of purchases; `mean_gap_days`, `std_gap_days`: between the
///   timestamps of one purchase and the next (standard deviations with divisor `n - 1`);
/// - `X_share` for a flag `is_X`, `COLUMN_VALUE` for each value of a share column: the share of
///   purchases, among those where the column is known;
/// - `returns`: number of refunds, where there are any at all.
///
/// What is undefined (a gap of one purchase) is null. O(rows), plus sorting customers by id.
///
/// # Errors
/// When a column is missing or has an unusable type, or the table can't be read.
pub fn at(transactions: &Table, columns: &Columns, cutoff: i64) -> Result<RecordBatch> {
    Ok(make(transactions, columns, &Request::plain(Some(cutoff), &|| Ok(())))?.table)
}

/// The first and last timestamp (microseconds since 1970-01-01), if there are any.
///
/// # Errors
/// When the column is missing or holds no times, or the table can't be read.
pub fn span(transactions: &Table, columns: &Columns) -> Result<Option<(i64, i64)>> {
    let mut span: Option<(i64, i64)> = None;
    scan::windows(transactions, &[&columns.time], |window| {
        for batch in window {
            let times = columns::timestamps(batch, &columns.time)?;
            if let (Some(low), Some(high)) = (min(&times), max(&times)) {
                span = Some(span.map_or((low, high), |(first, last)| (first.min(low), last.max(high))));
            }
        }
        Ok(())
    })?;
    Ok(span)
}

/// Features as [`at`] gives them, with counts and warnings.
///
/// # Errors
/// As [`at`], and when `alive` fails.
pub fn make(transactions: &Table, columns: &Columns, request: &Request<'_>) -> Result<Features> {
    let period = i64::MIN..request.cutoff.unwrap_or(i64::MAX);
    let mut scan = Scan::new(transactions, columns, period, request.alive)?;
    let mut tallies = Tallies::new(&scan.columns, request.max_categories);
    tallies.entropy = request.extra.entropy;
    tallies.habits = request.cutoff.and_then(|cutoff| Habits::new(&request.extra, cutoff));
    let mut sample = request.cutoff.filter(|_| request.audit).map(|_| Sample::new(transactions.rows()));
    let mut first = tallies.first();
    first.extend(sample.iter_mut().map(|sample| sample as &mut dyn Tally));
    scan.pass(&mut first)?;
    let counts = scan.counts.clone();
    let folded = tallies.finish(&mut scan)?;
    let cutoff = request.cutoff.unwrap_or_else(|| midnight_after(scan.last));
    if request.cutoff.is_none() {
        tallies.habits = scan.habits(&request.extra, cutoff)?;
    }
    let mut features = assembled(&scan.index, &tallies, cutoff, counts, folded)?;
    features.audited = audit::leaks(sample, columns, request)?;
    Ok(features)
}

/// The features from what was counted.
fn assembled(
    index: &Index,
    tallies: &Tallies,
    cutoff: i64,
    counts: Counts,
    folded: Vec<Folded>,
) -> Result<Features> {
    let buyers = index.sorted(|at| tallies.money.customers[at].amounts.count() > 0);
    let without_purchase = index.len() - buyers.len();
    let table = assemble::table(index, &buyers, tallies, cutoff)?;
    Ok(Features { table, cutoff, counts, without_purchase, folded, audited: 0 })
}

/// All that is counted about customers.
struct Tallies {
    money: Ledger,
    calendar: Calendar,
    flags: Vec<Flags>,
    shares: Vec<Shares>,
    habits: Option<Habits>,
    /// Whether shares get their entropy.
    entropy: bool,
}

impl Tallies {
    fn new(columns: &Columns, max_categories: usize) -> Self {
        Self {
            money: Ledger::default(),
            calendar: Calendar::default(),
            flags: columns.flags.iter().map(|column| Flags::new(column)).collect(),
            shares: columns.shares.iter().map(|column| Shares::new(column, max_categories)).collect(),
            habits: None,
            entropy: false,
        }
    }

    fn first(&mut self) -> Vec<&mut dyn Tally> {
        let mut tallies: Vec<&mut dyn Tally> = vec![&mut self.money, &mut self.calendar];
        tallies.extend(self.shares.iter_mut().map(|shares| shares as &mut dyn Tally));
        tallies.extend(self.flags.iter_mut().map(|flags| flags as &mut dyn Tally));
        tallies.extend(self.habits.iter_mut().map(|habits| habits as &mut dyn Tally));
        tallies
    }

    /// Counts what one pass could not: unsorted times and columns with too many values.
    fn finish(&mut self, scan: &mut Scan<'_>) -> Result<Vec<Folded>> {
        let mut times = self.calendar.unsorted();
        let mut narrow: Vec<_> = self.shares.iter().map(Shares::narrowed).collect();
        let mut tallies: Vec<&mut dyn Tally> = Vec::new();
        tallies.extend(times.iter_mut().map(|times| times as &mut dyn Tally));
        tallies.extend(narrow.iter_mut().flatten().map(|shares| shares as &mut dyn Tally));
        if !tallies.is_empty() {
            scan.pass(&mut tallies)?;
        }
        if let Some(times) = times {
            self.calendar.settle(times);
        }
        let wide = self.shares.iter_mut().zip(narrow).filter_map(|(wide, narrow)| Some((wide, narrow?)));
        Ok(wide.map(|(wide, narrow)| fold(wide, narrow)).collect())
    }
}

/// Puts the narrow counts in place of the wide ones.
fn fold(wide: &mut Shares, narrow: Shares) -> Folded {
    let wide = std::mem::replace(wide, narrow);
    Folded { distinct: wide.distinct(), column: wide.column }
}

/// Passes over the transactions of a period that share one index of customers.
struct Scan<'a> {
    table: &'a Table,
    columns: Columns,
    period: Range<i64>,
    index: Index,
    counts: Counts,
    last: Option<i64>,
    alive: &'a (dyn Fn() -> Result<()> + Sync),
}

impl<'a> Scan<'a> {
    fn new(
        table: &'a Table,
        columns: &Columns,
        period: Range<i64>,
        alive: &'a (dyn Fn() -> Result<()> + Sync),
    ) -> Result<Self> {
        let id = table.schema().field(table.index_of(&columns.customer)?);
        let index = Index::new(id.name(), id.data_type())?;
        let columns = Columns {
            shares: columns.shares.iter().filter(|name| table.has(name)).cloned().collect(),
            flags: columns.flags.iter().filter(|name| table.has(name)).cloned().collect(),
            ..columns.clone()
        };
        Ok(Self { table, columns, period, index, counts: Counts::default(), last: None, alive })
    }

    /// Shows the tallies all rows, in row order; each tally is one task.
    fn pass(&mut self, tallies: &mut [&mut dyn Tally]) -> Result<()> {
        self.counts = Counts::default();
        let columns = self.columns.clone();
        scan::windows(self.table, &columns.names(), |window| self.count(window, tallies))
    }

    /// Windows and patterns in a pass of their own, for a cutoff that is known only now.
    fn habits(&mut self, extra: &Extra, cutoff: i64) -> Result<Option<Habits>> {
        let Some(mut habits) = Habits::new(extra, cutoff) else { return Ok(None) };
        self.period = i64::MIN..cutoff;
        self.pass(&mut [&mut habits])?;
        Ok(Some(habits))
    }

    /// Shows the tallies the next rows.
    fn count(&mut self, window: &[RecordBatch], tallies: &mut [&mut dyn Tally]) -> Result<()> {
        (self.alive)()?;
        let rows = window.iter().map(|batch| self.rows(batch)).collect::<Result<Vec<_>>>()?;
        let customers = self.index.len();
        tallies
            .par_iter_mut()
            .try_for_each(|tally| rows.iter().try_for_each(|rows| tally.add(rows, customers)))
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<Rows> {
        let rows = Rows::new(batch, &self.columns, &self.period, &mut self.index, &mut self.counts)?;
        self.last = self.last.max(max(&rows.times));
        Ok(rows)
    }
}

/// The midnight (UTC) after a time.
fn midnight_after(last: Option<i64>) -> i64 {
    last.map_or(0, |last| (last.div_euclid(DAY) + 1).saturating_mul(DAY))
}
