//! Parquet files, written so that equal tables give equal bytes, and read in order.
//!
//! Fixed settings: Snappy, one million rows a row group, no timestamps, no writer version.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowLeafColumn, ArrowRowGroupWriterFactory, ArrowWriter,
    compute_leaves,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use crate::data::table::{Batches, CHUNK};

/// Rows in a row group: a multiple of [`CHUNK`], so that chunks never straddle two groups.
const ROW_GROUP: usize = 16 * CHUNK;

/// Who writes the files.
const AUTHOR: &str = "custem";

/// The key of a note in a file's metadata.
const NOTE: &str = "custem";

/// Batches that are encoded together: each column's in order, columns side by side.
const TOGETHER: usize = 4;

/// A Parquet file being written, batch by batch, with bounded memory; columns are encoded in parallel.
pub struct Writer {
    file: SerializedFileWriter<File>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    /// Writers of the row group that is being filled; none before its first row.
    columns: Vec<ArrowColumnWriter>,
    /// Rows in that group, those that wait included.
    rows: usize,
    groups: usize,
    waiting: Vec<RecordBatch>,
}

impl Writer {
    /// Creates (or truncates) the file.
    ///
    /// # Errors
    /// When it can't be created, or the schema has a type that Parquet lacks.
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self> {
        Self::noted(path, schema, None)
    }

    /// The same for a file with a note beside its rows.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn noted(path: &Path, schema: SchemaRef, note: Option<&str>) -> Result<Self> {
        let file = fs_err::File::create(path)?.into_parts().0;
        let whole = ArrowWriter::try_new(file, schema.clone(), Some(properties(note))).map_err(cause)?;
        let (file, factory) = whole.into_serialized_writer()?;
        Ok(Self { file, factory, schema, columns: Vec::new(), rows: 0, groups: 0, waiting: Vec::new() })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// When the batch has another schema or the disk is full.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut rest = batch.clone();
        while rest.num_rows() > 0 {
            let fits = rest.num_rows().min(ROW_GROUP - self.rows);
            self.waiting.push(rest.slice(0, fits));
            self.rows += fits;
            rest = rest.slice(fits, rest.num_rows() - fits);
            if self.rows == ROW_GROUP {
                self.end_group()?;
            } else if self.waiting.len() == TOGETHER {
                self.encode()?;
            }
        }
        Ok(())
    }

    /// Writes the footer; without it the file is no Parquet file.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn finish(mut self) -> Result<()> {
        self.end_group()?;
        self.file.close().map_err(cause)?;
        Ok(())
    }

    /// Encodes the rows that wait.
    fn encode(&mut self) -> Result<()> {
        if self.columns.is_empty() {
            self.columns = self.factory.create_column_writers(self.groups)?;
        }
        let mut leaves: Vec<Vec<ArrowLeafColumn>> = self.columns.iter().map(|_| Vec::new()).collect();
        for batch in self.waiting.drain(..) {
            let mut places = leaves.iter_mut();
            for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
                for leaf in compute_leaves(field, column)? {
                    places.next().context("a column has more parts than its type")?.push(leaf);
                }
            }
        }
        let write = |(column, leaves): (&mut ArrowColumnWriter, Vec<ArrowLeafColumn>)| {
            leaves.iter().try_for_each(|leaf| column.write(leaf))
        };
        Ok(self.columns.par_iter_mut().zip(leaves).try_for_each(write)?)
    }

    /// Ends the row group that is being filled; what is written next is in another one.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn end_group(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.encode()?;
        let columns = std::mem::take(&mut self.columns);
        let chunks: Vec<ArrowColumnChunk> =
            columns.into_par_iter().map(ArrowColumnWriter::close).collect::<Result<_, _>>()?;
        let mut group = self.file.next_row_group().map_err(cause)?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group).map_err(cause)?;
        }
        group.close().map_err(cause)?;
        self.groups += 1;
        self.rows = 0;
        Ok(())
    }
}

/// A failed write as the system reports it, without the wrapping that says it a second time.
fn cause(error: ParquetError) -> anyhow::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => (*io).into(),
            Err(inner) => ParquetError::External(inner).into(),
        },
        other => other.into(),
    }
}

