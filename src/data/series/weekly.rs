//! Weekly revenue, orders and customers, in total and by segment: one pass in row order.
//!
//! Every sum is made in row order, so chunking and threads can't change a digit. Memory grows with
//! weeks times customers, by one bit each. Does not know what the series are for.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use hashbrown::HashMap;

use super::calendar::{date, day_of, monday, sunday, week_of};
use super::customers::Customers;
use super::groups::{Groups, Members};
use super::partial::{State, Sum};
use crate::data::{Table, columns};
use crate::diagnostic::Failure;

/// The series of all purchases.
pub const TOTAL: &str = "all";

/// The series of customers that have no segment.
pub const UNSEGMENTED: &str = "unsegmented";

/// Two hundred years: whatever spans more weeks has a wrong date in it.
const MAX_WEEKS: i64 = 10_440;

/// Which columns of the transactions mean what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The customer's id: integers or text.
    pub customer: String,
    /// When: a date or timestamp.
    pub time: String,
    /// How much: above zero for purchases, below zero for refunds.
    pub amount: String,
}

/// What becomes of a first or last week that the rows cover only in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// It is left out, because its low sums would look like a fall in sales.
    Drop,
    /// It is kept.
    Keep,
}

/// What to count.
pub struct Request<'a> {
    /// Which columns mean what.
    pub columns: Columns,
    /// Segments, where there are series for them.
    pub groups: Option<Groups>,
    /// What becomes of half weeks.
    pub partial: Partial,
    /// Asked now and then whether to go on.
    pub alive: &'a dyn Fn() -> Result<()>,
}

/// Weekly series and what was noticed on the way.
#[derive(Clone, Debug)]
pub struct Weekly {
    /// `series`, `period` (Monday), `revenue`, `orders`, `customers`, sorted by series and period.
    pub table: RecordBatch,
    /// Number of series.
    pub series: usize,
    /// Number of weeks in each series.
    pub weeks: usize,
    /// Rows left out because they have no time or no finite amount.
    pub skipped: usize,
    /// Mondays of half weeks that were left out.
    pub dropped: Vec<i64>,
    /// Whether half weeks were kept only because nothing else is there.
    pub all_partial: bool,
    /// Customers without a segment, where segments were given.
    pub unsegmented: usize,
    /// Rows without a customer, where segments were given.
    pub anonymous: usize,
    /// Whether there is a series of those without a segment.
    pub rest: bool,
}

/// Counts transactions by week and series.
///
/// `revenue` is the sum of all amounts, net of refunds; `orders` counts rows with an amount above
/// zero, and `customers` those who placed one in the week. The series `all` has every row; with
/// segments there is one series for each segment, and `unsegmented` for everybody else, if they
/// bought or returned anything in these weeks. All series run from the first to the last week, with 0 where nothing happened.
/// A first week that starts after its Monday and a last week that ends before its Sunday are
/// partial. None when no row has a time and a finite amount. O(rows).
///
/// # Errors
/// When a column is missing or has an unusable type, or when the times span more than two
/// hundred years.
pub fn weekly(transactions: &Table, request: &Request<'_>) -> Result<Option<Weekly>> {
    let mut tally = Tally::new(transactions, request)?;
    let names = &request.columns;
    for batch in transactions.select(&[&names.customer, &names.time, &names.amount])? {
        (request.alive)()?;
        tally.add(&batch?, names)?;
    }
    tally.finish(request.partial)
}

/// What has been counted so far.
pub(super) struct Tally {
    customers: Customers,
    members: Option<Members>,
    position: HashMap<i64, usize>,
    weeks: Vec<Week>,
    span: Option<(i64, i64)>,
    skipped: usize,
    anonymous: usize,
}

/// One week: the total first, then each group, then everybody without a group.
#[derive(Default)]
struct Week {
    cells: Vec<Cell>,
    ordered: Vec<u64>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    revenue: f64,
    orders: i64,
    customers: i64,
}

