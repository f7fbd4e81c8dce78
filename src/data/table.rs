//! A table: Arrow batches in memory, or a Parquet file on disk, behind one type.
//!
//! Whoever reads a table sees batches of exactly [`CHUNK`] rows (the last may be shorter) in row
//! order, whether it was handed over in memory or read back from a file. That is what lets a
//! stage give the same bytes for both.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};

use crate::data::parquet;
use crate::data::partition::Partitions;

/// Rows in a batch; Parquet row groups hold a multiple of it.
pub const CHUNK: usize = 65_536;

/// An immutable table; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Table {
    schema: SchemaRef,
    rows: usize,
    body: Body,
    note: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
enum Body {
    Memory(Arc<Vec<RecordBatch>>),
    File(PathBuf),
    /// Row groups of a file.
    Groups(PathBuf, Range<usize>),
}

/// Batches of a table in row order, each of [`CHUNK`] rows but the last.
pub type Batches<'a> = Box<dyn Iterator<Item = Result<RecordBatch>> + Send + 'a>;

impl Table {
    /// A table of one batch.
    pub fn from_batch(batch: RecordBatch) -> Self {
        Self::from_batches(batch.schema(), vec![batch])
    }

    /// A table of many batches of any size; they are cut anew into chunks.
    pub fn from_batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let batches = rechunk(&schema, batches);
        Self { schema, rows, body: Body::Memory(Arc::new(batches)), note: None }
    }

    /// Opens a Parquet file; only its footer is read.
    ///
    /// # Errors
    /// When the file can't be read or isn't Parquet.
    pub fn open(path: &Path) -> Result<Self> {
        let (schema, rows, note) = parquet::noted_footer(path)?;
        Ok(Self { schema, rows, body: Body::File(path.to_path_buf()), note: note.map(Arc::from) })
    }

    /// The same rows with a note beside them, which goes into the file. What is made of the rows doesn't have it.
    #[must_use]
    pub fn with_note(self, note: String) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// The note beside the rows.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The rows of a partition, by its position.
    pub fn partition(&self, partitions: &Partitions, at: usize) -> Self {
        let rows = partitions.rows(at);
        let (schema, count) = (self.schema.clone(), rows.len());
        match &self.body {
            Body::Memory(batches) => Self::from_batches(schema, overlap(batches, &rows)),
            Body::File(path) | Body::Groups(path, _) => {
                let sizes = (0..=at).map(|at| parquet::groups_of(partitions.rows(at).len()));
                let (before, own) = sizes.fold((0, 0), |(before, own), size| (before + own, size));
                Self {
                    schema,
                    rows: count,
                    body: Body::Groups(path.clone(), before..before + own),
                    note: None,
                }
            }
        }
    }

    /// The columns: names and types in order.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether the table has a column of that name.
    pub fn has(&self, column: &str) -> bool {
        self.schema.column_with_name(column).is_some()
    }

    /// Memory that the batches occupy; a table on disk counts as zero.
    pub fn bytes_in_memory(&self) -> usize {
        match &self.body {
            Body::Memory(batches) => batches.iter().map(RecordBatch::get_array_memory_size).sum(),
            Body::File(_) | Body::Groups(..) => 0,
        }
    }

    /// All columns, batch by batch.
    ///
    /// # Errors
    /// When the file behind the table can't be opened.
    pub fn batches(&self) -> Result<Batches<'_>> {
        self.scan(None)
    }

    /// The named columns, in the order asked for, batch by batch.
    ///
    /// # Errors
    /// When a column doesn't exist (the message lists those that do) or the file can't be opened.
    pub fn select(&self, columns: &[&str]) -> Result<Batches<'_>> {
        let indices = columns.iter().map(|name| self.index_of(name)).collect::<Result<Vec<_>>>()?;
        self.scan(Some(indices))
    }

    /// The whole table as one batch.
    ///
    /// # Errors
    /// When the file behind the table can't be read.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let batches = self.batches()?.collect::<Result<Vec<_>>>()?;
        Ok(concat_batches(&self.schema, &batches)?)
    }

    /// Writes the table as Parquet, with the fixed settings of [`parquet::Writer`].
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut writer = parquet::Writer::noted(path, self.schema.clone(), self.note())?;
        let mut ends = Partitions::of(self).map(|partitions| partitions.ends()).unwrap_or_default();
        ends.reverse();
        let mut row = 0;
        for batch in self.batches()? {
            let mut rest = batch?;
            // No row group has rows of two partitions.
            while let Some(end) = ends.pop_if(|end| *end <= row + rest.num_rows()) {
                writer.write(&rest.slice(0, end - row))?;
                writer.end_group()?;
                rest = rest.slice(end - row, rest.num_rows() - (end - row));
                row = end;
            }
            row += rest.num_rows();
            writer.write(&rest)?;
        }
        writer.finish()
    }

    /// Position of a column.
    ///
    /// # Errors
    /// When it doesn't exist; the message lists those that do.
    pub fn index_of(&self, name: &str) -> Result<usize> {
        crate::data::columns::index_of(&self.schema, name)
    }

    fn scan(&self, indices: Option<Vec<usize>>) -> Result<Batches<'_>> {
        match &self.body {
            Body::File(path) => {
                parquet::read(path, indices).with_context(|| format!("can't read `{}`", path.display()))
            }
            Body::Groups(path, groups) => parquet::read_groups(path, groups.clone(), indices)
                .with_context(|| format!("can't read `{}`", path.display())),
            Body::Memory(batches) => Ok(Box::new(batches.iter().map(move |batch| match &indices {
                None => Ok(batch.clone()),
                Some(indices) => Ok(batch.project(indices)?),
            }))),
        }
    }
}

/// What batches have of a range of rows.
fn overlap(batches: &[RecordBatch], rows: &Range<usize>) -> Vec<RecordBatch> {
    let mut start = 0;
    let mut found = Vec::new();
    for batch in batches {
        let end = start + batch.num_rows();
        let (from, to) = (rows.start.max(start), rows.end.min(end));
        if from < to {
            found.push(batch.slice(from - start, to - from));
        }
        start = end;
    }
    found
}

/// Cuts batches anew so that each has [`CHUNK`] rows but the last.
fn rechunk(schema: &Arc<Schema>, batches: Vec<RecordBatch>) -> Vec<RecordBatch> {
    let mut out = Vec::new();
    let mut pending: Vec<RecordBatch> = Vec::new();
    let mut held = 0;
    for mut batch in batches {
        while held + batch.num_rows() >= CHUNK {
            let take = CHUNK - held;
            pending.push(batch.slice(0, take));
            batch = batch.slice(take, batch.num_rows() - take);
            out.push(merge(schema, &pending));
            pending.clear();
            held = 0;
        }
        if batch.num_rows() > 0 {
            held += batch.num_rows();
            pending.push(batch);
        }
    }
    if !pending.is_empty() {
        out.push(merge(schema, &pending));
    }
    out
}

fn merge(schema: &SchemaRef, parts: &[RecordBatch]) -> RecordBatch {
    match parts {
        [one] => one.clone(),
        many => concat_batches(schema, many).unwrap_or_else(|_| RecordBatch::new_empty(schema.clone())),
    }
}