fn properties(note: Option<&str>) -> WriterProperties {
    let note = note.map(|note| vec![KeyValue::new(NOTE.to_owned(), note.to_owned())]);
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(AUTHOR.to_owned())
        .set_key_value_metadata(note)
        .build()
}

/// How many row groups so many rows of a partition take.
pub fn groups_of(rows: usize) -> usize {
    rows.div_ceil(ROW_GROUP)
}

/// Schema and row count of a Parquet file.
///
/// # Errors
/// When the file can't be opened, is empty, or isn't (a whole) Parquet file.
pub fn footer(path: &Path) -> Result<(SchemaRef, usize)> {
    let metadata = metadata(&open(path)?, path)?;
    let rows = metadata.metadata().file_metadata().num_rows();
    Ok((metadata.schema().clone(), usize::try_from(rows)?))
}

/// Schema, row count and note of a Parquet file.
///
/// # Errors
/// As [`footer`].
pub fn noted_footer(path: &Path) -> Result<(SchemaRef, usize, Option<String>)> {
    let metadata = metadata(&open(path)?, path)?;
    let file = metadata.metadata().file_metadata();
    // Other programs may hand a note on with rows that they have changed.
    let own = file.created_by() == Some(AUTHOR);
    let pair = file
        .key_value_metadata()
        .filter(|_| own)
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == NOTE));
    let note = pair.and_then(|pair| pair.value.clone());
    Ok((metadata.schema().clone(), usize::try_from(file.num_rows())?, note))
}

/// Reads columns (all, or those at `indices`, in that order) in row order.
///
/// # Errors
/// When the file can't be opened or isn't Parquet.
pub fn read(path: &Path, indices: Option<Vec<usize>>) -> Result<Batches<'static>> {
    let file = open(path)?;
    let metadata = metadata(&file, path)?;
    batches((file, path), metadata, indices, CHUNK)
}

/// Reads columns of some row groups in row order.
///
/// # Errors
/// As [`read`].
pub fn read_groups(
    path: &Path,
    groups: Range<usize>,
    indices: Option<Vec<usize>>,
) -> Result<Batches<'static>> {
    let file = open(path)?;
    let metadata = metadata(&file, path)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
        .with_row_groups(groups.collect());
    of_builder(builder, path, &metadata, indices, CHUNK)
}

/// Reads the first rows of columns; nothing where there is none.
///
/// # Errors
/// When the file can't be opened, isn't Parquet, or is damaged.
pub fn head(path: &Path, indices: Vec<usize>, rows: usize) -> Result<Option<RecordBatch>> {
    let file = open(path)?;
    let metadata = metadata(&file, path)?;
    batches((file, path), metadata, Some(indices), rows)?.next().transpose()
}

/// Reads a column of text with the dictionary that it has in the file, instead of text by text.
///
/// # Errors
/// When the file can't be opened, isn't Parquet, or the column holds no text.
pub fn read_keyed(path: &Path, index: usize) -> Result<Batches<'static>> {
    let file = open(path)?;
    let plain = metadata(&file, path)?;
    let keyed = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let wanted = |(at, field): (usize, &Arc<Field>)| {
        if at == index {
            Arc::new(field.as_ref().clone().with_data_type(keyed.clone()))
        } else {
            Arc::clone(field)
        }
    };
    let fields: Vec<Arc<Field>> = plain.schema().fields().iter().enumerate().map(wanted).collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, plain.schema().metadata().clone()));
    let options = ArrowReaderOptions::default().with_schema(schema);
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options)?;
    batches((file, path), metadata, Some(vec![index]), CHUNK)
}

fn batches(
    (file, path): (File, &Path),
    metadata: ArrowReaderMetadata,
    indices: Option<Vec<usize>>,
    rows: usize,
) -> Result<Batches<'static>> {
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
    of_builder(builder, path, &metadata, indices, rows)
}