impl Tally {
    pub(super) fn new(transactions: &Table, request: &Request<'_>) -> Result<Self> {
        let index = transactions.index_of(&request.columns.customer)?;
        let mut types = vec![transactions.schema().field(index).data_type()];
        types.extend(request.groups.as_ref().map(Groups::id_type).transpose()?);
        let mut customers = Customers::for_types(types.into_iter());
        let members = request.groups.as_ref().map(|groups| groups.members(&mut customers)).transpose()?;
        Ok(Self {
            customers,
            members,
            position: HashMap::new(),
            weeks: Vec::new(),
            span: None,
            skipped: 0,
            anonymous: 0,
        })
    }

    fn add(&mut self, batch: &RecordBatch, names: &Columns) -> Result<()> {
        let customers = self.customers.numbers(batch, &names.customer)?;
        let times = columns::timestamps(batch, &names.time)?;
        let amounts = columns::floats(batch, &names.amount)?;
        let (mut current, mut at) = (None, 0);
        for (customer, (time, amount)) in customers.into_iter().zip(times.iter().zip(&amounts)) {
            let (Some(time), Some(amount)) = (time, amount.filter(|amount| amount.is_finite())) else {
                self.skipped += 1;
                continue;
            };
            let day = day_of(time);
            self.span = Some(self.span.map_or((day, day), |(low, high)| (low.min(day), high.max(day))));
            if current != Some(week_of(day)) {
                current = Some(week_of(day));
                at = self.week(week_of(day));
            }
            self.anonymous += usize::from(customer.is_none() && self.members.is_some());
            let group = self.group_of(customer);
            if let Some(week) = self.weeks.get_mut(at) {
                week.add(group, customer, amount);
            }
        }
        Ok(())
    }

    /// Adds what came of the partition that follows.
    pub(super) fn join(&mut self, state: &State, names: &Columns) -> Result<()> {
        let ids = RecordBatch::try_from_iter([(names.customer.as_str(), state.ids.column())])?;
        let numbers = self.customers.numbers(&ids, &names.customer)?;
        self.skipped += state.skipped;
        let (one, two) = (self.span, state.span);
        self.span = one.zip(two).map(|(one, two)| (one.0.min(two.0), one.1.max(two.1))).or(one).or(two);
        for sum in &state.sums {
            let customer = sum.customer.and_then(|at| numbers.get(at as usize).copied().flatten());
            if customer.is_none() && self.members.is_some() {
                self.anonymous += sum.rows;
            }
            let (at, group) = (self.week(sum.week), self.group_of(customer));
            if let Some(week) = self.weeks.get_mut(at) {
                week.join(group, customer, sum);
            }
        }
        Ok(())
    }

    fn week(&mut self, week: i64) -> usize {
        let (next, width) = (self.weeks.len(), self.width());
        let at = *self.position.entry(week).or_insert(next);
        if at == next {
            self.weeks.push(Week { cells: vec![Cell::default(); width], ordered: Vec::new() });
        }
        at
    }

    fn width(&self) -> usize {
        self.members.as_ref().map_or(1, |members| members.names.len() + 2)
    }

    /// The cell, next to the total's, that a customer counts in.
    fn group_of(&self, customer: Option<u32>) -> Option<usize> {
        let members = self.members.as_ref()?;
        let group = customer.and_then(|customer| members.of.get(customer as usize).copied().flatten());
        Some(1 + group.unwrap_or(members.names.len()))
    }

    pub(super) fn finish(self, partial: Partial) -> Result<Option<Weekly>> {
        let Some((first, last)) = self.span else { return Ok(None) };
        if week_of(last) - week_of(first) > MAX_WEEKS {
            let message =
                format!("the times span more than 200 years, from {} to {}", date(first), date(last));
            let hint = "look for mistyped years: a `check` stage with `min` and `max` for that column names their rows";
            return Err(Failure::new(message).hint(hint).at("time").into());
        }
        let (weeks, dropped, all_partial) = range(first, last, partial);
        let series = self.series(&weeks);
        Ok(Some(Weekly {
            table: self.table(&series, &weeks)?,
            series: series.len(),
            weeks: weeks.len(),
            skipped: self.skipped,
            dropped,
            all_partial,
            unsegmented: self.unsegmented(),
            anonymous: self.anonymous,
            rest: self.has_rest(&weeks),
        }))
    }

