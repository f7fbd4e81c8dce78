//! Weekly series of a divided table: counted partition by partition, and put together in their order.
//!
//! What came of a partition is kept by week and customer, so it doesn't depend on the segments.

use anyhow::Result;
use arrow::array::RecordBatch;
use hashbrown::HashMap;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::calendar::{day_of, week_of};
use super::customers::Customers;
use super::weekly::{Columns, Request, Tally, Weekly};
use crate::data::partial::{Ids, Keep, of_partition};
use crate::data::partition::Partitions;
use crate::data::{Table, columns};

/// What came of a partition; customers are places among the ids.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    /// All customers, also those whose rows are skipped.
    pub ids: Ids,
    /// The sums of each week and customer, in the order in which they first came.
    pub sums: Vec<Sum>,
    /// The first and the last day.
    pub span: Option<(i64, i64)>,
    /// Rows without a time or an amount.
    pub skipped: usize,
}

/// What a customer, or nobody, has done in a week.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sum {
    pub week: i64,
    pub customer: Option<u32>,
    pub revenue: f64,
    pub orders: i64,
    pub rows: usize,
}

/// Counts transactions of a table that is divided by the time column; the same as [`super::weekly`] gives, but
/// that revenue is added up partition by partition.
///
/// # Errors
/// As [`super::weekly`], and when what came of a partition can't be kept.
pub fn weekly_in_parts(
    transactions: &Table,
    partitions: &Partitions,
    request: &Request<'_>,
    keep: Keep<'_>,
) -> Result<Option<Weekly>> {
    let names = &request.columns;
    let said = format!("{:?} {:?} {:?}", names.customer, names.time, names.amount);
    let state = |at: usize| {
        let compute = || count(&transactions.partition(partitions, at), names);
        of_partition(&partitions.parts[at], &[&said], keep, &compute)
    };
    let states: Vec<Result<State>> = (0..partitions.parts.len()).into_par_iter().map(state).collect();
    let mut tally = Tally::new(transactions, request)?;
    for state in states {
        (request.alive)()?;
        tally.join(&state?, names)?;
    }
    tally.finish(request.partial)
}

fn count(rows: &Table, names: &Columns) -> Result<State> {
    let index = rows.index_of(&names.customer)?;
    let mut customers = Customers::for_types(std::iter::once(rows.schema().field(index).data_type()));
    let mut counted = Counted::default();
    for batch in rows.select(&[&names.customer, &names.time, &names.amount])? {
        let batch = batch?;
        let numbers = customers.numbers(&batch, &names.customer)?;
        counted.add(&batch, &numbers, names)?;
    }
    let Counted { sums, span, skipped, .. } = counted;
    Ok(State { ids: customers.ids(), sums, span, skipped })
}

#[derive(Default)]
struct Counted {
    places: HashMap<(i64, Option<u32>), usize>,
    sums: Vec<Sum>,
    span: Option<(i64, i64)>,
    skipped: usize,
}

impl Counted {
    fn add(&mut self, batch: &RecordBatch, numbers: &[Option<u32>], names: &Columns) -> Result<()> {
        let times = columns::timestamps(batch, &names.time)?;
        let amounts = columns::floats(batch, &names.amount)?;
        for (customer, (time, amount)) in numbers.iter().zip(times.iter().zip(&amounts)) {
            let (Some(time), Some(amount)) = (time, amount.filter(|amount| amount.is_finite())) else {
                self.skipped += 1;
                continue;
            };
            let day = day_of(time);
            self.span = Some(self.span.map_or((day, day), |(low, high)| (low.min(day), high.max(day))));
            let sum = self.sum(week_of(day), *customer);
            sum.revenue += amount;
            sum.orders += i64::from(amount > 0.0);
            sum.rows += 1;
        }
        Ok(())
    }

    fn sum(&mut self, week: i64, customer: Option<u32>) -> &mut Sum {
        let next = self.sums.len();
        let at = *self.places.entry((week, customer)).or_insert(next);
        if at == next {
            self.sums.push(Sum { week, customer, revenue: 0.0, orders: 0, rows: 0 });
        }
        &mut self.sums[at]
    }
}
