//! Features as of several cutoffs, in one pass over the transactions where their order allows it.
//!
//! Transactions nearly always come in time order: then what is counted when the first row at a
//! cutoff comes by is what counts as of this cutoff, and is copied. Rows that come too late, and
//! whatever needs a second pass, are noticed, and every cutoff gets passes of its own.

use std::fmt;

use anyhow::Result;
use arrow::array::{Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::min;
use rayon::prelude::*;

use super::{Columns, Request, Scan, Tallies, assemble, make};
use crate::data::{Table, columns, scan};

/// The tables that [`super::at`] gives for each of the cutoffs, which ascend.
///
/// # Errors
/// As [`super::make`].
pub fn at_each(
    transactions: &Table,
    names: &Columns,
    cutoffs: &[i64],
    alive: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Vec<RecordBatch>> {
    if let Some(tables) = in_one_pass(transactions, names, cutoffs, alive)? {
        return Ok(tables);
    }
    let one = |cutoff: &i64| Ok(make(transactions, names, &Request::plain(Some(*cutoff), alive))?.table);
    let tables: Vec<Result<RecordBatch>> = cutoffs.par_iter().map(one).collect();
    tables.into_iter().collect()
}

/// None where one pass can't tell.
fn in_one_pass(
    transactions: &Table,
    names: &Columns,
    cutoffs: &[i64],
    alive: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Option<Vec<RecordBatch>>> {
    let Some(last) = cutoffs.last() else { return Ok(Some(Vec::new())) };
    let mut scan = Scan::new(transactions, names, i64::MIN..*last, alive)?;
    let mut course =
        Course { cutoffs, tables: Vec::new(), tallies: Tallies::new(&scan.columns, super::MAX_CATEGORIES) };
    let columns = scan.columns.clone();
    let scanned = scan::windows(transactions, &columns.names(), |window| {
        if course.take(&mut scan, window)? { Ok(()) } else { Err(OutOfOrder.into()) }
    });
    match scanned {
        Err(error) if error.is::<OutOfOrder>() => Ok(None),
        Err(error) => Err(error),
        Ok(()) => Ok(course.finish(&scan)?.then_some(course.tables)),
    }
}

/// Ends the one pass where it can't tell, so that no more is read in vain.
#[derive(Debug)]
struct OutOfOrder;

impl fmt::Display for OutOfOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the transactions are not in the order that one pass needs")
    }
}

impl std::error::Error for OutOfOrder {}

/// What has been counted so far, and the tables of the cutoffs that were passed.
struct Course<'a> {
    cutoffs: &'a [i64],
    tables: Vec<RecordBatch>,
    tallies: Tallies,
}

impl Course<'_> {
    /// Counts a window; whether all went by in order.
    fn take(&mut self, scan: &mut Scan<'_>, window: &[RecordBatch]) -> Result<bool> {
        let mut pending = Vec::new();
        for batch in window {
            let mut rest = batch.clone();
            while let Some(place) = self.place(&rest, &scan.columns)? {
                let Place::Cutoff(row) = place else { return Ok(false) };
                pending.push(rest.slice(0, row));
                scan.count(&pending, &mut self.tallies.first())?;
                pending.clear();
                rest = rest.slice(row, rest.num_rows() - row);
                if !self.pass_by(scan)? {
                    return Ok(false);
                }
            }
            pending.push(rest);
        }
        scan.count(&pending, &mut self.tallies.first())?;
        Ok(true)
    }

    /// Where a batch leaves the part of time that is being counted, if it does. Behind the last
    /// cutoff nothing counts, and what comes late is no row of any earlier one.
    fn place(&self, batch: &RecordBatch, names: &Columns) -> Result<Option<Place>> {
        let times = columns::timestamps(batch, &names.time)?;
        let Some(earliest) = min(&times) else { return Ok(None) };
        let passed = self.tables.len();
        if passed > 0 && earliest < self.cutoffs[passed - 1] {
            return Ok(Some(Place::Late));
        }
        let Some(next) = self.cutoffs.get(passed) else { return Ok(None) };
        Ok(first_from(&times, *next)
            .map(|row| if late(&times, row, *next) { Place::Late } else { Place::Cutoff(row) }))
    }

    /// Makes the table of the next cutoff; whether it could be made.
    fn pass_by(&mut self, scan: &Scan<'_>) -> Result<bool> {
        let tallies = &self.tallies;
        if tallies.calendar.unsorted().is_some()
            || tallies.shares.iter().any(|shares| shares.narrowed().is_some())
        {
            return Ok(false);
        }
        let buyers = scan.index.sorted(|at| tallies.money.customers[at].amounts.count() > 0);
        let cutoff = self.cutoffs[self.tables.len()];
        self.tables.push(assemble::table(&scan.index, &buyers, tallies, cutoff)?);
        Ok(true)
    }

    /// Makes the tables of the cutoffs that lie behind the last row.
    fn finish(&mut self, scan: &Scan<'_>) -> Result<bool> {
        while self.tables.len() < self.cutoffs.len() {
            if !self.pass_by(scan)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Where a batch meets the next cutoff.
enum Place {
    /// At this row; all behind it lie at or after the cutoff.
    Cutoff(usize),
    /// A row before a cutoff comes after a row behind it.
    Late,
}

fn first_from(times: &TimestampMicrosecondArray, cutoff: i64) -> Option<usize> {
    (0..times.len()).find(|row| times.is_valid(*row) && times.value(*row) >= cutoff)
}

fn late(times: &TimestampMicrosecondArray, from: usize, cutoff: i64) -> bool {
    (from..times.len()).any(|row| times.is_valid(row) && times.value(row) < cutoff)
}
