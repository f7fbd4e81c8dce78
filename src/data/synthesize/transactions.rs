//! Synthetic transactions: each customer a process, so that purchases come in order.
//!
//! Columns by name; what is learnt of them is `model::synthesize::process`.

use std::collections::BTreeMap;

use anyhow::Result;
use arrow::array::{Array, RecordBatch};

use super::rows_of;
use crate::data::columns::{self, Holds, Wanted};
use crate::data::mixed::{self, Hints, Mixed, Role};
use crate::model::mixed::Column;
use crate::model::synthesize::process::{self, Process, Purchases};

/// The columns that make rows transactions.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Who bought.
    pub customer: &'a str,
    /// When.
    pub time: &'a str,
}

/// Transactions that were learnt.
#[derive(Debug)]
pub struct Learnt {
    mixed: Mixed,
    process: Process,
    /// The place of the time among the learnt columns, and what is added to it so that days start at midnight.
    time: (usize, f64),
    /// The place of the customer in the table.
    customer: usize,
    /// How many customers there were.
    pub customers: usize,
    /// Rows without a customer or a time, which were left out.
    pub left_out: usize,
}

/// The customer of each row, numbered in the order of their ids; none where there is no id.
///
/// # Errors
/// A [`crate::diagnostic::Failure`] at `customer` or `time` when there is no such column.
pub fn customers(table: &RecordBatch, named: Named<'_>) -> Result<Vec<Option<u32>>> {
    let wanted = [
        Wanted::new("customer", named.customer, Holds::Anything),
        Wanted::new("time", named.time, Holds::Moments),
    ];
    columns::require(table.schema_ref(), &wanted)?;
    let ids = columns::strings(table, named.customer)?;
    let mut known: BTreeMap<&str, u32> = ids.iter().flatten().map(|id| (id, 0)).collect();
    known.values_mut().zip(0..).for_each(|(number, next)| *number = next);
    Ok(ids.iter().map(|id| known.get(id?).copied()).collect())
}

/// Learns the transactions of a table; none without a row that has a customer and a time.
///
/// # Errors
/// A [`crate::diagnostic::Failure`] at the parameter that doesn't fit the table.
pub fn learn(table: &RecordBatch, named: Named<'_>, hints: Hints<'_>) -> Result<Option<Learnt>> {
    let numbers = customers(table, named)?;
    let times = columns::column(table, named.time)?;
    let usable = |row: &usize| numbers[*row].is_some() && times.is_valid(*row);
    let kept: Vec<usize> = (0..table.num_rows()).filter(usable).collect();
    if kept.is_empty() {
        return Ok(None);
    }
    let rows = rows_of(table, &kept)?;
    let mut ids = hints.ids.to_vec();
    ids.push(named.customer.to_owned());
    let categories: Vec<String> =
        hints.categories.iter().filter(|name| *name != named.customer).cloned().collect();
    let mut mixed = mixed::read(&[rows], &["input"], Hints { ids: &ids, categories: &categories, ..hints })?;
    let name = |mixed: &Mixed, at: usize| mixed.described[mixed.learnt[at]].name().to_owned();
    let Some(time) = (0..mixed.learnt.len()).find(|at| name(&mixed, *at) == named.time) else {
        return Ok(None);
    };
    let Some(customer) = mixed.described.iter().position(|one| one.name() == named.customer) else {
        return Ok(None);
    };
    let (day, shift) = mixed.described[mixed.learnt[time]].day();
    let mut marks = std::mem::take(&mut mixed.tables[0]);
    let Column::Numbers(times) = marks.remove(time) else { return Ok(None) };
    let times = times.into_iter().map(|time| time + shift).collect();
    let customers: Vec<u32> = kept.iter().filter_map(|row| numbers[*row]).collect();
    let count = customers.iter().collect::<std::collections::BTreeSet<_>>().len();
    let process = process::fit(&Purchases { customers, times, marks }, day);
    let left_out = table.num_rows() - kept.len();
    Ok(Some(Learnt { mixed, process, time: (time, shift), customer, customers: count, left_out }))
}

impl Learnt {
    /// Draws the transactions of so many customers, by time.
    ///
    /// # Errors
    /// When a value doesn't fit the type of its column.
    pub fn draw(&self, customers: usize, seed: u64) -> Result<RecordBatch> {
        let made = self.process.sample(customers, seed);
        let mut order: Vec<usize> = (0..made.times.len()).collect();
        order.sort_by(|one, two| made.times[*one].total_cmp(&made.times[*two]));
        let (time, shift) = self.time;
        let mut columns: Vec<Column> = made.marks.iter().map(|column| column.take(&order)).collect();
        columns.insert(time, Column::Numbers(order.iter().map(|row| made.times[*row] - shift).collect()));
        let rows = mixed::write(&self.mixed.described, &columns, order.len())?;
        let numbers: Vec<usize> = order.iter().map(|row| made.customers[*row] as usize + 1).collect();
        mixed::with_ids(rows, self.customer, &numbers, customers)
    }

    /// What each column holds.
    pub fn described(&self) -> &[mixed::Described] {
        &self.mixed.described
    }

    /// How many columns are learnt.
    pub fn columns(&self) -> usize {
        self.mixed.described.iter().filter(|one| !matches!(one.role, Role::Id)).count()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Float64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::TimestampMicrosecondType;

    use super::*;
    use crate::diagnostic::Failure;

    fn table() -> RecordBatch {
        let times = (0..60_i64).map(|row| (row % 5 != 4).then_some((19_000 * 24 + row * 7) * 3_600_000_000));
        RecordBatch::try_from_iter([
            (
                "who",
                Arc::new(StringArray::from_iter_values((0..60).map(|row| format!("c{}", row % 7))))
                    as ArrayRef,
            ),
            ("at", Arc::new(TimestampMicrosecondArray::from_iter(times))),
            ("amount", Arc::new(Float64Array::from_iter_values((0..60).map(|row| f64::from(row) + 0.5)))),
        ])
        .unwrap()
    }

    const NAMED: Named<'_> = Named { customer: "who", time: "at" };

    #[test]
    fn transactions_keep_their_columns_and_order() {
        let learnt = learn(&table(), NAMED, Hints::default()).unwrap().unwrap();
        assert_eq!((learnt.customers, learnt.left_out, learnt.columns()), (7, 12, 2));
        let made = learnt.draw(40, 1).unwrap();
        assert_eq!(made.schema(), table().schema());
        let times = made.column_by_name("at").unwrap().as_primitive::<TimestampMicrosecondType>().clone();
        assert!(times.values().is_sorted() && times.values().iter().all(|time| time % 3_600_000_000 == 0));
        assert!(times.values()[0] >= 19_000 * 86_400_000_000);
        let ids: std::collections::BTreeSet<_> = made
            .column_by_name("who")
            .unwrap()
            .as_string::<i32>()
            .iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        assert!(ids.len() == 40 && ids.contains("synthetic-07"), "{ids:?}");
    }

    #[test]
    fn what_lacks_a_column_is_refused() {
        let error = learn(&table(), Named { customer: "id", time: "at" }, Hints::default()).unwrap_err();
        assert_eq!(error.downcast_ref::<Failure>().unwrap().key.as_deref(), Some("customer"));
        assert!(learn(&table().slice(4, 1), NAMED, Hints::default()).unwrap().is_none());
    }
}
