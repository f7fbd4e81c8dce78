//! What came of one file, kept as a table: its rows, what its values said, and its bad rows.
//!
//! It is added to the whole as if the file had just been read. Does not know what identifies it, beyond
//! the file's digest and how it is read.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type};
use serde::{Deserialize, Serialize};

use super::Kept;
use super::build::Cells;
use super::collect::{Bad, Collected, Collector, Part};
use super::column::{Column, Tally};
use super::columnar::keyed_texts;
use super::source::File;
use crate::data::Table;

/// Grows when what came of a file is kept in another form.
const FORM: &str = "form 2";

/// What stands beside the rows of a file.
#[derive(Serialize, Deserialize)]
struct Beside {
    tallies: Vec<Tally>,
    bad: Vec<Bad>,
    /// What whoever read the file wants to know again.
    answer: bool,
}

/// Adds the rows of the file of that number to the whole: kept ones, or those that `read` collects. `how` says
/// how it is read. Gives what `read` gave when it read the file.
///
/// # Errors
/// When the file can't be read, or what came of it can't be kept.
pub fn file(
    (file, number): (&File, usize),
    columns: &[Column],
    how: &str,
    kept: Kept<'_>,
    out: &mut Collector,
    read: &mut dyn FnMut(&mut Collector) -> Result<bool>,
) -> Result<bool> {
    let digest = kept.digests.get(&file.name).context("a file has no digest")?;
    let path = (kept.keep)(&[FORM, digest, how], &mut |path| {
        let mut own = Collector::new(columns, None)?;
        let answer = read(&mut own)?;
        save(own, answer, path)
    })?;
    add(&path, number, columns, out).with_context(|| format!("what is kept of `{}` can't be read", file.name))
}

fn save(mut own: Collector, answer: bool, path: &Path) -> Result<()> {
    let bad = std::mem::take(&mut own.rejected).into_iter().map(|(_, bad)| bad).collect();
    let beside = Beside { tallies: own.tallies.clone(), bad, answer };
    let Collected::Memory(table) = own.finish()? else { bail!("the rows of a file are no table in memory") };
    table.with_note(serde_json::to_string(&beside)?).write(path)
}

fn add(path: &Path, number: usize, columns: &[Column], out: &mut Collector) -> Result<bool> {
    let table = Table::open(path)?;
    let Beside { tallies, bad, answer } = serde_json::from_str(table.note().unwrap_or_default())?;
    // They are added once, also where there are no rows.
    let none = RecordBatch::new_empty(table.schema().clone());
    out.add(Part { tallies, bad, ..part(&none, columns) }, number)?;
    for batch in table.batches()? {
        out.add(part(&batch?, columns), number)?;
    }
    Ok(answer)
}

fn part(batch: &RecordBatch, columns: &[Column]) -> Part {
    let cells = |(array, column)| cells(array, column);
    Part {
        rows: batch.num_rows(),
        cells: batch.columns().iter().zip(columns).map(cells).collect(),
        tallies: vec![Tally::default(); columns.len()],
        skip: Vec::new(),
        bad: Vec::new(),
    }
}

fn cells(array: &arrow::array::ArrayRef, column: &Column) -> Cells {
    match array.data_type() {
        DataType::Dictionary(..) => keyed_texts(array.as_dictionary::<Int32Type>(), column).cells,
        _ => Cells::Plain(array.clone()),
    }
}