    /// The names of all series with their cells, sorted by name.
    fn series(&self, weeks: &[i64]) -> Vec<(&str, usize)> {
        let mut series = vec![(TOTAL, 0)];
        if let Some(members) = &self.members {
            series.extend(members.names.iter().map(String::as_str).zip(1..));
            series.extend(self.has_rest(weeks).then_some((UNSEGMENTED, 1 + members.names.len())));
        }
        series.sort_unstable();
        series
    }

    /// Whether those without a segment bought or returned anything in some weeks.
    fn has_rest(&self, weeks: &[i64]) -> bool {
        let rest = self.members.as_ref().map(|members| 1 + members.names.len());
        rest.is_some_and(|rest| weeks.iter().any(|week| self.cell(*week, rest).used()))
    }

    fn unsegmented(&self) -> usize {
        self.members.as_ref().map_or(0, |members| {
            let left_out = members.of.iter().filter(|group| group.is_none()).count();
            self.customers.len() - members.of.len() + left_out
        })
    }

    fn table(&self, series: &[(&str, usize)], weeks: &[i64]) -> Result<RecordBatch> {
        let (mut names, mut periods) = (Vec::new(), Vec::new());
        let mut cells = Vec::with_capacity(series.len() * weeks.len());
        for (name, cell) in series {
            for week in weeks {
                names.push(*name);
                periods.push(i32::try_from(monday(*week))?);
                cells.push(self.cell(*week, *cell));
            }
        }
        let columns: [(&str, ArrayRef); 5] = [
            ("series", Arc::new(StringArray::from(names))),
            ("period", Arc::new(Date32Array::from(periods))),
            ("revenue", Arc::new(Float64Array::from_iter_values(cells.iter().map(|cell| cell.revenue)))),
            ("orders", Arc::new(Int64Array::from_iter_values(cells.iter().map(|cell| cell.orders)))),
            ("customers", Arc::new(Int64Array::from_iter_values(cells.iter().map(|cell| cell.customers)))),
        ];
        Ok(RecordBatch::try_from_iter(columns)?)
    }

    fn cell(&self, week: i64, cell: usize) -> Cell {
        let week = self.position.get(&week).and_then(|at| self.weeks.get(*at));
        week.and_then(|week| week.cells.get(cell).copied()).unwrap_or_default()
    }
}

impl Week {
    fn add(&mut self, group: Option<usize>, customer: Option<u32>, amount: f64) {
        let new = amount > 0.0 && customer.is_some_and(|customer| self.first_order_of(customer));
        for cell in [Some(0), group].into_iter().flatten() {
            if let Some(cell) = self.cells.get_mut(cell) {
                cell.revenue += amount;
                cell.orders += i64::from(amount > 0.0);
                cell.customers += i64::from(new);
            }
        }
    }

    fn join(&mut self, group: Option<usize>, customer: Option<u32>, sum: &Sum) {
        let new = sum.orders > 0 && customer.is_some_and(|customer| self.first_order_of(customer));
        for cell in [Some(0), group].into_iter().flatten() {
            if let Some(cell) = self.cells.get_mut(cell) {
                cell.revenue += sum.revenue;
                cell.orders += sum.orders;
                cell.customers += i64::from(new);
            }
        }
    }

    /// Remembers that a customer ordered, and says whether that is news.
    fn first_order_of(&mut self, customer: u32) -> bool {
        let (word, bit) = (customer as usize / 64, 1_u64 << (customer % 64));
        if self.ordered.len() <= word {
            self.ordered.resize(word + 1, 0);
        }
        let Some(word) = self.ordered.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

impl Cell {
    fn used(&self) -> bool {
        self.orders != 0 || self.revenue != 0.0
    }
}

/// The weeks to give, the Mondays of half weeks left out, and whether half weeks are all there is.
fn range(first: i64, last: i64, partial: Partial) -> (Vec<i64>, Vec<i64>, bool) {
    let (low, high) = (week_of(first), week_of(last));
    let mut halves = Vec::new();
    if partial == Partial::Drop {
        halves.extend((first > monday(low)).then_some(low));
        halves.extend((last < sunday(high)).then_some(high));
        halves.dedup();
    }
    let whole: Vec<i64> = (low..=high).filter(|week| !halves.contains(week)).collect();
    if whole.is_empty() {
        return ((low..=high).collect(), Vec::new(), true);
    }
    (whole, halves.into_iter().map(monday).collect(), false)
}