fn of_builder(
    builder: ParquetRecordBatchReaderBuilder<File>,
    path: &Path,
    metadata: &ArrowReaderMetadata,
    indices: Option<Vec<usize>>,
    rows: usize,
) -> Result<Batches<'static>> {
    let mut builder = builder.with_batch_size(rows);
    let order = indices.as_deref().map(projected_order);
    if let Some(indices) = indices {
        let mask = ProjectionMask::roots(metadata.parquet_schema(), indices);
        builder = builder.with_projection(mask);
    }
    let shown = path.display().to_string();
    let reader = builder.build()?;
    Ok(Box::new(reader.map(move |batch| {
        let batch = batch.with_context(|| format!("`{shown}` is damaged"))?;
        match &order {
            None => Ok(batch),
            Some(order) => Ok(batch.project(order)?),
        }
    })))
}

/// Parquet gives projected columns in file order; this finds each asked-for one among them.
fn projected_order(indices: &[usize]) -> Vec<usize> {
    let mut sorted = indices.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    indices.iter().map(|index| sorted.partition_point(|other| other < index)).collect()
}

fn open(path: &Path) -> Result<File> {
    let file = fs_err::File::open(path)?;
    if file.metadata()?.len() == 0 {
        bail!("`{}` is empty", path.display());
    }
    Ok(file.into_parts().0)
}

fn metadata(file: &File, path: &Path) -> Result<ArrowReaderMetadata> {
    let whole = ArrowReaderMetadata::load(file, ArrowReaderOptions::default())
        .with_context(|| format!("`{}` is not a whole Parquet file", path.display()))?;
    if !whole.schema().metadata().contains_key(NOTE) {
        return Ok(whole);
    }
    // The note is about the rows of this file: it must not get into what is made of them.
    let mut schema = whole.schema().as_ref().clone();
    schema.metadata.remove(NOTE);
    let options = ArrowReaderOptions::default().with_schema(Arc::new(schema));
    Ok(ArrowReaderMetadata::try_new(Arc::clone(whole.metadata()), options)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Float64Array, Int64Array};
    use arrow::datatypes::Int32Type;

    use super::*;

    /// What the crate's own writer makes of the same batches, column after column.
    fn whole(batches: &[RecordBatch], path: &Path) -> Vec<u8> {
        let file = File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batches[0].schema(), Some(properties(None))).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.close().unwrap();
        std::fs::read(path).unwrap()
    }

    fn ours(batches: &[RecordBatch], path: &Path) -> Vec<u8> {
        let mut writer = Writer::create(path, batches[0].schema()).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
        std::fs::read(path).unwrap()
    }

    fn batch(from: usize, rows: usize) -> RecordBatch {
        let numbers = Int64Array::from_iter_values((from..from + rows).map(|row| (row * row % 1_009) as i64));
        let gaps: Float64Array =
            (from..from + rows).map(|row| (row % 7 > 0).then(|| row as f64 / 3.0)).collect();
        let texts: Vec<String> = (from..from + rows).map(|row| format!("t{}", row % 301)).collect();
        let texts: DictionaryArray<Int32Type> = texts.iter().map(String::as_str).collect();
        let columns: [(&str, ArrayRef); 3] =
            [("number", Arc::new(numbers)), ("gap", Arc::new(gaps)), ("text", Arc::new(texts))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn columns_side_by_side_give_the_bytes_of_the_crates_own_writer() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        // A row group is 1,048,576 rows: these batches end beside, at and behind its end.
        let sizes = [&[0, 5][..], &[CHUNK; 17], &[ROW_GROUP + 3, 2 * ROW_GROUP], &[ROW_GROUP - 1, 1, 1]];
        for sizes in sizes {
            let upto = |from: &mut usize, rows: &usize| {
                *from += rows;
                Some(batch(*from - rows, *rows))
            };
            let batches: Vec<RecordBatch> = sizes.iter().scan(0, upto).collect();
            assert!(whole(&batches, &one) == ours(&batches, &two), "{sizes:?}");
        }
    }

    #[test]
    fn a_table_without_rows_is_a_file_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none");
        ours(&[batch(0, 0)], &path);
        assert_eq!(footer(&path).unwrap().1, 0);
    }
}
