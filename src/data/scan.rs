//! An ordered scan that decodes ahead: while the rows of one window are used, the next window's
//! columns are decoded, each column by itself, on whatever cores are free.
//!
//! Memory is bounded by two windows, whatever the table's size. Does not know what the rows mean.

use std::sync::Arc;

use anyhow::{Result, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use rayon::prelude::*;

use crate::data::Table;
use crate::data::table::Batches;

/// Batches in a window: enough to keep the cores busy between two meetings, and still small.
const WINDOW: usize = 4;

/// Shows `visit` the named columns of all rows, in row order, some whole batches at a time.
///
/// Batches have [`crate::data::table::CHUNK`] rows but the last, so what a visitor sees does not
/// depend on threads, nor on whether the table is in memory or in a file.
///
/// # Errors
/// When a column doesn't exist, the file behind the table is damaged, or the visitor fails.
pub fn windows<F>(table: &Table, columns: &[&str], visit: F) -> Result<()>
where
    F: FnMut(&[RecordBatch]) -> Result<()> + Send,
{
    let schema = projected(table, columns)?;
    let readers = columns.iter().map(|column| table.select(&[column])).collect::<Result<Vec<_>>>()?;
    side_by_side(&schema, readers, visit)
}

/// The same for readers that each give one column of the schema, in its order.
///
/// # Errors
/// When a reader fails (the first one of the schema's order, at any number of threads), columns
/// differ in length, or the visitor fails.
pub fn side_by_side<F>(schema: &SchemaRef, mut readers: Vec<Batches<'_>>, mut visit: F) -> Result<()>
where
    F: FnMut(&[RecordBatch]) -> Result<()> + Send,
{
    let mut window = read(schema, &mut readers)?;
    while !window.is_empty() {
        let (visited, next) = rayon::join(|| visit(&window), || read(schema, &mut readers));
        visited?;
        window = next?;
    }
    Ok(())
}

fn projected(table: &Table, columns: &[&str]) -> Result<SchemaRef> {
    let indices = columns.iter().map(|column| table.index_of(column)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(table.schema().project(&indices)?.fields)))
}

/// The next window: every reader gives its column of the same rows.
fn read(schema: &SchemaRef, readers: &mut [Batches<'_>]) -> Result<Vec<RecordBatch>> {
    let columns: Vec<Result<Vec<RecordBatch>>> =
        readers.par_iter_mut().map(|reader| reader.take(WINDOW).collect()).collect();
    let columns: Vec<Vec<RecordBatch>> = columns.into_iter().collect::<Result<_>>()?;
    let batches = columns.iter().map(Vec::len).max().unwrap_or(0);
    (0..batches).map(|at| beside(schema, &columns, at)).collect()
}

/// One batch from the `at`-th batch of every column.
fn beside(schema: &SchemaRef, columns: &[Vec<RecordBatch>], at: usize) -> Result<RecordBatch> {
    let parts: Vec<_> =
        columns.iter().filter_map(|column| Some(column.get(at)?.columns().first()?.clone())).collect();
    let same_rows = parts.windows(2).all(|pair| pair[0].len() == pair[1].len());
    if parts.len() != columns.len() || !same_rows {
        bail!("the table is damaged: its columns differ in length");
    }
    Ok(RecordBatch::try_new(schema.clone(), parts)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, DictionaryArray, Int64Array};
    use arrow::datatypes::{Int32Type, Int64Type};

    use super::*;
    use crate::data::table::CHUNK;

    /// More rows than a row group of dictionary text holds in one page, and a short last batch.
    fn table(rows: usize) -> Table {
        let numbers = Int64Array::from_iter_values((0..rows).map(|row| row as i64));
        let texts: Vec<String> = (0..rows).map(|row| format!("t{}", row % 70_001)).collect();
        let texts: DictionaryArray<Int32Type> = texts.iter().map(String::as_str).collect();
        let columns: [(&str, ArrayRef); 2] = [("number", Arc::new(numbers)), ("text", Arc::new(texts))];
        Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
    }

    fn seen(table: &Table, columns: &[&str]) -> (Vec<i64>, Vec<usize>) {
        let (mut numbers, mut sizes) = (Vec::new(), Vec::new());
        windows(table, columns, |window| {
            for batch in window {
                let column = batch.column_by_name("number").unwrap();
                numbers.extend_from_slice(column.as_primitive::<Int64Type>().values());
                sizes.push(batch.num_rows());
            }
            Ok(())
        })
        .unwrap();
        (numbers, sizes)
    }

    #[test]
    fn memory_and_file_give_the_same_batches_in_order() {
        let rows = 6 * CHUNK + 17;
        let table = table(rows);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.parquet");
        table.write(&path).unwrap();
        let (numbers, sizes) = seen(&table, &["text", "number"]);
        assert_eq!(numbers, (0..rows as i64).collect::<Vec<_>>());
        assert_eq!(sizes, [CHUNK, CHUNK, CHUNK, CHUNK, CHUNK, CHUNK, 17]);
        assert_eq!(seen(&Table::open(&path).unwrap(), &["text", "number"]), (numbers, sizes));
    }

    #[test]
    fn a_failing_visitor_ends_the_scan() {
        let table = table(10);
        assert!(windows(&table, &["number"], |_| bail!("enough")).is_err());
        assert!(windows(&table, &["missing"], |_| Ok(())).is_err());
    }

    #[test]
    fn no_rows_or_no_columns_are_no_windows() {
        for (table, columns) in [(table(0), &["number"][..]), (table(3), &[])] {
            windows(&table, columns, |_| bail!("there is nothing to see")).unwrap();
        }
    }
}
