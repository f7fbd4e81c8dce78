//! One row of a traced file: its values, and how many rows of what it comes from are about the same customer.

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::no_row;
use crate::data::Table;
use crate::engine::Project;
use crate::engine::store::Store;
use crate::present::terminal::{Before, Row, Step};

/// So many lines of a source file are named.
const NAMED: usize = 5;

/// The row with a value.
///
/// # Errors
/// When the file can't be read or has no such row.
pub fn of(
    path: &Path,
    name: &str,
    id: &str,
    steps: &[Step],
    store: &Store,
    project: &Project,
) -> Result<Row> {
    let values = match Table::open(path) {
        Ok(table) => in_table(&table, id)?,
        Err(_) => in_csv(path, id)?,
    };
    let Some((column, values)) = values else { return Err(no_row(name, id).into()) };
    let mut before = Vec::new();
    for step in steps {
        let outputs = step.outputs.iter().filter(|(port, _)| *port != "metrics");
        before.extend(outputs.filter_map(|(port, digest)| rows(step, port, digest, (&column, id), store)));
        before.extend(step.sources.iter().filter_map(|(name, (_, state))| lines(name, state, id, project)));
    }
    Ok(Row { id: id.to_owned(), column, values, before })
}

type Found = Option<(String, Vec<(String, String)>)>;

/// The first row of a table in which a column has the value; the column that stands first counts first.
fn in_table(table: &Table, id: &str) -> Result<Found> {
    let names: Vec<_> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
    for name in &names {
        for batch in table.select(&[name])? {
            let batch = batch?;
            if place(&batch, 0, id)?.is_some() {
                return Ok(whole_row(table, name, id)?.map(|values| (name.clone(), values)));
            }
        }
    }
    Ok(None)
}

fn whole_row(table: &Table, column: &str, id: &str) -> Result<Option<Vec<(String, String)>>> {
    for batch in table.batches()? {
        let batch = batch?;
        let at = batch.schema_ref().index_of(column)?;
        if let Some(row) = place(&batch, at, id)? {
            let options = FormatOptions::default().with_null("-");
            let fields = batch.schema_ref().fields().iter().zip(batch.columns());
            let value =
                |(field, array): (&std::sync::Arc<arrow::datatypes::Field>, &arrow::array::ArrayRef)| {
                    let shown = ArrayFormatter::try_new(array.as_ref(), &options)?.value(row).to_string();
                    Ok((field.name().clone(), shown))
                };
            return fields.map(value).collect::<Result<_>>().map(Some);
        }
    }
    Ok(None)
}

/// The first row of a batch in which a column has the value.
fn place(batch: &RecordBatch, column: usize, id: &str) -> Result<Option<usize>> {
    let options = FormatOptions::default();
    let values = ArrayFormatter::try_new(batch.column(column).as_ref(), &options)?;
    Ok((0..batch.num_rows()).find(|row| values.value(*row).to_string() == id))
}

/// The first row of a CSV file in which a column has the value.
fn in_csv(path: &Path, id: &str) -> Result<Found> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path)?;
    let names: Vec<_> =
        reader.byte_headers()?.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    for record in reader.byte_records() {
        let record = record?;
        if let Some(at) = record.iter().position(|value| value == id.as_bytes()) {
            let values = names
                .iter()
                .cloned()
                .zip(record.iter().map(|value| String::from_utf8_lossy(value).into_owned()));
            return Ok(Some((names.get(at).cloned().unwrap_or_default(), values.collect())));
        }
    }
    Ok(None)
}

/// How many rows of an output have the value in the column of that name; nothing when it has no such column.
fn rows(step: &Step, port: &str, digest: &str, (column, id): (&str, &str), store: &Store) -> Option<Before> {
    let what = format!("{}.{port}", step.stage);
    let digest = digest.parse().ok()?;
    if !store.has(&digest) {
        return Some(Before { what, rows: None, more: "not in the cache any more".to_owned() });
    }
    let table = Table::open(&store.path(&digest)).ok().filter(|table| table.has(column))?;
    let mut count = 0;
    for batch in table.select(&[column]).ok()? {
        let batch = batch.ok()?;
        let options = FormatOptions::default();
        let values = ArrayFormatter::try_new(batch.column(0).as_ref(), &options).ok()?;
        count += (0..batch.num_rows()).filter(|row| values.value(*row).to_string() == id).count();
    }
    Some(Before { what, rows: Some(count), more: String::new() })
}

/// Lines of a source file that have the value as a word of its own; nothing where it isn't text, or isn't there as it was.
fn lines(name: &str, state: &str, id: &str, project: &Project) -> Option<Before> {
    let what = name.to_owned();
    if state != "as it was" {
        return Some(Before { what, rows: None, more: state.to_owned() });
    }
    let mut reader = BufReader::new(fs_err::File::open(project.root.join(name)).ok()?);
    if reader.fill_buf().ok()?.iter().take(1 << 10).any(|byte| *byte == 0) {
        return None;
    }
    let finder = memchr::memmem::Finder::new(id);
    let (mut line, mut number, mut count, mut named) = (Vec::new(), 0_usize, 0_usize, Vec::new());
    while reader.read_until(b'\n', &mut line).ok()? > 0 {
        number += 1;
        if finder.find_iter(&line).any(|at| is_word(&line, at, id.len())) {
            count += 1;
            named.extend((named.len() < NAMED).then(|| number.to_string()));
        }
        line.clear();
    }
    let rest = if count > named.len() { format!(" and {} more", count - named.len()) } else { String::new() };
    let word = if count == 1 { "line" } else { "lines" };
    let more = if count == 0 { String::new() } else { format!("{word} {}{rest}", named.join(", ")) };
    Some(Before { what, rows: Some(count), more })
}

fn is_word(line: &[u8], at: usize, length: usize) -> bool {
    let inside = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    !inside(at.checked_sub(1).and_then(|before| line.get(before))) && !inside(line.get(at + length))
}
