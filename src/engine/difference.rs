//! Two runs with one key that gave different bytes: which port, and where they first differ.

use std::path::Path;

use anyhow::Result;
use arrow::array::{Array, RecordBatch};
use arrow::util::display::array_value_to_string;

use super::disk;
use super::store::{Output, Record, Store};
use crate::data::Table;
use crate::stage::PortType;

/// How much of a line or value a message shows.
const SHOWN: usize = 60;

/// What to say when a stage isn't reproducible; nothing when both runs gave the same.
pub fn alarm(label: &str, store: &Store, earlier: &Record, now: &Record) -> Option<String> {
    let differs = |(port, output): &(&String, &Output)| {
        earlier.outputs.get(*port).is_some_and(|before| before.digest != output.digest)
    };
    let (port, output) = now.outputs.iter().find(differs)?;
    let before = store.path(&earlier.outputs.get(port)?.digest);
    let place = first(&before, &store.path(&output.digest), output.ty);
    let place = place.ok().flatten().map_or_else(String::new, |place| format!(": {place}"));
    Some(format!(
        "`{label}` isn't reproducible: `{port}` has other bytes than in an earlier run of the same key{place}"
    ))
}

/// Where two artifacts first differ; nothing when that can't be told.
///
/// # Errors
/// When one of them can't be read, or is damaged.
pub fn first(before: &Path, now: &Path, ty: PortType) -> Result<Option<String>> {
    if ty == PortType::Table {
        return tables(&Table::open(before)?, &Table::open(now)?);
    }
    Ok(texts(&disk::read(before)?, &disk::read(now)?))
}

fn tables(before: &Table, now: &Table) -> Result<Option<String>> {
    if before.schema() != now.schema() {
        return Ok(Some("its columns are others".to_owned()));
    }
    let mut start = 0;
    for (one, two) in before.batches()?.zip(now.batches()?) {
        let (one, two) = (one?, two?);
        if let Some(text) = batches(&one, &two, start)? {
            return Ok(Some(text));
        }
        start += one.num_rows();
    }
    let rows = (before.rows(), now.rows());
    Ok((rows.0 != rows.1).then(|| format!("it has {} rows, and had {}", rows.1, rows.0)))
}

/// The first row in which two batches differ, and the first column of it.
fn batches(one: &RecordBatch, two: &RecordBatch, start: usize) -> Result<Option<String>> {
    let rows = one.num_rows().min(two.num_rows());
    let mut first: Option<(usize, usize)> = None;
    for (column, (before, now)) in one.columns().iter().zip(two.columns()).enumerate() {
        let end = first.map_or(rows, |(row, _)| row);
        let same = |row: &usize| before.slice(*row, 1).to_data() == now.slice(*row, 1).to_data();
        if before.slice(0, end).to_data() != now.slice(0, end).to_data() {
            first = (0..end).find(|row| !same(row)).map(|row| (row, column)).or(first);
        }
    }
    let Some((row, column)) = first else { return Ok(None) };
    let value = |batch: &RecordBatch| array_value_to_string(batch.column(column), row);
    let (was, is, name) = (value(one)?, value(two)?, one.schema_ref().field(column).name().clone());
    let place = format!("row {}, column `{name}`", start + row + 1);
    Ok(Some(format!("{place} is `{}`, and was `{}`", short(&is), short(&was))))
}

/// The first line in which two texts differ; the byte where they are none.
fn texts(before: &[u8], now: &[u8]) -> Option<String> {
    let (Ok(was), Ok(is)) = (std::str::from_utf8(before), std::str::from_utf8(now)) else {
        let at = before.iter().zip(now).position(|(one, two)| one != two);
        return Some(format!("byte {} is another", at.unwrap_or(before.len().min(now.len())) + 1));
    };
    let mut pairs = was.split('\n').zip(is.split('\n')).enumerate();
    if let Some((line, (was, is))) = pairs.find(|(_, (was, is))| was != is) {
        return Some(format!("line {} is `{}`, and was `{}`", line + 1, short(is), short(was)));
    }
    let lines = |text: &str| text.split('\n').count();
    (was != is).then(|| format!("it has {} lines, and had {}", lines(is), lines(was)))
}

fn short(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() { format!("{cut}...") } else { cut }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, StringArray};

    use super::{RecordBatch, Table, tables, texts};

    fn table(amounts: &[f64], names: &[&str]) -> Table {
        let columns: [(&str, ArrayRef); 2] = [
            ("amount", Arc::new(Float64Array::from(amounts.to_vec()))),
            ("name", Arc::new(StringArray::from(names.to_vec()))),
        ];
        Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
    }

    #[test]
    fn the_first_differing_cell_is_named() {
        let one = table(&[1.0, 2.0, 3.0], &["a", "b", "c"]);
        let said = |two: Table| tables(&one, &two).unwrap();
        assert_eq!(said(table(&[1.0, 2.0, 3.0], &["a", "b", "c"])), None);
        let text = "row 2, column `name` is `x`, and was `b`";
        assert_eq!(said(table(&[1.0, 2.0, 4.0], &["a", "x", "c"])).as_deref(), Some(text));
        assert_eq!(said(table(&[1.0], &["a"])).as_deref(), Some("it has 1 rows, and had 3"));
    }

    #[test]
    fn the_first_differing_line_is_named() {
        assert_eq!(texts(b"a\nb\nc", b"a\nx\nc").as_deref(), Some("line 2 is `x`, and was `b`"));
        assert_eq!(texts(b"a", b"a\nb").as_deref(), Some("it has 2 lines, and had 1"));
        assert_eq!(texts(b"\xff\x00", b"\xff\x01").as_deref(), Some("byte 2 is another"));
    }
}
