//! The audit for leaks: features may not change when everything from the cutoff on is scrambled.
//!
//! Made on a sample, by the code that makes all features: a leak is one of code, not of rows, and
//! a bounded sample costs the same however many rows there are. Small tables are audited whole.

use std::sync::Arc;

use anyhow::{Result, bail};
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{take, take_record_batch};
use arrow::datatypes::{Field, Schema};

use super::rows::{Rows, Tally};
use super::{Columns, Features, Request, make};
use crate::data::dates::DAY;
use crate::data::{Table, columns};

/// About so many rows are audited.
const MOST: usize = 32_768;

/// So many rows a batch are invented behind the cutoff, lest there be none.
const INVENTED: usize = 64;

/// Rows of a table, evenly spread, with all columns of the scan.
#[derive(Debug)]
pub struct Sample {
    batches: Vec<RecordBatch>,
    total: usize,
}

impl Sample {
    /// No row yet, of a table of so many.
    pub fn new(total: usize) -> Self {
        Self { batches: Vec::new(), total }
    }
}

impl Tally for Sample {
    fn add(&mut self, rows: &Rows, _: usize) -> Result<()> {
        let all = rows.batch.num_rows();
        let kept = if self.total <= MOST { all } else { (all * MOST / self.total).max(1).min(all) };
        let places: UInt32Array = (0..kept).map(|at| u32::try_from(at * all / kept).ok()).collect();
        self.batches.push(take_record_batch(&rows.batch, &places)?);
        Ok(())
    }
}

/// How many rows were audited; none without a sample.
///
/// # Errors
/// When a feature changes, which is a mistake in the features; and as [`make`].
pub fn leaks(sample: Option<Sample>, names: &Columns, request: &Request<'_>) -> Result<usize> {
    let plain = Request { audit: false, extra: request.extra.clone(), ..*request };
    let Some((sample, cutoff)) = sample.zip(request.cutoff) else { return Ok(0) };
    compare(&sample.batches, names, cutoff, &|table| make(table, names, &plain))
}

/// Makes features of the rows as they are and scrambled, and compares.
fn compare(
    batches: &[RecordBatch],
    names: &Columns,
    cutoff: i64,
    make: &dyn Fn(&Table) -> Result<Features>,
) -> Result<usize> {
    let Some(first) = batches.first() else { return Ok(0) };
    let honest = make(&Table::from_batches(first.schema(), batches.to_vec()))?;
    let scrambled = batches.iter().map(|batch| scramble(batch, names, cutoff)).collect::<Result<Vec<_>>>()?;
    let Some(first) = scrambled.first() else { return Ok(0) };
    let other = make(&Table::from_batches(first.schema(), scrambled))?;
    if honest.table.schema() != other.table.schema() {
        bail!("rows at or after the cutoff change which features there are");
    }
    let fields = honest.table.schema();
    let columns = honest.table.columns().iter().zip(other.table.columns()).zip(fields.fields());
    for ((one, two), field) in columns {
        if one != two {
            bail!("the feature `{}` depends on rows at or after the cutoff", field.name());
        }
    }
    Ok(batches.iter().map(RecordBatch::num_rows).sum())
}

/// The rows, with nothing as it was from the cutoff on, and with more such rows.
///
/// Their customers, flags and shares are those of other rows or missing, their times lie at
/// the cutoff or days behind it, and their amounts are absurd.
fn scramble(batch: &RecordBatch, names: &Columns, cutoff: i64) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let times = columns::timestamps(batch, &names.time)?;
    let amounts = columns::floats(batch, &names.amount)?;
    let sources: Vec<usize> = (0..rows).chain(0..INVENTED.min(rows)).collect();
    let late = |at: usize, row: usize| at >= rows || times.is_valid(row) && times.value(row) >= cutoff;
    let place = |(at, row): (usize, &usize)| match (late(at, *row), at % 3) {
        (false, _) => u32::try_from(*row).ok(),
        (true, 0) => None,
        (true, _) => u32::try_from((row * 7 + at) % rows).ok(),
    };
    let places: UInt32Array = sources.iter().enumerate().map(place).collect();
    let time = |(at, row): (usize, &usize)| match late(at, *row) {
        false => times.is_valid(*row).then(|| times.value(*row)),
        true => Some(cutoff.saturating_add((at % 5) as i64 * 10 * DAY)),
    };
    let amount = |(at, row): (usize, &usize)| match late(at, *row) {
        false => amounts.is_valid(*row).then(|| amounts.value(*row)),
        true => [Some(1e300), Some(-7.0), Some(f64::NAN), Some(0.0), Some(1.0), None][at % 6],
    };
    let times: ArrayRef =
        Arc::new(sources.iter().enumerate().map(time).collect::<TimestampMicrosecondArray>());
    let amounts: ArrayRef = Arc::new(sources.iter().enumerate().map(amount).collect::<Float64Array>());
    let column = |(field, column): (&Arc<Field>, &ArrayRef)| {
        let column = match field.name() {
            name if *name == names.time => times.clone(),
            name if *name == names.amount => amounts.clone(),
            _ => take(column, &places, None)?,
        };
        Ok((Field::new(field.name(), column.data_type().clone(), true), column))
    };
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(column);
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) =
        columns.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};

    use super::*;

    /// Twenty customers that purchase each hour in turn, two weeks long.
    fn shop() -> RecordBatch {
        let hours = 0..14 * 24_i64;
        let columns: [(&str, ArrayRef); 4] = [
            ("customer_id", Arc::new(hours.clone().map(|hour| Some(hour % 20)).collect::<Int64Array>())),
            (
                "txn_timestamp",
                Arc::new(hours.clone().map(|h| Some(h * DAY / 24)).collect::<TimestampMicrosecondArray>()),
            ),
            ("amount", Arc::new(hours.clone().map(|hour| Some(hour as f64 + 1.0)).collect::<Float64Array>())),
            ("channel", Arc::new(hours.map(|hour| Some(format!("c{}", hour % 3))).collect::<StringArray>())),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn audited(asked: Option<i64>) -> Result<usize> {
        let names = Columns { flags: Vec::new(), ..Columns::default() };
        let make = |table: &Table| make(table, &names, &Request::plain(asked, &|| Ok(())));
        compare(&[shop()], &names, 7 * DAY, &make)
    }

    #[test]
    fn features_as_of_the_cutoff_pass() {
        assert_eq!(audited(Some(7 * DAY)).unwrap(), 14 * 24);
    }

    #[test]
    fn features_that_see_a_moment_of_the_future_are_found() {
        let said = audited(Some(7 * DAY + 1)).unwrap_err().to_string();
        assert!(said.contains("at or after the cutoff"), "{said}");
        assert!(audited(None).is_err());
    }

    #[test]
    fn a_cutoff_behind_all_rows_is_audited_with_invented_ones() {
        let names = Columns { flags: Vec::new(), ..Columns::default() };
        let cutoff = 14 * DAY;
        let at = |asked| {
            let make = |table: &Table| make(table, &names, &Request::plain(Some(asked), &|| Ok(())));
            compare(&[shop()], &names, cutoff, &make)
        };
        assert_eq!(at(cutoff).unwrap(), 14 * 24);
        assert!(at(cutoff + 1).is_err());
    }
}
