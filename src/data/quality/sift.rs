//! Good and bad rows of a table apart: each bad one with the rules that it breaks.
//!
//! Knows which rows fail which check; knows nothing of why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{Examined, Severity, label};
use crate::data::Table;
use crate::data::parquet::Writer;
use crate::data::table::CHUNK;
use crate::diagnostic::listing;

/// The columns that stand before those of a bad row: its number in the table, the first rule that it breaks (from 1),
/// that rule's check, and all that it breaks in words.
pub const MARKS: [&str; 4] = ["broken_row", "broken_rule", "broken_check", "broken"];

/// Rows apart.
pub struct Sifted {
    /// The good rows, in their order.
    pub good: PathBuf,
    /// How many there are.
    pub good_rows: u64,
    /// The bad ones, in their order, with [`MARKS`] in front.
    pub bad: PathBuf,
    /// How many there are.
    pub bad_rows: u64,
}

/// The checks that bad rows break, by row from 0.
type Broken = BTreeMap<u64, Vec<u32>>;

/// Takes the rows apart that break a check of severity `error` which the table doesn't pass: all others are good.
///
/// # Errors
/// When the table can't be read or the disk is full.
pub fn sift(table: &Table, examined: &Examined, scratch: &Path) -> Result<Sifted> {
    let broken = broken(examined)?;
    let (good, bad) = (scratch.join("good.parquet"), scratch.join("bad.parquet"));
    let marked = marked(table.schema());
    let mut kept = Sieve::create(&good, table.schema().clone())?;
    let mut left = Sieve::create(&bad, marked.clone())?;
    let mut before = 0;
    for batch in table.batches()? {
        let batch = batch?;
        let rows = batch.num_rows() as u64;
        let own: Vec<(u64, &Vec<u32>)> =
            broken.range(before..before + rows).map(|(row, checks)| (*row, checks)).collect();
        if own.is_empty() {
            kept.add(batch)?;
        } else {
            let is_bad: BooleanArray =
                (before..before + rows).map(|row| Some(broken.contains_key(&row))).collect();
            let is_good = arrow::compute::not(&is_bad)?;
            kept.add(filter_record_batch(&batch, &is_good)?)?;
            left.add(with_marks(&filter_record_batch(&batch, &is_bad)?, &own, examined, &marked)?)?;
        }
        before += rows;
    }
    Ok(Sifted { good_rows: kept.finish()?, bad_rows: left.finish()?, good, bad })
}

/// The table of bad rows where none was looked for.
pub fn nothing(schema: &Schema) -> Table {
    Table::from_batches(marked(schema), Vec::new())
}

fn broken(examined: &Examined) -> Result<Broken> {
    let mut broken = Broken::new();
    for (at, (seen, finding)) in (0_u32..).zip(examined.seen.iter().zip(&examined.findings)) {
        if finding.passed || finding.severity != Severity::Error {
            continue;
        }
        for row in &seen.marks {
            broken.entry(*row).or_default().push(at);
        }
    }
    Ok(broken)
}

fn marked(schema: &Schema) -> SchemaRef {
    let [row, rule, check, all] = MARKS;
    let marks = [
        Field::new(row, DataType::Int64, false),
        Field::new(rule, DataType::Int32, false),
        Field::new(check, DataType::Utf8, false),
        Field::new(all, DataType::Utf8, false),
    ];
    // A table that was sifted before has such columns already.
    let own = schema.fields().iter().filter(|field| !MARKS.contains(&field.name().as_str()));
    Schema::new(marks.into_iter().map(Arc::new).chain(own.cloned()).collect::<Vec<_>>()).into()
}

fn with_marks(
    batch: &RecordBatch,
    own: &[(u64, &Vec<u32>)],
    examined: &Examined,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let of = |at: &u32| usize::try_from(*at).ok().and_then(|at| examined.findings.get(at));
    let first = |checks: &Vec<u32>| checks.first().and_then(of);
    let rows = own.iter().map(|(row, _)| Ok(i64::try_from(row + 1)?)).collect::<Result<Vec<_>>>()?;
    let rule = |checks: &Vec<u32>| first(checks).map_or(Ok(0), |finding| i32::try_from(finding.rule + 1));
    let rules = own.iter().map(|(_, checks)| rule(checks)).collect::<Result<Vec<_>, _>>()?;
    let check = |checks: &Vec<u32>| first(checks).map_or("", |finding| finding.check);
    let named: StringArray = own.iter().map(|(_, checks)| Some(check(checks))).collect();
    let words = |checks: &Vec<u32>| {
        let each = checks.iter().filter_map(of).map(|finding| match &finding.column {
            Some(column) => format!("{}: `{}` of `{column}`", label(finding.rule), finding.check),
            None => format!("{}: `{}`", label(finding.rule), finding.check),
        });
        listing(&each.collect::<Vec<_>>(), "and")
    };
    let all: StringArray = own.iter().map(|(_, checks)| Some(words(checks))).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(rows)),
        Arc::new(Int32Array::from(rules)),
        Arc::new(named),
        Arc::new(all),
    ];
    let names = batch.schema();
    let theirs = names.fields().iter().zip(batch.columns());
    columns.extend(
        theirs.filter(|(field, _)| !MARKS.contains(&field.name().as_str())).map(|(_, column)| column.clone()),
    );
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// Rows on their way to a file, in chunks whatever batches they come in.
struct Sieve {
    writer: Writer,
    schema: SchemaRef,
    waiting: Vec<RecordBatch>,
    held: usize,
    rows: u64,
}

impl Sieve {
    fn create(path: &Path, schema: SchemaRef) -> Result<Self> {
        let writer = Writer::create(path, schema.clone())?;
        Ok(Self { writer, schema, waiting: Vec::new(), held: 0, rows: 0 })
    }

    fn add(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        self.held += batch.num_rows();
        self.waiting.push(batch);
        if self.held < CHUNK {
            return Ok(());
        }
        let all = Table::from_batches(self.schema.clone(), std::mem::take(&mut self.waiting));
        self.held = 0;
        for batch in all.batches()? {
            let batch = batch?;
            if batch.num_rows() == CHUNK {
                self.writer.write(&batch)?;
            } else {
                self.held = batch.num_rows();
                self.waiting.push(batch);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<u64> {
        let rest = Table::from_batches(self.schema.clone(), std::mem::take(&mut self.waiting));
        for batch in rest.batches()? {
            self.writer.write(&batch?)?;
        }
        self.writer.finish()?;
        Ok(self.rows)
    }
}
